"""Generalised mean pooling with p = 3, the pooling g of the paper, in a third of the passes over memory."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

EPS = 1e-6


class _GeneralizedMean(torch.autograd.Function):
    """Keeps the map alone for the backward pass, where autograd would keep it clamped and cubed as well."""

    @staticmethod
    def forward(ctx: Any, feature_map: Tensor) -> Tensor:
        clamped = feature_map.clamp(min=EPS)
        pooled = clamped.square().mul_(clamped).mean(dim=(2, 3)).pow(1 / 3)
        ctx.save_for_backward(feature_map, pooled)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        feature_map, pooled = ctx.saved_tensors
        height, width = feature_map.shape[2:]
        scale = grad / (pooled.square() * (height * width))
        return F.threshold(feature_map, EPS, 0.0).square_().mul_(scale[:, :, None, None])


class GeneralizedMeanPool(nn.Module):
    """fast-reid's ``GeneralizedMeanPooling`` (p = 3, eps 1e-6), but for its speed and the shape of its result."""

    def forward(self, feature_map: Tensor) -> Tensor:
        """``[B, C, H, W]`` to ``[B, C]``: the cubic mean of a channel's pixels, each at least eps."""
        return _GeneralizedMean.apply(feature_map)

    def scaled(self, pooled: Tensor, factor: Tensor) -> Tensor:
        """What a map pools to once each channel is multiplied by a factor in 0..1, from what it pools to without.

        Args:
            pooled, factor: ``[B, C]``.
        """
        return (factor * pooled).clamp(min=EPS)
