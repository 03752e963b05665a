"""The GPU's program from end to end, on a CPU; it says so where there is no GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from datasets_ext import UserError
from idkl.benchmark import gpu_training
from idkl.benchmark.gpu_report import Plan, Row
from tests.small import CONFIGS, SMALL
from tools import measure_gpu

pytestmark = pytest.mark.usefixtures("quick_ceilings")
SMALLEST = ["--config-file", str(CONFIGS / "demo.yml"), "--warmup", "0", "--steps", "1"]


def call(folder: Path, *words: str) -> None:
    measure_gpu.main(["--output", str(folder), *SMALLEST, *words, *map(str, SMALL)])


def test_parts_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(gpu_training, "KINDS", {"bf16": gpu_training.BF16})  # the others are tested with their part
    call(tmp_path, "--device", "cpu", "--parts", "augmentation", "precision")
    printed = capsys.readouterr().out
    table = (tmp_path / "measured.md").read_text()
    assert printed.endswith(table[table.index("| part") :])
    assert "IDKL, ResNet 18x, 8 images of 64x32, synthetic" in table and "ceilings measured here" in table
    rows = json.loads((tmp_path / "measured.json").read_text())["rows"]
    assert [row["part"] for row in rows] == ["augmentation"] * 2 + ["precision"] * 2
    assert [row["what"] for row in rows[2:]] == ["bf16", "bf16, channels last"]
    assert all(row["images_per_second"] > 0 for row in rows) and all(row["counted_gib"] > 0 for row in rows[2:])


def test_a_part_that_fails_is_a_line_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(plan: Plan) -> list[Row]:
        raise RuntimeError("no kernel\nimage")

    monkeypatch.setitem(measure_gpu.PARTS, "precision", broken)
    monkeypatch.setitem(measure_gpu.PARTS, "memory", lambda plan: [Row("memory", f"{plan.warmup} and {plan.steps}")])
    with pytest.raises(SystemExit) as end:
        call(tmp_path, "--device", "cpu", "--parts", "precision", "memory")
    assert end.value.code == 1
    rows = json.loads((tmp_path / "measured.json").read_text())["rows"]
    assert [(row["part"], row["what"]) for row in rows] == [("precision", "failed"), ("memory", "0 and 1")]
    assert rows[0]["remark"] == "RuntimeError: no kernel image" and "Traceback" in capsys.readouterr().err


def test_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="--device cuda, but this machine has no usable GPU"):
        call(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("words", "message"), [(("--steps", "0"), "give 0 or more"), (("--warmup", "-1"), "--warmup")])
def test_numbers(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        call(tmp_path, "--device", "cpu", *words)
