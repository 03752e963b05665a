"""The command line from end to end: two commands on generated data, evaluation, and one line for a mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from idkl.evaluation.results import read_results
from tests.small import CONFIGS, REPOSITORY, SMALL


def call(program: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "tools" / program), *words]
    # Only what the project's own set-up gives: packages found by their installation or, here, by path.
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "projects" / "IDKL"), os.environ.get("PYTHONPATH", "")])
    everything = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=everything, timeout=240, check=False)


def test_generate_train_evaluate(tmp_path: Path) -> None:
    root, run = tmp_path / "datasets", tmp_path / "run"
    made = call(
        "generate_dataset.py", "--layout", "sysu", "--root", str(root / "SYSU-MM01"), "--ids", "8", "--images", "2"
    )
    assert made.returncode == 0, made.stderr
    config = ("--config-file", str(CONFIGS / "demo.yml"))
    options = ("OUTPUT_DIR", str(run), *map(str, SMALL), "DATALOADER.NUM_WORKERS", "1", "SOLVER.MAX_EPOCH", "2")
    trained = call("train_net.py", *config, *options, FASTREID_DATASETS=str(root))
    assert trained.returncode == 0, trained.stderr
    assert "untrained" in trained.stdout and "Files in" in trained.stdout and "\r" not in trained.stdout
    rows = read_results(run / "results.json")
    again = tmp_path / "again"
    evaluated = call(
        "train_net.py",
        *(*config, "--eval-only", "MODEL.WEIGHTS", str(run / "model_final.pth"), *map(str, SMALL)),
        *("OUTPUT_DIR", str(again)),
        FASTREID_DATASETS=str(root),
    )
    assert evaluated.returncode == 0, evaluated.stderr
    assert read_results(again / "results.json") == rows
    table = trained.stdout[trained.stdout.rindex("Results\n") :].splitlines()[3:9]
    assert table == evaluated.stdout[evaluated.stdout.rindex("Results\n") :].splitlines()[3:9]


def test_a_mistake_is_one_line_and_a_status(tmp_path: Path) -> None:
    wrong = call(
        *("train_net.py", "--config-file", str(CONFIGS / "demo.yml"), "OUTPUT_DIR", str(tmp_path / "run")),
        FASTREID_DATASETS=str(tmp_path),
    )
    assert wrong.returncode == 2
    # Libraries may have warned before, of a CUDA compiler without a GPU for example.
    assert wrong.stderr.splitlines()[-1] == (
        f"error: dataset SYSU_MM01 is not at {tmp_path}/SYSU-MM01: put it there, or set FASTREID_DATASETS to the "
        "folder that holds SYSU-MM01/"
    )
    assert "Traceback" not in wrong.stderr + wrong.stdout


def test_more_gpus_than_there_are() -> None:
    wrong = call("train_net.py", "--num-gpus", "64", "--config-file", str(CONFIGS / "demo.yml"))
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: --num-gpus 64, but this machine has")
