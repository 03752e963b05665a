"""A step never makes a GPU wait: nothing in it looks at a value."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fastreid.config import CfgNode
from fastreid.utils.events import EventStorage
from torch.utils._python_dispatch import TorchDispatchMode

from idkl.benchmark.measured_step import SyntheticLoader
from idkl.engine.train_step import TrainStep
from idkl.engine.trainer import Trainer
from tests.small import CONFIGS, SMALL_RELEASED, load

# What hands a tensor's value, or a size that depends on it, to Python: on a GPU each of them waits for all work so far.
LOOKS = {"_local_scalar_dense", "equal", "is_nonzero", "nonzero", "masked_select", "_unique2", "unique_dim"}


class Looks(TorchDispatchMode):
    """Notes the operations of :data:`LOOKS`."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in LOOKS:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def test_the_watch_sees_a_look() -> None:
    with Looks() as looks:
        torch.ones(1).item()
        torch.ones(2)[torch.tensor([True, False])]
    assert "_local_scalar_dense" in looks.seen


@pytest.mark.parametrize(("name", "amp"), [("demo", None), ("demo", torch.bfloat16), ("released/sysu", None)])
def test_no_operation_of_a_step_looks_at_a_value(cfg: CfgNode, name: str, amp: torch.dtype | None) -> None:
    if name != "demo":
        cfg = load(CONFIGS / f"{name}.yml")
        cfg.merge_from_list(SMALL_RELEASED)
    model = Trainer.build_model(cfg).train()
    optimizer = Trainer.build_optimizer(cfg, model)
    step = TrainStep(model, SyntheticLoader(cfg), optimizer, amp, lambda *_: None, looks=False)
    with EventStorage():
        step.iter = 0
        step.run_step()  # the first one checks the order of the batch
        step.iter = 1
        with Looks() as looks:
            step.run_step()
    assert looks.seen == []
