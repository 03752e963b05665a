"""One training step: plain or mixed precision, its metrics read back when they are logged, or looked at at once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.distributed as dist
from fastreid.engine.train_loop import SimpleTrainer
from fastreid.utils import comm
from fastreid.utils.events import get_event_storage
from torch import Tensor, nn
from torch.optim import Optimizer

from .nonfinite import GRADIENT, blame, restore_buffers

GRADIENT_NORM = "grad_norm"

OnNonFinite = Callable[[int, Sequence[str], Sequence[str]], None]


class BatchSource(Protocol):
    """What a step draws its batches from: batches on a device, without end."""

    device: torch.device

    def __iter__(self) -> Iterator[dict[str, Any]]: ...


@dataclass(frozen=True)
class _Pending:
    """A step whose metrics are not read yet."""

    iteration: int
    names: list[str]
    values: Tensor  # one a name, on the device
    data_time: float
    paths: list[str]


class TrainStep(SimpleTrainer):
    """fast-reid's step on any device.

    Losses, the gradient's norm and the model's ``metrics`` stay on the device until :meth:`write_metrics` reads those
    of many steps at once, so that a step does not make a GPU wait for them. What is infinite or NaN is found then, or,
    with ``looks``, at once.

    Args:
        model: returns a dict of losses in training.
        loader: where the batches come from.
        optimizer: over the model's own parameters (not fast-reid's contiguous copies, which stop training on
            torch >= 2.0).
        amp_dtype: type of mixed precision; None: none.
        on_nonfinite: is told the iteration, what became infinite or NaN, and the paths of the batch's images. It
            raises, or, with ``looks``, may return to have the step skipped.
        looks: look at every step's losses and gradient before it changes a weight. A GPU is then waited for.
    """

    def __init__(
        self,
        model: nn.Module,
        loader: BatchSource,
        optimizer: Optimizer,
        amp_dtype: torch.dtype | None,
        on_nonfinite: OnNonFinite,
        looks: bool,
    ) -> None:
        super().__init__(model, loader, optimizer, param_wrapper=None)
        self._device_type = loader.device.type
        self._amp_dtype = amp_dtype
        scaled = amp_dtype == torch.float16 and self._device_type == "cuda"
        self.grad_scaler = torch.amp.GradScaler("cuda") if scaled else None
        self._on_nonfinite = on_nonfinite
        self._looks = looks
        self._pending: list[_Pending] = []
        self._since = 0.0  # when the first of the pending steps began
        self._images = 0  # of the pending steps, over all processes

    @property
    def _plain_model(self) -> Any:
        return getattr(self.model, "module", self.model)

    def run_step(self) -> None:
        start = time.perf_counter()
        if not self._pending:
            self._since, self._images = start, 0
        batch = next(self._data_loader_iter)
        data_time = time.perf_counter() - start
        buffers = [buffer.clone() for buffer in self.model.buffers()] if self._looks else []
        with self._autocast():
            losses = self.model(batch)
            total = sum(losses.values())
        self.optimizer.zero_grad(set_to_none=True)
        self._backward(total)
        step = self._measure(losses, batch, data_time)
        if self._looks and (broken := self._nonfinite(step, batch)):
            restore_buffers(self.model, buffers)
            if self.grad_scaler is not None:
                self.grad_scaler.update()  # it has unscaled the gradient of this step, which is not taken
            self._on_nonfinite(
                step.iteration, broken, [path for paths in comm.all_gather(step.paths) for path in paths]
            )
            return
        self._update()
        self._pending.append(step)
        self._images += len(batch["targets"]) * comm.get_world_size()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device_type, self._amp_dtype, enabled=self._amp_dtype is not None)

    def _backward(self, total: Tensor) -> None:
        if self.grad_scaler is None:
            total.backward()
        else:
            self.grad_scaler.scale(total).backward()
            self.grad_scaler.unscale_(self.optimizer)  # before the optimizer clips

    def _update(self) -> None:
        if self.grad_scaler is None:
            self.optimizer.step()
        else:
            self.grad_scaler.step(self.optimizer)
            self.grad_scaler.update()

    @torch.no_grad()
    def _measure(self, losses: dict[str, Tensor], batch: dict[str, Any], data_time: float) -> _Pending:
        values = {**losses, **getattr(self._plain_model, "metrics", {})}
        if self.grad_scaler is None:  # whose scale is found by letting gradients become infinite
            gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
            values[GRADIENT_NORM] = nn.utils.get_total_norm(gradients)
        stacked = torch.stack([value.detach().float().reshape(()) for value in values.values()])
        return _Pending(self.iter, list(values), stacked, data_time, batch.get("img_paths", []))

    def _nonfinite(self, step: _Pending, batch: dict[str, Any]) -> list[str]:
        """What of this step is infinite or NaN, in any process; all processes call it."""
        names = _broken(dict(zip(step.names, step.values.tolist(), strict=True)))
        found = torch.tensor(int(bool(names)))
        if comm.get_world_size() > 1:
            dist.all_reduce(found, dist.ReduceOp.MAX, group=comm._get_global_gloo_group())
        if not found:
            return []
        own = [] if names == [GRADIENT] else names
        everyones = {name for names in comm.all_gather(own) for name in names}
        if everyones:
            return sorted(everyones)
        with torch.random.fork_rng(), self._autocast():
            losses = self._plain_model(batch)
        return blame(self._plain_model, losses)

    def close(self) -> None:
        """Let the loader's workers end."""
        self._data_loader_iter.close()

    def write_metrics(self) -> None:
        """Put the kept metrics of every step into the event storage (means over the processes).

        Something that is infinite or NaN is told to ``on_nonfinite``.
        """
        if not self._pending:
            return
        own = torch.stack([step.values for step in self._pending]).cpu()
        gathered = comm.gather((own, [step.data_time for step in self._pending], [s.paths for s in self._pending]))
        pending, self._pending = self._pending, []
        rate = self._images / (time.perf_counter() - self._since)
        if not comm.is_main_process():
            return
        means = torch.stack([values for values, *_ in gathered]).mean(dim=0).tolist()
        slowest = [max(times) for times in zip(*(times for _, times, _ in gathered), strict=True)]
        storage = get_event_storage()
        current = storage.iter
        for number, (step, values) in enumerate(zip(pending, means, strict=True)):
            named = dict(zip(step.names, values, strict=True))
            if broken := _broken(named):
                everyones = [path for *_, paths in gathered for path in paths[number]]
                self._on_nonfinite(step.iteration, broken, everyones)
            storage.iter = step.iteration
            losses = [value for name, value in named.items() if name.startswith("loss")]
            storage.put_scalars(**named, total_loss=sum(losses), data_time=slowest[number])
        storage.iter = current
        storage.put_scalar("images_per_second", rate, smoothing_hint=False)


def _broken(values: dict[str, float]) -> list[str]:
    """The losses that are infinite or NaN; :data:`GRADIENT` where only its norm is."""
    losses = [name for name, value in values.items() if name.startswith("loss") and not math.isfinite(value)]
    return losses or ([GRADIENT] if not math.isfinite(values.get(GRADIENT_NORM, 0.0)) else [])
