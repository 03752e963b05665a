"""The optimizer is fast-reid's in everything but its number of groups."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fastreid.config import CfgNode
from fastreid.solver import build_lr_scheduler
from fastreid.solver import build_optimizer as build_fastreid_optimizer
from torch import nn

from idkl.engine.optimizer import LRScheduler, build_optimizer


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, bias=False))
        self.heads = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.heads(self.backbone(x).mean(dim=(2, 3)))


def settings(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, dict[str, Any]]:
    """Of every parameter, by its name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: {k: v for k, v in group.items() if k not in ("params", "fused")}
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def steps(model: Small, optimizer: torch.optim.Optimizer, count: int = 4) -> list[torch.Tensor]:
    for index in range(count):
        images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(index))
        optimizer.zero_grad()
        model(images).square().sum().backward()
        optimizer.step()
    return [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "RMSprop"])
@pytest.mark.parametrize("fused", [True, False])
def test_trains_as_fastreids_own(cfg: CfgNode, name: str, fused: bool) -> None:
    cfg.SOLVER.OPT, cfg.SOLVER.FUSED, cfg.SOLVER.BASE_LR = name, fused, 0.01
    cfg.SOLVER.BIAS_LR_FACTOR, cfg.SOLVER.HEADS_LR_FACTOR, cfg.SOLVER.WEIGHT_DECAY_NORM = 2.0, 3.0, 0.1
    ours, theirs = Small(), Small()
    optimizer, (separate, _) = build_optimizer(cfg, ours), build_fastreid_optimizer(cfg, theirs, contiguous=False)
    assert len(separate.param_groups) == 6 and len(optimizer.param_groups) == 5
    assert settings(optimizer, ours) == settings(separate, theirs)
    for a, b in zip(steps(ours, optimizer), steps(theirs, separate), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


def test_gradients_are_clipped_and_layers_frozen(cfg: CfgNode) -> None:
    cfg.SOLVER.OPT, cfg.SOLVER.BASE_LR = "SGD", 1.0
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED, cfg.SOLVER.CLIP_GRADIENTS.CLIP_TYPE = True, "value"
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_VALUE, cfg.SOLVER.BIAS_LR_FACTOR = 1e-3, 1.0
    for name in ("WEIGHT_DECAY", "WEIGHT_DECAY_NORM", "WEIGHT_DECAY_BIAS"):
        cfg.SOLVER[name] = 0.0
    model = Small()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    after = steps(model, build_optimizer(cfg, model), count=1)
    moved = [(a - b).abs().max().item() for a, b in zip(after, before, strict=True)]
    assert max(moved) == pytest.approx(1e-3, rel=1e-3)
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED = False
    cfg.MODEL.FREEZE_LAYERS, cfg.SOLVER.FREEZE_ITERS = ["backbone"], 2
    model = Small()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    after = steps(model, build_optimizer(cfg, model), count=2)
    frozen = [torch.equal(a, b) for a, b in zip(after, before, strict=True)]
    assert frozen == [name.startswith("backbone") for name, _ in model.named_parameters()]


def test_the_schedule_does_not_ask_for_the_loss_scale(cfg: CfgNode) -> None:
    class NobodyAsks:
        def get_scale(self) -> float:
            raise AssertionError("this makes a GPU wait")

    cfg.SOLVER.WARMUP_ITERS, cfg.SOLVER.BASE_LR = 3, 1.0
    optimizer = build_optimizer(cfg, Small())
    put: list[float] = []
    storage = SimpleNamespace(put_scalar=lambda name, value, smoothing_hint: put.append(value))
    hook = LRScheduler(optimizer, build_lr_scheduler(cfg, optimizer, 10))
    hook.trainer = SimpleNamespace(storage=storage, iter=0, warmup_iters=3, grad_scaler=NobodyAsks())
    optimizer.step()
    for hook.trainer.iter in range(5):
        hook.before_step()
        hook.after_step()
    assert put[0] < put[1] < put[2] < put[3] == put[4] == pytest.approx(1.0)
