"""What a training step has to compute and to move, counted without computing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from .step_memory import without_content


@dataclass(frozen=True)
class StepCounts:
    """Of the forward and the backward pass.

    Attributes:
        flops: of convolutions and matrix products, two for each multiplication and addition.
        bytes_moved: that operations read and write, each operand once: what a step moves that runs one operation
            after the other and finds nothing in a cache. Compiled code moves less.
    """

    flops: int
    bytes_moved: int


def count_step(model: nn.Module, batch: dict[str, Tensor], amp_dtype: torch.dtype | None) -> StepCounts:
    """Count a training step of any size on tensors that have no content.

    Args:
        model: in training mode, not compiled; stays as it is. Returns a dict of losses.
        batch: ``model``'s input.
        amp_dtype: type of mixed precision; None: none.
    """
    device = batch["images"].device.type
    fakes = FakeTensorMode()
    fake = without_content(model, fakes)
    rows = {name: fakes.from_tensor(value) for name, value in batch.items()}
    with fakes, FlopCounterMode(display=False) as counter, _Traffic() as traffic:
        with torch.autocast(device, amp_dtype, enabled=amp_dtype is not None):
            total = sum(fake(rows).values())
        total.backward()
    return StepCounts(counter.get_total_flops(), traffic.bytes_moved)


class _Traffic(TorchDispatchMode):
    """Adds up the bytes of every operation's operands.

    Attributes:
        bytes_moved: so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes_moved = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not _moves_nothing(func):
            self.bytes_moved += sum(map(_bytes, tree_leaves((args, kwargs, result))))
        return result


def _moves_nothing(func: Any) -> bool:
    """Views, and memory that is only asked for."""
    return func.is_view or "empty" in func.__name__ or func.namespace == "prim"


def _bytes(value: Any) -> int:
    """Of a tensor's content; a repeated one is read once."""
    return min(value.nbytes, value.untyped_storage().nbytes()) if isinstance(value, Tensor) else 0
