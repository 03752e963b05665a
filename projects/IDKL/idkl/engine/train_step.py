"""One training step: plain or mixed precision, its metrics read back only when they are logged."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from fastreid.engine.train_loop import SimpleTrainer
from fastreid.utils import comm
from fastreid.utils.events import get_event_storage
from torch import Tensor, nn
from torch.optim import Optimizer

from datasets_ext.errors import UserError


class BatchSource(Protocol):
    """What a step draws its batches from: batches on a device, without end."""

    device: torch.device

    def __iter__(self) -> Iterator[dict[str, Any]]: ...


class TrainStep(SimpleTrainer):
    """fast-reid's step on any device.

    Losses and the model's ``metrics`` stay on the device until :meth:`write_metrics` reads those of many steps at
    once, so that a step does not make a GPU wait for them.

    Args:
        model: returns a dict of losses in training.
        loader: where the batches come from.
        optimizer: over the model's own parameters (not fast-reid's contiguous copies, which stop training on
            torch >= 2.0).
        amp_dtype: type of mixed precision; None: none.
    """

    def __init__(
        self, model: nn.Module, loader: BatchSource, optimizer: Optimizer, amp_dtype: torch.dtype | None
    ) -> None:
        super().__init__(model, loader, optimizer, param_wrapper=None)
        self._device_type = loader.device.type
        self._amp_dtype = amp_dtype
        scaled = amp_dtype == torch.float16 and self._device_type == "cuda"
        self.grad_scaler = torch.amp.GradScaler("cuda") if scaled else None
        self._pending: list[tuple[int, list[str], Tensor, float]] = []
        self._since = 0.0  # when the first of the pending steps began
        self._images = 0  # of the pending steps, over all processes

    def run_step(self) -> None:
        start = time.perf_counter()
        if not self._pending:
            self._since, self._images = start, 0
        data = next(self._data_loader_iter)
        data_time = time.perf_counter() - start
        with torch.autocast(self._device_type, self._amp_dtype, enabled=self._amp_dtype is not None):
            losses = self.model(data)
            total = sum(losses.values())
        self.optimizer.zero_grad(set_to_none=True)
        if self.grad_scaler is None:
            total.backward()
            self.optimizer.step()
        else:
            self.grad_scaler.scale(total).backward()
            self.grad_scaler.unscale_(self.optimizer)  # before the optimizer clips
            self.grad_scaler.step(self.optimizer)
            self.grad_scaler.update()
        self._keep_metrics(losses, data_time, len(data["targets"]))

    def _keep_metrics(self, losses: dict[str, Tensor], data_time: float, images: int) -> None:
        model: Any = getattr(self.model, "module", self.model)
        values = {**losses, **getattr(model, "metrics", {})}
        stacked = torch.stack([value.detach().float().reshape(()) for value in values.values()])
        self._pending.append((self.iter, list(values), stacked, data_time))
        self._images += images * comm.get_world_size()

    def write_metrics(self) -> None:
        """Put the kept metrics of every step into the event storage (means over the processes).

        Raises:
            UserError: a loss was not finite; names the terms and the iteration.
        """
        own = torch.stack([values for _, _, values, _ in self._pending]).cpu()
        gathered = comm.gather((own, [data_time for *_, data_time in self._pending]))
        pending, self._pending = self._pending, []
        rate = self._images / (time.perf_counter() - self._since)
        if not comm.is_main_process():
            return
        means = torch.stack([values for values, _ in gathered]).mean(dim=0).tolist()
        slowest = [max(times) for times in zip(*(times for _, times in gathered), strict=True)]
        storage = get_event_storage()
        current = storage.iter
        for (iteration, names, _, _), values, data_time in zip(pending, means, slowest, strict=True):
            storage.iter = iteration
            self._put(dict(zip(names, values, strict=True)), data_time)
        storage.iter = current
        storage.put_scalar("images_per_second", rate, smoothing_hint=False)

    def _put(self, values: dict[str, float], data_time: float) -> None:
        storage = get_event_storage()
        losses = {name: value for name, value in values.items() if name.startswith("loss")}
        if broken := [name for name, value in losses.items() if not math.isfinite(value)]:
            raise UserError(
                f"{', '.join(broken)} became infinite or NaN at iteration {storage.iter}: lower SOLVER.BASE_LR or the "
                "term's weight; --resume goes on from the last checkpoint"
            )
        storage.put_scalars(**values, total_loss=sum(losses.values()), data_time=data_time)
