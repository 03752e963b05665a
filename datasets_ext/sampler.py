"""The cross-modality batch: P identities, K visible and K infrared images of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from itertools import chain, count, islice

import numpy as np
from fastreid.utils.registry import Registry
from torch.utils.data import Sampler

from .errors import UserError
from .records import INFRARED, VISIBLE, ImageRecord

SAMPLER_REGISTRY = Registry("SAMPLER")
SAMPLER_REGISTRY.__doc__ = """
Samplers that ``DATALOADER.SAMPLER_TRAIN`` can name beside fast-reid's own: subclasses of :class:`EpochSampler`, called
with ``records``, ``batch_size``, ``num_instances``, ``seed``, ``rank`` and ``world_size``.
"""


class EpochSampler(Sampler[int], ABC):
    """An endless stream of indices that can begin at any batch of any epoch.

    Attributes:
        batches_per_epoch: how many batches make an epoch.
    """

    batches_per_epoch: int

    @abstractmethod
    def start_at(self, epoch: int, batch: int = 0) -> None:
        """Let the next iteration begin with this batch of this epoch (both 0-based)."""


@SAMPLER_REGISTRY.register()
class CrossModalityIdentitySampler(EpochSampler):
    """Endless stream of batches, each ordered as N visible rows, then N infrared rows of the same identities.

    A batch holds P identities with K visible and K infrared images each; N = P*K, and row i of the visible half has
    the identity of row i of the infrared half. No identity stands twice in a batch. An epoch begins with every
    identity once, in random order; images of an identity and modality are all used before one is used again.
    Epoch e depends on nothing but the seed and e, so a run can go on anywhere with :meth:`start_at`.

    With several processes all of them draw the same batch and each keeps its own P / world_size identities.

    Args:
        records: training images; every identity has both modalities.
        batch_size: images of both modalities in a batch, over all processes: 2 * P * K.
        num_instances: images of both modalities an identity has in a batch: 2 * K.
        seed: of the order.
        rank, world_size: which process this is, of how many.

    Raises:
        UserError: numbers that make no such batch.
    """

    def __init__(
        self,
        records: Sequence[ImageRecord],
        batch_size: int,
        num_instances: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        pools: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for index, record in enumerate(records):
            pools[record.pid][record.modality].append(index)
        self._pools = dict(sorted(pools.items()))
        _check(batch_size, num_instances, len(self._pools), world_size)
        self.num_identities = batch_size // num_instances
        self.images_per_modality = num_instances // 2
        self._seed, self._rank, self._world_size = seed, rank, world_size
        self._epoch = self._batch = 0
        # Enough batches to use about every image once and to see every identity.
        self.batches_per_epoch = max(len(records) // batch_size, -(-len(self._pools) // self.num_identities))

    def start_at(self, epoch: int, batch: int = 0) -> None:
        self._epoch, self._batch = epoch, batch

    def __iter__(self) -> Iterator[int]:
        begun = islice(self.epoch_batches(self._epoch), self._batch, None)
        later = (self.epoch_batches(epoch) for epoch in count(self._epoch + 1))
        for batch in chain(begun, chain.from_iterable(later)):
            yield from batch

    def epoch_batches(self, epoch: int) -> Iterator[list[int]]:
        """The batches of one epoch for this process, each a list of 2 * P * K / world_size indices."""
        rng = np.random.default_rng([self._seed, epoch])
        identities = _groups(list(self._pools), self.num_identities, rng)
        images = {
            (pid, modality): _groups(pools[modality], self.images_per_modality, rng)
            for pid, pools in self._pools.items()
            for modality in (VISIBLE, INFRARED)
        }
        share = self.num_identities // self._world_size
        for _ in range(self.batches_per_epoch):
            # Every process draws the images of all P identities, so that all of them stay at the same place.
            drawn = [(next(images[pid, VISIBLE]), next(images[pid, INFRARED])) for pid in next(identities)]
            own = drawn[self._rank * share : (self._rank + 1) * share]
            yield [index for modality in (VISIBLE, INFRARED) for pair in own for index in pair[modality]]


def _groups(items: list[int], size: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Groups of ``size`` items in random order, without end; all items are used before one is used again.

    A group holds no item twice; with fewer items than its size, it holds each one as often as the others, give or
    take one.
    """
    waiting: deque[int] = deque()
    while True:
        group = items * (size // len(items))
        whole = len(group)
        held: list[int] = []
        while len(group) < size:
            if not waiting:
                waiting.extend(items[i] for i in rng.permutation(len(items)))
            item = waiting.popleft()
            (held if item in group[whole:] else group).append(item)
        waiting.extendleft(reversed(held))
        yield group


def _check(batch_size: int, num_instances: int, identities: int, world_size: int) -> None:
    if num_instances < 2 or num_instances % 2:
        raise UserError(
            f"DATALOADER.NUM_INSTANCE is {num_instances}, but half of an identity's images are visible and half "
            "infrared: give an even number of at least 2"
        )
    if batch_size < num_instances or batch_size % num_instances:
        raise UserError(
            f"SOLVER.IMS_PER_BATCH {batch_size} is not a multiple of DATALOADER.NUM_INSTANCE {num_instances}: "
            f"give for example {max(batch_size // num_instances, 1) * num_instances}"
        )
    per_batch = batch_size // num_instances
    if per_batch > identities:
        raise UserError(
            f"a batch needs {per_batch} identities (SOLVER.IMS_PER_BATCH {batch_size} / DATALOADER.NUM_INSTANCE "
            f"{num_instances}), but only {identities} have images in both modalities: lower SOLVER.IMS_PER_BATCH"
        )
    if per_batch % world_size:
        raise UserError(
            f"the {per_batch} identities of a batch do not divide over {world_size} processes: let "
            f"SOLVER.IMS_PER_BATCH / DATALOADER.NUM_INSTANCE be a multiple of {world_size}"
        )
