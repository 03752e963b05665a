"""Gradient reversal (Ganin and Lempitsky, ICML 2015), the GRL of eq. 2."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * grad, None


class GradientReversal(nn.Module):
    """Identity forward, gradient times ``-scale`` backward.

    Args:
        scale: strength of the reversed gradient; may be changed between steps.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return _Reverse.apply(x, self.scale)

    def extra_repr(self) -> str:
        return f"scale={self.scale}"


def ramp(progress: float) -> float:
    """The share of the full strength at ``progress`` (0 the start, 1 the ramp's end and after), in 0..1.

    2 / (1 + exp(-10 p)) - 1, the schedule of Ganin and Lempitsky, which is tanh(5 p); exactly 1 from the end on.
    """
    return math.tanh(5 * progress) if progress < 1 else 1.0
