"""The rows of all processes as one batch, with gradients."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import Function

from .map_tensors import map_tensors
from .outputs import IDKLOutput


def gather_batch(outputs: IDKLOutput, targets: Tensor, modalities: Tensor) -> tuple[IDKLOutput, Tensor, Tensor]:
    """What the head says of the whole batch, in the order in which one process would have it.

    Every process then computes the same loss, so that the gradient of its own rows is known without asking the others.
    It comes back times the number of processes, over which DistributedDataParallel takes the mean.

    Args:
        outputs: of this process: ``[2n, columns]`` each, its n visible, then its n infrared rows.
        targets, modalities: int ``[2n]``.

    Returns:
        The same of W processes: ``[2nW, columns]`` and ``[2nW]``, the visible rows of all, then the infrared rows.
    """
    own: list[Tensor] = []
    map_tensors(outputs, own.append)
    gathered = iter(_GatherRows.apply(*own))
    labels = _rows_of_all(torch.stack([targets, modalities], dim=1))
    return map_tensors(outputs, lambda _: next(gathered)), labels[:, 0], labels[:, 1]


class _GatherRows(Function):
    """:func:`_rows_of_all` of several tensors in one message. What no loss uses gets no gradient, as in one process."""

    @staticmethod
    def forward(ctx: Any, *own: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        rows = _rows_of_all(torch.cat(own, dim=1))  # half precision travels as float32 and stays what it is
        parts = rows.split([tensor.shape[1] for tensor in own], dim=1)
        return tuple(part.to(tensor.dtype).contiguous() for part, tensor in zip(parts, own, strict=True))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        return tuple(
            None if gradient is None else dist.get_world_size() * _own_rows(gradient) for gradient in gradients
        )


def _rows_of_all(own: Tensor) -> Tensor:
    """``[2n, columns]`` of each of W processes to ``[2nW, columns]``: the first halves of all, then the second ones."""
    parts = own.new_empty(dist.get_world_size(), *own.shape)
    dist.all_gather(list(parts.unbind()), own.contiguous())
    return parts.unflatten(1, (2, -1)).transpose(0, 1).flatten(0, 2)


def _own_rows(rows: Tensor) -> Tensor:
    """This process's rows of :func:`_rows_of_all`."""
    return rows.unflatten(0, (2, dist.get_world_size(), -1))[:, dist.get_rank()].flatten(0, 1)
