"""The measured step is the trainer's, on a batch as the sampler makes it, with its losses apart."""

from __future__ import annotations

import math

import pytest
import torch
from fastreid.config import CfgNode

from datasets_ext.errors import UserError
from idkl.benchmark import measured_step
from idkl.benchmark.measured_step import (
    MeasuredStep,
    SyntheticLoader,
    count_memory_and_work,
    for_synthetic_data,
)
from tests.runs import BASELINE


def test_the_batch_is_in_the_samplers_order(cfg: CfgNode) -> None:
    batch = next(iter(SyntheticLoader(cfg)))
    assert batch["images"].shape == (8, 3, 64, 32) and batch["modalities"].tolist() == [0] * 4 + [1] * 4
    assert batch["targets"].tolist() == [0, 0, 1, 1] * 2


@pytest.mark.parametrize(("rows", "instances"), [(6, 4), (8, 1), (9, 3)])
def test_a_batch_holds_whole_identities(cfg: CfgNode, rows: int, instances: int) -> None:
    cfg.merge_from_list(["SOLVER.IMS_PER_BATCH", rows, "DATALOADER.NUM_INSTANCE", instances])
    with pytest.raises(UserError, match=f"IMS_PER_BATCH {rows} must be a multiple of DATALOADER.NUM_INSTANCE"):
        SyntheticLoader(cfg)


def test_the_config_of_synthetic_data(cfg: CfgNode) -> None:
    cfg.merge_from_list(["MODEL.BACKBONE.PRETRAIN", True, "MODEL.HEADS.NUM_CLASSES", 0])
    cfg.freeze()
    made = for_synthetic_data(cfg, "MODEL.COMPILE", True)
    assert (made.MODEL.BACKBONE.PRETRAIN, made.MODEL.HEADS.NUM_CLASSES, made.MODEL.COMPILE) == (False, 395, True)
    assert cfg.MODEL.BACKBONE.PRETRAIN and not cfg.MODEL.COMPILE


def test_the_step_trains_from_the_same_weights(cfg: CfgNode) -> None:
    first, second = MeasuredStep(cfg), MeasuredStep(cfg)
    name = "backbone.stem.0.weight"
    fresh = first.model.state_dict()[name].clone()
    assert torch.equal(fresh, second.model.state_dict()[name])
    assert first.run() > 0
    assert not torch.equal(first.model.state_dict()[name], fresh)
    second.run()
    assert first.check_losses() == second.check_losses()


def test_broken_losses_are_found(cfg: CfgNode) -> None:
    step = MeasuredStep(cfg)
    with torch.no_grad():
        step.model.heads.shared.weight.fill_(math.nan)
    with pytest.raises(UserError, match="became infinite or NaN at iteration 0"):
        step.run()


def test_the_losses_apart_are_those_of_the_first_step(cfg: CfgNode, monkeypatch: pytest.MonkeyPatch) -> None:
    step = MeasuredStep(cfg)
    step.run()
    expected = step.check_losses()
    step.run()  # whose outputs are others
    seen = {}
    criterion = step._criterion

    def spy(outputs: object, targets: torch.Tensor, modalities: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.update(outputs=outputs, losses=criterion(outputs, targets, modalities))
        return seen["losses"]

    monkeypatch.setattr(step, "_criterion", spy)
    clock = iter([10.0, 12.5])
    monkeypatch.setattr(measured_step.time, "perf_counter", lambda: next(clock))
    trained = [parameter for parameter in step.model.parameters() if parameter.grad is not None]
    before = [parameter.grad.clone() for parameter in trained]
    assert step.time_losses() == 2.5
    assert {name: value.item() for name, value in seen["losses"].items()} == pytest.approx(expected, rel=1e-6)
    assert seen["outputs"].shared.feature.grad.abs().sum() > 0  # the backward pass ran, down to the head's outputs
    assert all(map(torch.equal, before, (parameter.grad for parameter in trained)))  # and no further


def test_a_model_without_losses_apart_is_measured_too(cfg: CfgNode) -> None:
    cfg.merge_from_list(BASELINE)
    step = MeasuredStep(cfg)
    assert step.run() > 0 and step.time_losses() is None
    assert "loss_cls" in step.check_losses()
    assert count_memory_and_work(cfg) is None


def test_memory_modes_change_the_memory_and_not_the_work(cfg: CfgNode) -> None:
    plain = count_memory_and_work(cfg)
    cfg.merge_from_list(["MODEL.BACKBONE.CHECKPOINT_STAGES", (1, 2, 3, 4), "MODEL.COMPILE", True])
    frugal = count_memory_and_work(cfg)
    assert plain is not None and frugal is not None
    assert frugal[0].kept < plain[0].kept and frugal[1] == plain[1]
