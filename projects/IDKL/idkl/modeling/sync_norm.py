"""Batch normalisation over the batch of all processes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import Function
from torch.nn.modules.batchnorm import _BatchNorm

from ..losses.precision import raise_half


def synchronize_batch_norms(model: nn.Module, device: torch.device) -> None:
    """Let every batch normalisation below ``model`` take the mean and variance of all processes, in place.

    Parameters, buffers and their names stay what they are. Instance normalisation and fast-reid's FrozenBN are none.
    fast-reid's GhostBN becomes one: it builds it with one ghost batch, which is plain batch normalisation.

    Args:
        device: where the model runs; torch's own synchronised batch normalisation refuses a CPU.
    """
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return
    for name, child in model.named_children():
        if isinstance(child, _BatchNorm):
            setattr(model, name, _synchronized(child))
        else:
            synchronize_batch_norms(child, device)


def _synchronized(norm: _BatchNorm) -> SyncBatchNorm:
    made = SyncBatchNorm(norm.num_features, norm.eps, norm.momentum)
    for name, value in (*norm.named_parameters(), *norm.named_buffers()):
        setattr(made, name, value)
    return made.train(norm.training)


class SyncBatchNorm(nn.BatchNorm2d):
    """Synchronised batch normalisation on a CPU.

    All processes have equally many rows, as all loaders here give them.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        normalized, mean, variance = _Normalize.apply(input, self.weight, self.bias, self.eps)
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None  # so does fast-reid build all
        with torch.no_grad():
            count = _count(input)
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        return normalized


class _Normalize(Function):
    """Normalises with mean and variance of the batch of all processes; also returns the two, ``[C]`` each.

    The kernels are those of torch's own batch normalisation on a CPU, and so is their accuracy.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        own = torch.stack(torch.batch_norm_update_stats(raise_half(images), None, None, 0.0))
        every = own.new_empty(dist.get_world_size(), *own.shape)
        dist.all_gather(list(every.unbind()), own)
        means, variances = every.unbind(dim=1)
        mean = means.mean(dim=0)
        variance = variances.mean(dim=0) + means.var(dim=0, correction=0)
        ctx.save_for_backward(images, weight, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return F.batch_norm(images, mean, variance, weight, bias, False, 0.0, eps), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        """With y = w x^ + b: dL/dx = w / std (g - mean(g) - x^ mean(g x^)), both means over all processes.

        Weight and bias get their gradient from the own rows, as every other parameter does.
        """
        if gradient is None:  # no loss uses the output, in no process
            return None, None, None, None
        images, weight, mean, variance = ctx.saved_tensors
        values, gradient = raise_half(images), raise_half(gradient)
        # Of a normalisation by constants: w g / std, sum(g x^) and sum(g).
        own, for_weight, for_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, values, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([for_weight, for_bias])
        dist.all_reduce(sums)
        along, constant = sums / _count(images)
        inverse = torch.rsqrt(variance + ctx.eps)
        factor = -weight * inverse.square() * along
        offset = -weight * inverse * constant - factor * mean
        own.addcmul_(values, _by_channel(factor, values)).add_(_by_channel(offset, values))
        return own.to(images.dtype), for_weight, for_bias, None


def _count(images: Tensor) -> int:
    """Values of a channel in all processes."""
    return images.numel() // images.shape[1] * dist.get_world_size()


def _by_channel(values: Tensor, images: Tensor) -> Tensor:
    """``[C]`` to ``[C, 1, 1]`` for images ``[B, C, H, W]``."""
    return values.reshape(-1, *[1] * (images.ndim - 2))
