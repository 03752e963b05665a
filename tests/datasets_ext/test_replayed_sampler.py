"""fast-reid's own samplers: a stream of the seed alone, from any batch on."""

from __future__ import annotations

from itertools import islice
from unittest import mock

import numpy as np
import pytest
import torch
from fastreid.config import CfgNode
from fastreid.utils import comm

from datasets_ext import ImageRecord
from datasets_ext.batches import SeededBatchSampler
from datasets_ext.dataset import CrossModalityDataset, Draw, generator_states, seed_generators
from datasets_ext.replayed_sampler import FASTREID_SAMPLERS, build_fastreid_sampler

RECORDS = [ImageRecord(f"{p}-{m}-{i}", p, m, m) for p in range(9) for m in (0, 1) for i in range(3)]
PER_EPOCH = len(RECORDS) // 8


@pytest.fixture(params=FASTREID_SAMPLERS)
def named(request: pytest.FixtureRequest, cfg: CfgNode) -> CfgNode:
    cfg.DATALOADER.SAMPLER_TRAIN = request.param
    return cfg


def made(cfg: CfgNode, seed: int = 5, size: int = 1) -> SeededBatchSampler:
    dataset = mock.Mock(spec=CrossModalityDataset, img_items=RECORDS, transform=None, num_classes=9)
    dataset.__len__ = mock.Mock(return_value=len(RECORDS))
    return SeededBatchSampler(build_fastreid_sampler(cfg, dataset, seed), 8 // size, seed)


@pytest.mark.parametrize(("epoch", "batch"), [(0, 0), (0, 1), (1, 0), (2, PER_EPOCH - 1), (7, 3)])
def test_any_batch_of_any_epoch(named: CfgNode, epoch: int, batch: int) -> None:
    first = epoch * PER_EPOCH + batch
    again = made(named)
    assert again.sampler.batches_per_epoch == PER_EPOCH
    again.start_at(epoch, batch)
    assert list(islice(again, 9)) == list(islice(made(named), first, first + 9))


def test_nobody_else_who_draws_changes_the_stream_or_is_changed(named: CfgNode) -> None:
    expected = list(islice(made(named), 6))
    seed_generators(1)
    plain = [(np.random.rand(), torch.rand(1).item()) for _ in range(6)]
    seed_generators(1)
    found, drawn = [], []
    for draws in islice(made(named), 6):
        found.append(draws)
        drawn.append((np.random.rand(), torch.rand(1).item()))
    assert found == expected and drawn == plain
    assert list(islice(made(named, seed=6), 6)) != expected


def test_processes_take_the_shares_of_one_stream(named: CfgNode) -> None:
    """fast-reid's samplers need one seed for all processes, and the process's states are seeded apart."""
    shares: list[list[list[Draw]]] = []
    for rank in range(2):
        seed_generators(rank)
        before = generator_states()
        with (
            mock.patch.object(comm, "get_rank", lambda rank=rank: rank),
            mock.patch.object(comm, "get_world_size", lambda: 2),
            mock.patch.object(comm, "all_gather", lambda value: [value, value]),
        ):
            shares.append(list(islice(made(named, size=2), 2 * PER_EPOCH)))
        assert torch.equal(before[2], generator_states()[2])
    if "Identity" not in named.DATALOADER.SAMPLER_TRAIN:
        whole = [draw.index for draws in islice(made(named), 2 * PER_EPOCH) for draw in draws]
        for rank, share in enumerate(shares):
            assert [draw.index for draws in share for draw in draws] == whole[rank::2]
    else:
        for one, other in zip(*shares, strict=True):
            people = [{RECORDS[draw.index].pid for draw in draws} for draws in (one, other)]
            assert not people[0] & people[1]
