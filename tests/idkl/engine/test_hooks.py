"""When checkpoints are written, which one is the best, and when is evaluated."""

from __future__ import annotations

import io
import logging
import sys
from collections import OrderedDict
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from fastreid.utils.events import EventStorage
from torch import nn

from idkl.engine.checkpoint import SafeCheckpointer
from idkl.engine.checkpoint_hook import CheckpointHook
from idkl.engine.hooks import EvalHook, LayerFreeze, ProgressBar, ReversalRamp
from idkl.engine.logs import start_logging
from idkl.engine.selection import BestEpoch
from idkl.engine.trained_on import TrainingData
from idkl.evaluation.results import LABELS
from idkl.modeling.gradient_reversal import GradientReversal, ramp


def run_epochs(
    folder: Path, metrics: dict[int, float], epochs: int, period: int, keep: int, iterations: int = 0
) -> BestEpoch:
    """Drive the hook through epochs of 10 steps, with the given evaluations by epoch."""

    def state(epochs: int, steps: int) -> dict[str, object]:
        return {"epoch": epochs - 1, "iteration": steps, "best": best.state_dict()}

    best = BestEpoch("SYSU_MM01")
    checkpointer = SafeCheckpointer(nn.Linear(1, 1), str(folder), TrainingData(frozenset(), 1, []))
    hook = CheckpointHook(checkpointer, state, period, iterations, keep)
    hook.trainer = SimpleNamespace(max_epoch=epochs, iters_per_epoch=10, best=best)
    for epoch in range(epochs):
        hook.trainer.epoch = epoch
        for step in range(10 * epoch, 10 * epoch + 10):
            hook.trainer.iter = step
            hook.after_step()
        hook.trainer.iter = 10 * epoch + 10
        if epoch in metrics:
            best.update(epoch, [dict.fromkeys(LABELS, 1)], metrics[epoch])
        hook.after_epoch()
    return best


def best_epoch(folder: Path) -> int:
    return torch.load(folder / "model_best.pth", weights_only=True)["epoch"]


def test_best_is_judged_on_fresh_evaluations_only(tmp_path: Path) -> None:
    best = run_epochs(tmp_path, {1: 30.0, 3: 20.0}, epochs=5, period=1, keep=2)
    assert best_epoch(tmp_path) == 1 and best.metric == 30.0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"model_0002.pth", "model_0003.pth", "model_best.pth", "model_final.pth", "last_checkpoint"}
    assert (tmp_path / "last_checkpoint").read_text() == "model_final.pth"


def test_best_is_kept_between_periods(tmp_path: Path) -> None:
    run_epochs(tmp_path, {0: 10.0, 1: 20.0}, epochs=6, period=3, keep=1)
    assert best_epoch(tmp_path) == 1
    final = torch.load(tmp_path / "model_final.pth", weights_only=True)
    assert final["epoch"] == 5 and final["best"]["metric"] == 20.0


def test_without_an_evaluation_there_is_no_best(tmp_path: Path) -> None:
    run_epochs(tmp_path, {}, epochs=2, period=1, keep=1)
    assert not (tmp_path / "model_best.pth").exists() and (tmp_path / "model_final.pth").exists()


def test_every_so_many_steps_and_what_stays(tmp_path: Path) -> None:
    own = [tmp_path / name for name in ("model_iter_copy.pth", "model_0001_copy.pth")]
    for path in own:  # of the user
        path.touch()
    run_epochs(tmp_path, {0: 10.0}, epochs=3, period=1, keep=3, iterations=4)
    assert all(path.exists() for path in own)
    names = {path.name for path in tmp_path.glob("*.pth")} - {path.name for path in own}
    kept = {"model_iter0000020.pth", "model_iter0000024.pth", "model_iter0000028.pth"}
    assert names - kept <= {"model_0001.pth", "model_best.pth", "model_final.pth"} and len(names) == 5
    assert torch.load(tmp_path / "model_iter0000024.pth", weights_only=True)["epoch"] == 1
    assert (tmp_path / "last_checkpoint").read_text() == "model_final.pth"


def test_frozen_layers_stay_so_after_an_evaluation() -> None:
    model = nn.Sequential(OrderedDict(first=nn.BatchNorm1d(1), second=nn.BatchNorm1d(1)))
    hook = LayerFreeze(model, ["first"], freeze_iters=2)
    modes = []
    for step in range(3):
        hook.trainer = SimpleNamespace(iter=step)
        model.train()
        hook.before_step()
        modes.append((model.first.training, model.second.training))
    assert modes == [(False, True), (False, True), (True, True)]


@pytest.mark.parametrize(("period", "expected"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (5, [5]), (9, [5])])
def test_evaluation_epochs(period: int, expected: list[int]) -> None:
    seen: list[int] = []
    hook = EvalHook(period, lambda: seen.append(hook.trainer.epoch + 1), None, nullcontext)
    hook.trainer = SimpleNamespace(max_epoch=5, epoch=0, iter=0)
    for epoch in range(5):
        hook.trainer.epoch = epoch
        hook.after_epoch()
    hook.after_train()
    assert seen == expected


@pytest.mark.parametrize(("start", "expected"), [(0, ["before"]), (3, [])])
def test_the_untrained_network_is_evaluated_at_the_very_start_only(start: int, expected: list[str]) -> None:
    seen: list[str] = []
    hook = EvalHook(1, lambda: None, lambda: seen.append("before"), nullcontext)
    hook.trainer = SimpleNamespace(iter=start)
    hook.before_epoch()
    assert seen == expected


def strengths(iterations: range) -> list[float]:
    """Of a reversal of full strength 0.5 that grows over 2 epochs of 4 steps, at the given iterations of a run."""
    model = nn.Sequential(nn.Linear(1, 1), nn.Sequential(GradientReversal(0.5)))
    hook = ReversalRamp(model, epochs=2)
    seen = []
    for iteration in iterations:
        hook.trainer = SimpleNamespace(iter=iteration, iters_per_epoch=4)
        hook.before_step()
        seen.append(model[1][0].scale)
    return seen


def test_the_reversal_grows_by_the_iteration_also_in_a_resumed_run() -> None:
    whole = strengths(range(12))
    assert whole == [0.5 * ramp(step / 8) for step in range(8)] + [0.5] * 4 and whole[0] == 0 < whole[1] < whole[7]
    assert strengths(range(4, 12)) == whole[4:]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal(), True), (io.StringIO(), False)])
def test_a_progress_bar_on_a_terminal_only(
    stream: io.StringIO, shown: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    start_logging(str(tmp_path), rank=0)
    bar = ProgressBar()
    with EventStorage() as storage:
        storage.put_scalar("total_loss", 2.5)
        bar.trainer = SimpleNamespace(max_iter=2, start_iter=0, epoch=0, storage=storage)
        bar.before_train()
        logging.getLogger("idkl").info("a line between")
        logging.getLogger("idkl").debug("for the file only")
        bar.after_step()
        bar.after_step()
        bar.after_train()
    text = stream.getvalue()
    assert ("2/2" in text and "loss=2.5" in text) == shown
    assert "a line between" in text and "for the file only" not in text
    assert "for the file only" in (tmp_path / "log.txt").read_text()
