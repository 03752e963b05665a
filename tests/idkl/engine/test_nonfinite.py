"""A loss or a gradient that is infinite or NaN: named with its images, and the run stops or skips."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from datasets_ext import UserError
from idkl.engine.nonfinite import NonFiniteGuard
from idkl.modeling.meta_arch import IDKL
from tests.runs import records, train

OPTIONS = ("SOLVER.MAX_EPOCH", "1", "TEST.EVAL_PERIOD", "9", "SEED", "4", "TEST.RERANK.ENABLED", "False")


@pytest.fixture
def broken(datasets: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[set[int]], None]:
    """Lets ``loss_mdr`` be NaN in the given steps."""
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))
    plain = IDKL.forward

    def break_steps(steps: set[int]) -> None:
        calls = iter(range(100))

        def forward(self: IDKL, batch: Any) -> Any:
            losses = plain(self, batch)
            if self.training and next(calls) in steps:
                losses["loss_mdr"] = losses["loss_mdr"] * float("nan")
            return losses

        monkeypatch.setattr(IDKL, "forward", forward)

    return break_steps


def test_a_run_stops_and_says_what_and_where(broken: Callable[[set[int]], None], tmp_path: Path) -> None:
    broken({3})
    with pytest.raises(UserError) as error:
        train(tmp_path, *OPTIONS, "SOLVER.CHECKPOINT_ITERS", "2")
    path = tmp_path / "nonfinite_0000003.json"
    assert str(error.value) == (
        f"loss_mdr became infinite or NaN in epoch 1 at iteration 3; its images are in {path}: lower SOLVER.BASE_LR or "
        "the term's weight; --resume goes on from the last checkpoint"
    )
    record = json.loads(path.read_text())
    assert (record["epoch"], record["iteration"], record["terms"]) == (1, 3, ["loss_mdr"])
    assert len(record["img_paths"]) == 8 and all(Path(name).is_file() for name in record["img_paths"])
    assert (tmp_path / "last_checkpoint").read_text() == "model_iter0000002.pth"


def test_skipped_steps_are_counted_over_the_whole_run(broken: Callable[[set[int]], None], tmp_path: Path) -> None:
    broken({1, 3})
    with pytest.raises(UserError, match="loss_mdr became .* at iteration 3 after 1 skipped steps"):
        train(tmp_path, *OPTIONS, "SOLVER.NONFINITE_SKIPS", "1", "SOLVER.CHECKPOINT_ITERS", "2")
    checkpoint = torch.load(tmp_path / "model_iter0000002.pth", weights_only=True)
    assert checkpoint["skipped"] == 1
    assert all(value.isfinite().all() for value in checkpoint["model"].values())
    broken({0})  # iteration 2, the first one after resuming
    with pytest.raises(UserError, match="at iteration 2 after 1 skipped steps"):
        train(tmp_path, "--resume", *OPTIONS, "SOLVER.NONFINITE_SKIPS", "1")


def test_a_run_goes_on_after_a_skipped_step(broken: Callable[[set[int]], None], tmp_path: Path) -> None:
    broken({2})
    train(tmp_path, *OPTIONS, "SOLVER.NONFINITE_SKIPS", "3")
    assert (tmp_path / "model_final.pth").exists() and "loss_mdr" in records(tmp_path)[-1]
    assert "step skipped, 1 of at most 3" in (tmp_path / "log.txt").read_text()


def test_a_gradient_alone_is_named_by_its_term(datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))
    plain = IDKL.forward

    def forward(self: IDKL, batch: Any) -> Any:
        losses = plain(self, batch)
        if self.training:
            weight: Tensor = self.heads.shared.weight.sum()
            losses["loss_csa"] = losses["loss_csa"] + (weight - weight.detach()).abs().sqrt()
        return losses

    monkeypatch.setattr(IDKL, "forward", forward)
    with pytest.raises(UserError, match="^the gradient of loss_csa became infinite or NaN in epoch 1 at iteration 0;"):
        train(tmp_path, *OPTIONS)


def test_epochs_are_counted_from_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="loss_a became infinite or NaN in epoch 3 at iteration 25;"):
        NonFiniteGuard(tmp_path, iters_per_epoch=10, max_skips=0).handle(25, ["loss_a"], ["a.jpg"])
