"""Losses in full precision, whatever the surrounding autocast does."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")


def full_precision(loss: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Run a loss without autocast and with its half-precision tensors raised to float32.

    Distances of raw features reach hundreds: half precision would round them before the softmax that compares them.
    """

    @functools.wraps(loss)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        raised = [raise_half(value) for value in args]
        raised_named = {name: raise_half(value) for name, value in kwargs.items()}
        device = next(value.device for value in (*raised, *raised_named.values()) if isinstance(value, Tensor))
        with torch.autocast(device.type, enabled=False):
            return loss(*raised, **raised_named)  # type: ignore[arg-type]

    return wrapped


def raise_half(value: T) -> T:
    """A half-precision tensor as float32; anything else as it is."""
    if isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16):
        return value.float()  # type: ignore[return-value]
    return value
