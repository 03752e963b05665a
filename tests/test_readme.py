"""What the README tells to type can be typed."""

from __future__ import annotations

import re
import runpy
import shlex

import pytest
from fastreid.engine import default_argument_parser

from idkl.engine import load_config
from idkl.engine.setup import merge_config
from idkl.engine.sweep_plan import split_overrides
from tests.small import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"python (tools/\S+\.py(?:[^\n\\]|\\\n)*)", README.replace("\\\n", " "))


@pytest.mark.parametrize("command", [c for c in COMMANDS if "train_net" in c])
def test_training_commands(command: str) -> None:
    program, *words = shlex.split(command.split("#")[0])
    assert (REPOSITORY / program).is_file()
    args = default_argument_parser().parse_args(words)
    args.config_file = str(REPOSITORY / args.config_file)
    assert load_config(args).DATASETS.TESTS in (("SYSU_MM01",), ("RegDB",))


@pytest.mark.parametrize("command", [c for c in COMMANDS if "train_net" not in c])
def test_other_commands(command: str) -> None:
    program, *words = shlex.split(command.split("#")[0])
    parser = runpy.run_path(str(REPOSITORY / program))["_parser"]()
    if "benchmark" in program:  # whose --vs is followed by keys
        _, overrides = parser.parse_known_args(words)
    else:
        flags, overrides = split_overrides(words)
        parser.parse_args(flags)
    assert set(merge_config("", overrides)) >= {key.split(".")[0] for key in overrides[::2]}


def test_there_are_commands_and_links_lead_somewhere() -> None:
    assert len(COMMANDS) >= 8
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert len(targets) >= 6 and [target for target in targets if not (REPOSITORY / target).exists()] == []


def test_the_example_component_works() -> None:
    code = README[README.index("    from idkl.modeling import IDKL") : README.index("A batch is a dictionary")]
    names: dict[str, object] = {}
    exec(re.sub(r"^    ", "", code, flags=re.MULTILINE), names)
    assert names["META_ARCH_REGISTRY"].get("MyIDKL") is names["MyIDKL"]
