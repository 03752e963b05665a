"""What a sweep's folder was begun with, who is at work in it, and how far its runs have come."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from datasets_ext import UserError
from idkl.engine.sweep_folder import opened, state_of
from tests.sweeps import finish, plan


def test_how_far_a_run_has_come(tmp_path: Path) -> None:
    run = plan(tmp_path, "DATASETS.SPLIT 1", overrides=("SEED", "-1")).runs[0]
    assert state_of(run) == "new"
    # The seed, the device and the number of identities are the run's own decisions.
    finish(run, **{"SEED": 99, "MODEL.DEVICE": "cpu", "MODEL.HEADS.NUM_CLASSES": 206, "OUTPUT_DIR": "elsewhere"})
    assert state_of(run) == "finished"
    for name in ("results.json", "model_final.pth"):
        finish(run, SEED=99)
        (run.folder / name).unlink()
        assert state_of(run) == "begun"
    finish(run, **{"SOLVER.MAX_EPOCH": 99})
    with pytest.raises(UserError, match=r"SPLIT-1 holds a run with SOLVER.MAX_EPOCH 99, not 11: delete that folder"):
        state_of(run)
    (run.folder / "config.yaml").write_text("[")
    with pytest.raises(UserError, match=r"config.yaml is no config: delete the folder"):
        state_of(run)


def test_a_given_seed_must_be_the_runs(tmp_path: Path) -> None:
    run = plan(tmp_path, "SEED 1").runs[0]
    finish(run, SEED=2)
    with pytest.raises(UserError, match="holds a run with SEED 2, not 1"):
        state_of(run)


def test_a_folder_keeps_to_what_it_was_begun_with(tmp_path: Path) -> None:
    with opened(plan(tmp_path, "SEED 1 2")):
        pass
    with opened(plan(tmp_path, "SEED 1-5")):  # more values
        pass
    for other, message in (
        (plan(tmp_path, "SEED 1 2", overrides=("SOLVER.MAX_EPOCH", "9")), "a sweep with SOLVER.MAX_EPOCH 11, not 9"),
        (plan(tmp_path, "DATASETS.SPLIT 1 2"), "a sweep over SEED, not over DATASETS.SPLIT"),
    ):
        with pytest.raises(UserError, match=message), opened(other):
            pass
    (tmp_path / "sweep.json").write_text("[]")
    with pytest.raises(UserError, match="sweep.json is no plan of a sweep"), opened(plan(tmp_path, "SEED 1")):
        pass
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    with pytest.raises(UserError, match="holds a run, not a sweep"), opened(plan(tmp_path / "run", "SEED 1")):
        pass


def test_a_folder_is_taken_by_one_sweep_and_its_runs(tmp_path: Path) -> None:
    sweep = plan(tmp_path, "SEED 1")
    with opened(sweep) as lock:
        left = subprocess.Popen(["sleep", "60"], pass_fds=[lock])  # a run that outlives its sweep
    try:
        with pytest.raises(UserError, match="another sweep, or a run that it left, is at work"), opened(sweep):
            pass
    finally:
        left.kill()
        left.wait()
    with opened(sweep):
        pass
