"""Sweeps with stand-ins for the training: what is run where, what is skipped, what failed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from datasets_ext import UserError
from idkl.engine.sweep import run_sweep
from idkl.engine.sweep_folder import opened
from idkl.engine.sweep_plan import Run
from idkl.engine.sweep_run import train_runs, visible_gpus
from tests.sweeps import finish, make_row, plan


def test_finished_runs_are_summarised_without_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = plan(tmp_path, "SEED 1 2")
    for run, value in zip(sweep.runs, (40.0, 50.0), strict=True):
        finish(run, value)
    run_sweep(sweep, [], Path("no_program.py"))
    assert "2 finished already" in capsys.readouterr().out
    saved = json.loads((tmp_path / "sweep_results.json").read_text())
    assert saved["keys"] == ["SEED"] and saved["planned_runs"] == 2
    assert [(run["values"], run["folder"]) for run in saved["runs"]] == [
        ({"SEED": 1}, "SEED-1"),
        ({"SEED": 2}, "SEED-2"),
    ]
    assert saved["runs"][1]["rows"] == [make_row("all", 50.0)]
    assert saved["summary"][0]["mAP"] == 45.0 and saved["summary"][0]["std"]["mAP"] == 5.0


def test_a_failing_run_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = plan(tmp_path, "SEED 1 2 3")
    for run in sweep.runs[1:]:
        finish(run)
    program = tmp_path / "fails.py"
    program.write_text("import sys; print('one'); sys.exit('error: no such data')")
    with pytest.raises(UserError, match=r"1 of 3 runs failed \(SEED-1\): see output.txt .*the same command"):
        run_sweep(sweep, [], program)
    out = capsys.readouterr().out
    assert "[1/3] SEED-1 failed after 0:00:0" in out and "error: no such data" in out
    assert "INCOMPLETE: 2 of 3 runs" in out
    assert len(json.loads((tmp_path / "sweep_results.json").read_text())["runs"]) == 2
    assert (sweep.runs[0].folder / "output.txt").read_text() == "one\nerror: no such data\n"


def test_one_run_at_a_time_on_each_gpu(tmp_path: Path) -> None:
    sweep = plan(tmp_path, "SEED 1-4")
    code = "import os, time; print(os.environ['CUDA_VISIBLE_DEVICES']); time.sleep(0.1)"
    at_work: list[str] = []
    most = 0

    def report(run: Run, text: str) -> None:
        nonlocal most
        if text.startswith("started"):
            at_work.append(text)
        else:
            at_work.pop()
        most = max(most, len(at_work))

    for run in sweep.runs:
        finish(run)
    with opened(sweep) as lock:
        train_runs(sweep.runs, lambda run: [sys.executable, "-c", code], ["4", "7"], lock, report)
    assert most == 2 and not at_work
    used = [(run.folder / "output.txt").read_text().strip() for run in sweep.runs]
    assert used[:2] == ["4", "7"] and set(used) == {"4", "7"}


def test_gpu_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus([0, 1], 2) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-7")
    assert visible_gpus([1], 2) == ["GPU-7"]
    with pytest.raises(UserError, match="--gpus 1 1 names a GPU twice"):
        visible_gpus([1, 1], 2)
    with pytest.raises(UserError, match="--gpus 2, but this machine has 2, counted from 0"):
        visible_gpus([0, 2], 2)
    sweep = plan(tmp_path, "SEED 1", overrides=("MODEL.DEVICE", "cpu"))
    with pytest.raises(UserError, match="--gpus, but MODEL.DEVICE is cpu"):
        run_sweep(sweep, [0], Path("no_program.py"))
