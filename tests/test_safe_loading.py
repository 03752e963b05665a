"""No file that is read can run code: not as YAML, not as a pickle."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasets_ext.errors import UserError
from idkl.engine.setup import merge_config
from tests.small import CONFIGS, REPOSITORY

CODE = [
    path for folder in ("datasets_ext", "projects", "tools") for path in sorted((REPOSITORY / folder).rglob("*.py"))
]
TAGS = (
    "!!python/object/apply:os.mkdir [{folder}]",
    "!!python/object/apply:eval [\"__import__('os').mkdir('{folder}')\"]",
    "!!python/object/new:os.mkdir [{folder}]",
    "!!python/name:os.mkdir",
    "!!python/module:os",
)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("in_base", [False, True])
def test_a_config_that_would_run_code_is_refused_and_does_not(
    tmp_path: Path, tag: str, in_base: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    made = tmp_path / "made"
    config = tmp_path / "config.yml"
    config.write_text(f"OUTPUT_DIR: {tag.format(folder=made)}\n")
    if in_base:
        config = tmp_path / "over.yml"
        config.write_text("_BASE_: config.yml\n")
    with pytest.raises(UserError, match=f"config file {config} is no valid config: could not determine") as error:
        merge_config(str(config), [])
    assert "\n" not in str(error.value) and not made.exists()
    assert not caplog.records  # nor was it tried


def test_a_value_on_the_command_line_is_only_text(tmp_path: Path) -> None:
    made = tmp_path / "made"
    cfg = merge_config("", ["OUTPUT_DIR", f"__import__('os').mkdir('{made}')"])
    assert cfg.OUTPUT_DIR.startswith("__import__") and not made.exists()
    cfg = merge_config(str(CONFIGS / "demo.yml"), ["OUTPUT_DIR", f"!!python/object/apply:os.mkdir ['{made}']"])
    assert not made.exists()


def calls() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every call ``module.function`` in our code: its place, its name and its named arguments."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named = {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg}
                yield f"{path}:{node.lineno}", ast.unparse(node.func), named


def test_the_code_reads_no_pickle_and_no_yaml_with_objects() -> None:
    found = list(calls())
    names = {name for _, name, _ in found}
    assert {"np.load", "torch.load", "yaml.safe_load"} <= names
    assert not {name for name in names if name.startswith(("pickle.", "dill.", "joblib.", "marshal."))}
    assert not names & {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "torch.jit.load"}
    for place, name, named in found:
        if name in ("np.load", "np.lib.format.read_array"):
            assert named.get("allow_pickle") == "False", place
        if name == "torch.load":
            assert named.get("weights_only") == "True", place
        if name.endswith(("load_yaml_with_base", "merge_from_file")):
            assert "allow_unsafe" not in named, place
