"""The command line of check_dataset: verdicts, exit status, table against JSON, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from datasets_ext.checks import CHECKS
from datasets_ext.errors import UserError
from datasets_ext.generated import LAYOUTS
from tests.small import REPOSITORY
from tools.check_dataset import main


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Status, stdout and stderr of the program."""
    capsys.readouterr()  # what was printed before
    with pytest.raises(SystemExit) as exit_:
        main([str(word) for word in words])
    assert isinstance(exit_.value.code, int)
    out, err = capsys.readouterr()
    return exit_.value.code, out, err


def table_of(text: str) -> list[list[str]]:
    """The table's rows, cut at the columns that its ruler shows."""
    lines = text.splitlines()
    starts = [k for k in range(len(lines[3])) if lines[3][k] == "-" and (k == 0 or lines[3][k - 1] == " ")]
    ends = [*starts[1:], None]
    rows = lines[4 : lines.index("", 4)]
    return [[row[a:b].strip() for a, b in zip(starts, ends, strict=True)] for row in rows]


def rows_of(data: dict[str, Any]) -> list[list[str]]:
    return [[f[key] for key in ("what", "expected", "found", "result")] for f in data["findings"]]


@pytest.mark.parametrize("name", CHECKS)
def test_generated_data_of_every_layout(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / CHECKS[name].dataset.dataset_dir
    LAYOUTS[CHECKS[name].layout](root, ids=4, images=1, seed=0)
    monkeypatch.setenv("FASTREID_DATASETS", str(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    status, text, err = run(capsys, "--dataset", name)
    assert (status, err) == (0, "")
    assert text.splitlines()[-1] == "verdict: usable, but not the published dataset"
    status, text_json, _ = run(capsys, "--dataset", CHECKS[name].layout.upper(), "--root", root, "--json")
    data = json.loads(text_json)
    assert status == 0 and data["generated"] and data["root"] == str(root) and data["dataset"] == name
    assert table_of(text) == rows_of(data)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_fault_is_in_table_and_json_alike(datasets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "SYSU"
    root.mkdir()
    for entry in (datasets / "SYSU-MM01").iterdir():
        if entry.name != "cam4":
            (root / entry.name).symlink_to(entry)
    status, text, _ = run(capsys, "--dataset", "SYSU_MM01", "--root", root)
    assert status == 1 and text.splitlines()[-1] == "verdict: not usable"
    status, text_json, _ = run(capsys, "--dataset", "SYSU_MM01", "--root", root, "--json")
    data = json.loads(text_json)
    assert status == 1 and data["verdict"] == "not usable"
    assert table_of(text) == rows_of(data)
    for finding in data["findings"]:
        if finding["result"] != "ok":
            assert f"{finding['result']}: {finding['what']}: {finding['found']}" in text
            assert f"to do: {finding['advice']}" in text
            assert all(item in text for item in finding["items"][:5])


def test_an_empty_folder_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in CHECKS:
        status, text, err = run(capsys, "--dataset", name, "--root", tmp_path)
        assert (status, err) == (1, "")
        assert text.splitlines()[-1] == "verdict: not usable"


def test_the_wrong_dataset_is_reported(datasets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text, _ = run(capsys, "--dataset", "RegDB", "--root", datasets / "SYSU-MM01")
    assert status == 1 and "give the --dataset whose layout it has" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--dataset", "Market"), "--dataset Market is unknown: choose from SYSU_MM01, RegDB, LLCM"),
        (("--dataset", "RegDB", "--root", "nowhere"), "--root nowhere is not a folder"),
        (("--dataset", "LLCM"), "dataset LLCM is not at"),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASTREID_DATASETS", raising=False)
    with pytest.raises(UserError) as caught:
        main(list(words))
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_the_program_itself(tmp_path: Path) -> None:
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    words = ["--dataset", "RegDB", "--root", str(tmp_path / "nowhere")]
    done = subprocess.run(
        [sys.executable, "tools/check_dataset.py", *words],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("error: --root") and "Traceback" not in done.stderr
