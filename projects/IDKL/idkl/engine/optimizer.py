"""fast-reid's optimizer over few groups of parameters, fused where torch can, and its schedule."""

from __future__ import annotations

import inspect
from typing import Any

from fastreid.config import CfgNode
from fastreid.engine import hooks
from fastreid.solver import build_optimizer as build_fastreid_optimizer
from torch import nn
from torch.optim import Optimizer


def build_optimizer(cfg: CfgNode, model: nn.Module) -> Optimizer:
    """The optimizer that ``SOLVER`` asks fast-reid for, over the model's own parameters.

    fast-reid makes a group of every parameter, which leaves nothing to do at once; here parameters with the same
    settings are one group.
    """
    separate, _ = build_fastreid_optimizer(cfg, model, contiguous=False)
    accepted = inspect.signature(type(separate).__init__).parameters
    settings = {name: value for name, value in separate.defaults.items() if name in accepted}
    if "fused" in accepted:
        settings["fused"] = cfg.SOLVER.FUSED or None  # None: for each parameter, or as torch does it by default
    return type(separate)(_merge(separate.param_groups), **settings)


def _merge(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One group for all those that differ in nothing but their parameters, in the order in which they first appear."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for group in groups:
        kept = {name: value for name, value in group.items() if name not in ("params", "fused")}
        merged.setdefault(tuple(kept.items()), {**kept, "params": []})["params"] += group["params"]
    return list(merged.values())


class LRScheduler(hooks.LRScheduler):
    """fast-reid's schedule, but for its question after the loss scale, for which a GPU would have to be waited.

    The schedule counts iterations, also one of which float16's loss scaling kept the result back.
    """

    def before_step(self) -> None:
        pass

    def after_step(self) -> None:
        self.trainer.storage.put_scalar(
            "lr", self._optimizer.param_groups[self._best_param_group_id]["lr"], smoothing_hint=False
        )
        if self.trainer.iter < self.trainer.warmup_iters:
            self._scheduler["warmup_sched"].step()
