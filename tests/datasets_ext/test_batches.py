"""Batches with their seeds: W processes together draw what one draws."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from unittest import mock

import numpy as np
from fastreid.utils import comm
from hypothesis import given
from hypothesis import strategies as st

from datasets_ext import ImageRecord
from datasets_ext.batches import SeededBatchSampler
from datasets_ext.dataset import Draw
from datasets_ext.sampler import CrossModalityIdentitySampler, EpochSampler


class Counting(EpochSampler):
    """0, 1, 2, ...: three batches of five make an epoch."""

    batches_per_epoch = 3
    first = 0

    def start_at(self, epoch: int, batch: int = 0) -> None:
        self.first = (epoch * 3 + batch) * 5

    def __iter__(self) -> Iterator[int]:
        return count(self.first)


def draw(records: list[ImageRecord], batch: int, instances: int, seed: int, rank: int, size: int) -> list[list[Draw]]:
    """Three batches of one process, from the second epoch on."""
    sampler = CrossModalityIdentitySampler(records, batch, instances, seed, rank, size)
    batches = SeededBatchSampler(sampler, batch // size, seed)
    batches.start_at(1)
    with mock.patch.object(comm, "get_rank", lambda: rank), mock.patch.object(comm, "get_world_size", lambda: size):
        return list(islice(batches, 3))


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**31))
def test_the_shares_make_the_batch_of_one_process(size: int, share: int, images: int, seed: int) -> None:
    identities = size * share
    records = [ImageRecord(f"{p}{m}{i}", p, m, m) for p in range(identities + 2) for m in (0, 1) for i in range(3)]
    batch, instances = identities * 2 * images, 2 * images
    whole = draw(records, batch, instances, seed, 0, 1)
    shares = [draw(records, batch, instances, seed, rank, size) for rank in range(size)]
    for step, expected in enumerate(whole):
        halves = [own[step] for own in shares]
        half = batch // size // 2
        assert [d for own in halves for d in own[:half]] + [d for own in halves for d in own[half:]] == expected
        assert len({d.seed for d in expected}) == batch


def test_seeds_of_one_process_follow_from_the_place_in_the_stream() -> None:
    batches = SeededBatchSampler(Counting(), 5, 7)
    batches.start_at(2, 1)
    for place, batch in zip((35, 40, 45), batches, strict=False):
        assert [d.index for d in batch] == list(range(place, place + 5))
        assert [d.seed for d in batch] == np.random.default_rng([7, 0, place]).integers(2**62, size=5).tolist()


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 2**31))
def test_no_two_entries_of_a_step_share_a_seed(batch_size: int, size: int, seed: int) -> None:
    seeds = set()
    for rank in range(size):
        batches = SeededBatchSampler(Counting(), batch_size, seed)
        with (
            mock.patch.object(comm, "get_rank", lambda rank=rank: rank),
            mock.patch.object(comm, "get_world_size", lambda: size),
        ):
            seeds |= {d.seed for d in next(iter(batches))}
    assert len(seeds) == batch_size * size


@given(st.integers(0, 3), st.data())
def test_a_run_can_go_on_at_any_batch_with_the_seeds_it_would_have_had(epoch: int, data: st.DataObject) -> None:
    records = [ImageRecord(f"{p}{m}{i}", p, m, m) for p in range(5) for m in (0, 1) for i in range(3)]

    def made() -> SeededBatchSampler:
        return SeededBatchSampler(CrossModalityIdentitySampler(records, 8, 4, 3), 8, 3)

    batch = data.draw(st.integers(0, made().sampler.batches_per_epoch - 1))
    first = epoch * made().sampler.batches_per_epoch + batch
    again = made()
    again.start_at(epoch, batch)
    assert list(islice(again, 7)) == list(islice(made(), first, first + 7))
