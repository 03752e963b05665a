"""fast-reid's own samplers as a stream that follows from the seed alone and can begin at any batch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from fastreid.config import CfgNode
from fastreid.data.build import _train_loader_from_config
from fastreid.utils import comm
from torch.utils.data import Sampler

from .dataset import CrossModalityDataset, generator_states, generators_kept, seed_generators, set_generator_states
from .errors import UserError
from .sampler import SAMPLER_REGISTRY, EpochSampler

FASTREID_SAMPLERS = ("TrainingSampler", "NaiveIdentitySampler", "BalancedIdentitySampler", "ImbalancedDatasetSampler")


class ReplayedSampler(EpochSampler):
    """One of fast-reid's endless samplers, which draw from the random states that the whole process shares.

    Here a sampler draws from states of its own, seeded at its beginning: nothing else that draws changes its stream.
    It cannot go to an epoch, so :meth:`start_at` lets it draw again what came before and leaves that out, in up to
    15 seconds for each million images.

    Args:
        sampler: of this process; its stream begins again with each iteration.
        batch_size: of this process.
        batches_per_epoch: how many batches make an epoch.
        seed: of the stream, the same in all processes.
    """

    def __init__(self, sampler: Sampler[int], batch_size: int, batches_per_epoch: int, seed: int) -> None:
        self._sampler = sampler
        self._batch_size = batch_size
        self.batches_per_epoch = batches_per_epoch
        self._seed = seed
        self._skipped = 0

    def start_at(self, epoch: int, batch: int = 0) -> None:
        self._skipped = (epoch * self.batches_per_epoch + batch) * self._batch_size

    def __iter__(self) -> Iterator[int]:
        stream = islice(self._sampler, self._skipped, None)
        with generators_kept():
            seed_generators(self._seed)
            states = generator_states()
        while True:
            with generators_kept():
                set_generator_states(states)
                indices = [int(index) for index in islice(stream, self._batch_size)]
                states = generator_states()
            yield from indices


def build_fastreid_sampler(cfg: CfgNode, dataset: CrossModalityDataset, seed: int) -> ReplayedSampler:
    """The sampler of fast-reid's that ``DATALOADER.SAMPLER_TRAIN`` names.

    Raises:
        UserError: an unknown name, or numbers with which it would loop without end.
    """
    _check(cfg, dataset)
    with generators_kept():
        seed_generators(seed)  # it draws its own seed when it is made
        sampler = _train_loader_from_config(cfg, train_set=dataset, transforms=dataset.transform)["sampler"]
    batch_size = cfg.SOLVER.IMS_PER_BATCH
    return ReplayedSampler(sampler, batch_size // comm.get_world_size(), max(len(dataset) // batch_size, 1), seed)


def _check(cfg: CfgNode, dataset: CrossModalityDataset) -> None:
    name, batch_size = cfg.DATALOADER.SAMPLER_TRAIN, cfg.SOLVER.IMS_PER_BATCH
    if name not in FASTREID_SAMPLERS:
        known = [*sorted(SAMPLER_REGISTRY._obj_map), *FASTREID_SAMPLERS]
        raise UserError(f"DATALOADER.SAMPLER_TRAIN {name} is unknown: choose from {known}")
    if "Identity" not in name:
        return
    instances = cfg.DATALOADER.NUM_INSTANCE
    if instances < 1 or batch_size % (instances * comm.get_world_size()):
        raise UserError(f"{name}: SOLVER.IMS_PER_BATCH {batch_size} must be a multiple of NUM_INSTANCE {instances}")
    if batch_size // instances > dataset.num_classes:
        raise UserError(
            f"{name}: a batch needs {batch_size // instances} identities, but {dataset.num_classes} are there: "
            "lower SOLVER.IMS_PER_BATCH"
        )
