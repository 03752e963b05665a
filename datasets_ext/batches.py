"""How batches are drawn with their seeds, and how they reach the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from fastreid.utils import comm
from torch.utils.data import BatchSampler, DataLoader, Sampler

from .dataset import CrossModalityDataset, Draw
from .errors import UserError
from .sampler import EpochSampler

Batch = dict[str, Any]


class SeededBatchSampler(BatchSampler):
    """Full batches of an endless sampler, each entry with a seed for its augmentation.

    The seed follows from the run's seed, the process and the entry's place in the stream, so that the batches do not
    depend on the number of workers.
    """

    def __init__(self, sampler: Sampler[int], batch_size: int, seed: int, batches_per_epoch: int) -> None:
        super().__init__(sampler, batch_size, drop_last=True)
        self._seed = seed
        self._batches_per_epoch = batches_per_epoch
        self._epoch = 0

    def start_at(self, epoch: int) -> None:
        """Let the next iteration begin with this epoch, as far as the sampler can go to one."""
        self._epoch = epoch
        if isinstance(self.sampler, EpochSampler):  # fast-reid's own samplers cannot go to an epoch
            self.sampler.start_at(epoch)

    def __iter__(self) -> Iterator[list[Draw]]:  # type: ignore[override]
        place = self._epoch * self._batches_per_epoch * self.batch_size
        for batch in super().__iter__():
            seeds = (
                np.random.default_rng([self._seed, comm.get_rank(), place]).integers(2**62, size=len(batch)).tolist()
            )
            yield [Draw(index, seed) for index, seed in zip(batch, seeds, strict=True)]
            place += len(batch)


class DeviceLoader:
    """A loader whose batches arrive on the device, and whose errors are one line.

    Iterating starts the workers at the first batch, not before. Tensors are copied from pinned memory without
    waiting when the device is a GPU; paths stay a list of strings.

    Args:
        loader: yields dictionaries.
        device: where their tensors go.
    """

    def __init__(self, loader: DataLoader[Any], device: torch.device) -> None:
        self._loader = loader
        self.device = device

    @property
    def dataset(self) -> CrossModalityDataset:
        return self._loader.dataset  # type: ignore[return-value]

    @property
    def batch_sampler(self) -> Any:
        return self._loader.batch_sampler

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        try:
            for batch in self._loader:
                yield {
                    key: value.to(self.device, non_blocking=True) if isinstance(value, torch.Tensor) else value
                    for key, value in batch.items()
                }
        except UserError as error:
            # A worker's exception comes with its traceback as text; its last line is what the user needs.
            raise UserError(str(error).strip().splitlines()[-1].removeprefix(f"{_qualified(UserError)}: ")) from None


def _qualified(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
