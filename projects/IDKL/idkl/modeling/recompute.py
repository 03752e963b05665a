"""Activations that the backward pass computes again instead of the forward pass keeping them: memory for time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

T = TypeVar("T")


def recomputed(owner: nn.Module, forward: Callable[..., T], *inputs: object) -> T:
    """``forward(*inputs)``, of which only the inputs stay in memory until the backward pass runs it again.

    Losses, gradients and the running statistics of batch normalisation are bit for bit those of a plain call.

    Args:
        owner: holds every batch normalisation that ``forward`` runs.
        forward: without randomness, which would have to be repeated.
    """
    return checkpoint(
        forward,
        *inputs,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), _StatisticsUntouched(owner)),
    )


class _StatisticsUntouched:
    """While entered, every BN of ``owner`` updates copies of its statistics: its batch comes a second time.

    Copies serve every kind of BN, also synchronised ones and fast-reid's GhostBN, which overlooks
    ``track_running_stats``.
    """

    def __init__(self, owner: nn.Module) -> None:
        self._owner = owner
        self._kept: list[tuple[nn.Module, str, Tensor]] = []

    def __enter__(self) -> None:
        norms = [module for module in self._owner.modules() if isinstance(module, _BatchNorm)]
        self._kept = [(norm, name, buffer) for norm in norms for name, buffer in norm.named_buffers(recurse=False)]
        for norm, name, buffer in self._kept:
            setattr(norm, name, buffer.clone())

    def __exit__(self, *_: object) -> None:
        for norm, name, buffer in self._kept:
            setattr(norm, name, buffer)
        self._kept = []
