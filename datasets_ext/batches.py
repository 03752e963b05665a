"""How batches are drawn with their seeds, and how they reach the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from itertools import starmap
from typing import Any

import numpy as np
import torch
from fastreid.utils import comm
from numpy.typing import NDArray
from torch.utils.data import BatchSampler, DataLoader

from .dataset import CrossModalityDataset, Draw
from .errors import UserError
from .sampler import EpochSampler
from .workers import watched

Batch = dict[str, Any]


class SeededBatchSampler(BatchSampler):
    """Full batches of an endless sampler, each entry with a seed for its augmentation.

    The seed follows from the run's seed and the entry's place in the stream of all processes' batches, which hold the
    first halves of all processes' shares, then the second ones. So the batches do not depend on the number of workers,
    and those of a cross-modality sampler not on the number of processes either.

    Args:
        sampler: of this process.
        batch_size: of this process.
        seed: the run's.
    """

    sampler: EpochSampler

    def __init__(self, sampler: EpochSampler, batch_size: int, seed: int) -> None:
        super().__init__(sampler, batch_size, drop_last=True)
        self._seed = seed
        self._first = 0  # batch of the stream

    def start_at(self, epoch: int, batch: int = 0) -> None:
        """Let the next iteration begin with this batch of this epoch (both 0-based): it gives the rest of the stream
        that begins at the first one."""
        self._first = epoch * self.sampler.batches_per_epoch + batch
        self.sampler.start_at(epoch, batch)

    def __iter__(self) -> Iterator[list[Draw]]:  # type: ignore[override]
        whole = self.batch_size * comm.get_world_size()
        own = _own_rows(self.batch_size)
        place = self._first * whole
        for batch in super().__iter__():
            seeds = np.random.default_rng([self._seed, 0, place]).integers(2**62, size=whole)[own].tolist()
            yield [Draw(index, seed) for index, seed in zip(batch, seeds, strict=True)]
            place += whole


def _own_rows(batch_size: int) -> NDArray[np.intp]:
    """Rows of this process's ``batch_size`` entries in the batch of all processes: its first half, then its second."""
    rank, half = comm.get_rank(), batch_size // 2
    second = comm.get_world_size() * half + rank * (batch_size - half)
    return np.concatenate([rank * half + np.arange(half), second + np.arange(batch_size - half)])


class DeviceLoader:
    """A loader whose batches arrive on the device, and whose errors are one line.

    Iterating starts the workers at the first batch, not before. The images arrive augmented, as float32
    ``[B, 3, H, W]`` with values 0..255: what travels is 8-bit pixels, and the device does the rest. With a GPU, the
    next batch is copied from pinned memory and augmented while the step on the one before it runs.

    Args:
        loader: over a :class:`CrossModalityDataset`, and with :class:`DrawnBatches` as its ``batch_sampler``.
        device: where its tensors go; paths stay a list of strings.
    """

    def __init__(self, loader: DataLoader[Any], device: torch.device) -> None:
        self._loader = loader
        self.device = device

    @property
    def dataset(self) -> CrossModalityDataset:
        return self._loader.dataset  # type: ignore[return-value]

    @property
    def batch_sampler(self) -> Any:
        """What the loader's batches are drawn from."""
        return self._loader.batch_sampler.batches  # type: ignore[union-attr]

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Generator[Batch, None, None]:
        try:
            yield from self._ahead() if self.device.type == "cuda" else map(self._arrive, watched(self._loader))
        except UserError as error:
            # A worker's exception comes with its traceback as text; its last line is what the user needs.
            raise UserError(str(error).strip().splitlines()[-1].removeprefix(f"{_qualified(UserError)}: ")) from None

    def _arrive(self, batch: Batch) -> Batch:
        """The batch on the device, augmented."""
        moved = {
            key: value.to(self.device, non_blocking=True) if isinstance(value, torch.Tensor) else value
            for key, value in batch.items()
        }
        images = self.dataset.augmentation.apply(moved["images"], moved.pop("draws"))
        return {**moved, "images": images}

    def _ahead(self) -> Iterator[Batch]:
        """Every batch once the next one is under way on a stream of its own."""
        stream = torch.cuda.Stream(self.device)
        under_way: deque[tuple[Batch, torch.cuda.Event]] = deque()
        for batch in watched(self._loader):
            with torch.cuda.stream(stream):
                under_way.append((self._arrive(batch), stream.record_event()))
            if len(under_way) == 2:
                yield self._hand_over(*under_way.popleft())
        yield from starmap(self._hand_over, under_way)

    def _hand_over(self, batch: Batch, arrived: torch.cuda.Event) -> Batch:
        """The batch for the stream that the step runs on."""
        current = torch.cuda.current_stream(self.device)
        current.wait_event(arrived)
        for value in batch.values():
            if isinstance(value, torch.Tensor):
                value.record_stream(current)  # else its memory may be the next batch's before the step has read it
        return batch


def _qualified(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
