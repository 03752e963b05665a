"""A sweep from the command line: stopped in the middle, gone on with, and summarised."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datasets_ext import UserError
from datasets_ext.files import write_atomically
from idkl.engine import sweep_study
from idkl.engine.sweep_plan import Sweep
from idkl.evaluation.results import read_results
from tests.runs import BASELINE
from tests.small import CONFIGS, REPOSITORY, SMALL
from tests.sweeps import TGSA, make_row
from tools.sweep import main


def start(datasets: Path, folder: Path, *words: str) -> subprocess.Popen[str]:
    small = (*BASELINE, *SMALL, "TEST.EVAL_START", False, "SOLVER.MAX_EPOCH", 2)
    command = [sys.executable, str(REPOSITORY / "tools" / "sweep.py"), "--config-file", str(CONFIGS / "demo.yml")]
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "projects" / "IDKL"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "FASTREID_DATASETS": str(datasets)}
    return subprocess.Popen(
        [*command, *words, "OUTPUT_DIR", str(folder), *map(str, small)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_stopped_and_gone_on_with(datasets: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    first, second = folder / "SEED-1", folder / "SEED-2"
    sweep = start(datasets, folder, "--over", "SEED", "1", "2")
    deadline = time.monotonic() + 120
    while not (first / "model_0000.pth").exists():  # after the first of two epochs
        assert sweep.poll() is None and time.monotonic() < deadline, sweep.communicate()
        time.sleep(0.05)
    sweep.send_signal(signal.SIGTERM)
    out, err = sweep.communicate(timeout=60)
    assert sweep.returncode == 130 and "Traceback" not in out + err
    assert out.splitlines()[-1] == "Stopped with 0 of 2 runs finished; the same command goes on"
    assert not (first / "model_final.pth").exists() and not second.exists()

    sweep = start(datasets, folder, "--over", "SEED", "1", "2")
    out, err = sweep.communicate(timeout=240)
    assert sweep.returncode == 0, err
    assert "1 to go on with, 1 to start" in out and "[1/2] SEED-1 finished in" in out
    assert "Going on after iteration" in (first / "output.txt").read_text()
    rows = [read_results(run / "results.json") for run in (first, second)]
    saved = json.loads((folder / "sweep_results.json").read_text())
    assert [run["rows"] for run in saved["runs"]] == rows
    pair = [row[0]["mAP"] for row in rows]
    assert saved["summary"][0]["mAP"] == pytest.approx(sum(pair) / 2)
    assert saved["summary"][0]["std"]["mAP"] == pytest.approx(abs(pair[0] - pair[1]) / 2)
    assert f"{sum(pair) / 2:.2f}±{abs(pair[0] - pair[1]) / 2:.2f}" in out


def test_a_mistake_is_found_before_the_first_run(tmp_path: Path) -> None:
    words = ["--config-file", str(CONFIGS / "demo.yml"), "--over", "SOLVER.BASE_LRS", "1", "2"]
    with pytest.raises(UserError, match=r"unknown config key SOLVER.BASE_LRS; did you mean SOLVER.BASE_LR\?"):
        main([*words, "OUTPUT_DIR", str(tmp_path / "sweep")])
    assert not (tmp_path / "sweep").exists()


def test_help_shows_the_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert capsys.readouterr().out.count("python tools/sweep.py --config-file") == 4


def test_a_study_of_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def trained(sweep: Sweep, gpus: list[int], program: Path) -> None:
        row = make_row("all", 100 * sweep.runs[0].config[TGSA]) | {"values": {}, "runs": len(sweep.runs)}
        write_atomically(
            sweep.folder / "sweep_results.json", lambda file: file.write(json.dumps({"summary": [row]}).encode())
        )

    monkeypatch.setattr(sweep_study, "run_sweep", trained)
    words = ["--config-file", str(CONFIGS / "demo.yml"), "--study", "3", "--between", TGSA, "0", "1"]
    main([*words, "--over", "SEED", "1", "2", "OUTPUT_DIR", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    scores = [float(line.split()[1]) for line in lines if line[:1].isdigit()]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    assert lines[-1].startswith("These values are chosen by their test score")
    assert (tmp_path / "trial-002" / "sweep_results.json").exists()
    with pytest.raises(UserError, match="--over SOLVER.BASE_LR with --study"):
        main([*words, "--over", "SOLVER.BASE_LR", "1", "OUTPUT_DIR", str(tmp_path)])
    with pytest.raises(UserError, match="one --between or more"):
        main([*words[:4], "--over", "SEED", "1"])
