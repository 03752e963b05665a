"""How much memory a training step takes, by counting the bytes of its tensors."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, UntypedStorage, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ADAM_BYTES = 12  # of a float32 parameter: its value and Adam's two moments


@dataclass(frozen=True)
class StepMemory:
    """Bytes of a training step's tensors.

    A device takes more than their sum: its context, the kernels' workspace and the gaps between tensors.

    Attributes:
        parameters: trained ones with Adam's moments.
        kept: activations that the forward pass keeps for the backward pass.
        peak: the most that is alive at one time besides ``parameters``, the buffers and the batch: activations, what
            is computed again of them, and all gradients.
    """

    parameters: int
    kept: int
    peak: int

    @property
    def total(self) -> int:
        return self.parameters + self.peak


def activation_bytes(model: nn.Module, batch: dict[str, Tensor]) -> int:
    """Bytes that a forward pass keeps for the backward pass, without parameters and buffers; views count once.

    Args:
        model: in training mode; returns a dict of losses. Its running statistics change as in any forward pass.
        batch: its input.
    """
    kept: weakref.WeakSet[_Kept] = weakref.WeakSet()

    def pack(tensor: Tensor) -> _Kept:
        kept.add(holder := _Kept(tensor))
        return holder

    with saved_tensors_hooks(pack, lambda holder: holder.tensor):
        losses = model(batch)  # holds the graph, and with it what is kept
    own = _storages([*model.parameters(), *model.buffers()])
    total = sum(s.nbytes() for key, s in _storages(holder.tensor for holder in kept).items() if key not in own)
    del losses
    return total


def step_memory(model: nn.Module, batch: dict[str, Tensor], amp_dtype: torch.dtype | None = None) -> StepMemory:
    """Count the memory of a training step with Adam without computing it, on tensors that have a shape but no content.

    So it takes a second or two at any size and on any machine.

    Args:
        model: in training mode, not compiled; returns a dict of losses. It stays as it is.
        batch: its input.
        amp_dtype: type of mixed precision; None: none.
    """
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad) * ADAM_BYTES
    fakes = FakeTensorMode()
    model = without_content(model, fakes)
    batch = {name: fakes.from_tensor(value) for name, value in batch.items()}
    autocast = torch.autocast(next(model.parameters()).device.type, amp_dtype, enabled=amp_dtype is not None)
    with fakes:
        with autocast:
            kept = activation_bytes(model, dict(batch))
        with _LiveBytes([*model.parameters(), *model.buffers(), *batch.values()]) as live:
            for parameter in model.parameters():  # TrainStep keeps the last step's gradients up to the backward pass
                parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
            with autocast:
                losses = model(dict(batch))
                total = sum(losses.values())
            model.zero_grad()
            total.backward()
    return StepMemory(parameters, kept, live.peak)


def without_content(model: nn.Module, fakes: FakeTensorMode) -> nn.Module:
    """A copy of ``model`` whose parameters and buffers have no content."""
    fake: Any = copy.deepcopy(model)
    for module in fake.modules():
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            setattr(module, name, fakes.from_tensor(tensor))
    fake._order_checked = True  # IDKL would look at the labels, which have no content either
    return fake


class _Kept:
    """A saved tensor for as long as the graph needs it."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor.detach()  # a saved result would hold the graph that holds it, for ever


class _LiveBytes(TorchDispatchMode):
    """Follows which storages that operations make are alive.

    Args:
        known: tensors from before, which do not count.

    Attributes:
        peak: the most bytes alive at one time so far.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()
        self._known = _storages(known)
        self._alive: dict[int, int] = {}
        self._bytes = 0
        self.peak = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for key, storage in _storages(leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)).items():
            if key not in self._known and key not in self._alive:
                self._alive[key] = storage.nbytes()
                self._bytes += storage.nbytes()
                weakref.finalize(storage, self._free, key)
        self.peak = max(self.peak, self._bytes)
        return result

    def _free(self, key: int) -> None:
        self._bytes -= self._alive.pop(key)


def _storages(tensors: Iterable[Tensor]) -> dict[int, UntypedStorage]:
    """Every storage once: torch gives the same object for it as long as it is alive."""
    storages = (tensor.untyped_storage() for tensor in tensors)
    return {id(storage): storage for storage in storages}
