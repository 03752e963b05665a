"""Properties of the cross-modality batch, over random datasets."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_ext import ImageRecord, UserError
from datasets_ext.sampler import CrossModalityIdentitySampler


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[ImageRecord], int, int, int]:
    """Records of some identities with 1 to 6 images a modality; P, K and a seed."""
    counts = draw(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=9))
    pids = draw(st.permutations(range(100, 100 + len(counts))))
    records = [
        ImageRecord(f"{pid}-{modality}-{i}", pid, modality, modality)
        for pid, counts_of in zip(pids, counts, strict=True)
        for modality, count in enumerate(counts_of)
        for i in range(count)
    ]
    return records, draw(st.integers(1, len(counts))), draw(st.integers(1, 4)), draw(st.integers(0, 2**31))


def make(records: list[ImageRecord], p: int, k: int, seed: int, **kwargs: int) -> CrossModalityIdentitySampler:
    return CrossModalityIdentitySampler(records, 2 * p * k, 2 * k, seed, **kwargs)


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(0, 5))
def test_batch_order_and_identities(case: tuple[list[ImageRecord], int, int, int], epoch: int) -> None:
    records, p, k, seed = case
    for batch in make(records, p, k, seed).epoch_batches(epoch):
        rows = [records[index] for index in batch]
        visible, infrared = rows[: p * k], rows[p * k :]
        assert len(rows) == 2 * p * k
        assert {row.modality for row in visible} == {0} and {row.modality for row in infrared} == {1}
        assert [row.pid for row in visible] == [row.pid for row in infrared]
        groups = [{row.pid for row in visible[i * k : (i + 1) * k]} for i in range(p)]
        assert all(len(group) == 1 for group in groups) and len(set().union(*groups)) == p


@settings(max_examples=150, deadline=None)
@given(cases())
def test_an_epoch_sees_every_identity_and_repeats_no_image_needlessly(
    case: tuple[list[ImageRecord], int, int, int],
) -> None:
    records, p, k, seed = case
    sampler = make(records, p, k, seed)
    batches = list(sampler.epoch_batches(0))
    assert len(batches) == sampler.batches_per_epoch >= len(records) // (2 * p * k)
    assert {records[index].pid for batch in batches for index in batch} == {record.pid for record in records}
    pools = Counter((record.pid, record.modality) for record in records)
    for batch in batches:
        drawn = Counter((records[index].pid, records[index].modality) for index in batch)
        different = Counter((records[index].pid, records[index].modality) for index in set(batch))
        assert all(different[key] == min(drawn[key], pools[key]) for key in drawn)
    used = Counter(index for batch in batches for index in batch)
    for key in pools:
        uses = [used[i] for i, record in enumerate(records) if (record.pid, record.modality) == key]
        if pools[key] >= k:  # smaller pools repeat inside a draw
            assert max(uses) - min(uses) <= 2


@settings(max_examples=60, deadline=None)
@given(cases())
def test_seed_and_epoch_decide_everything(case: tuple[list[ImageRecord], int, int, int]) -> None:
    records, p, k, seed = case
    sampler, again = make(records, p, k, seed), make(records, p, k, seed)
    size = 2 * p * k * sampler.batches_per_epoch
    stream = list(islice(sampler, 3 * size))
    assert stream == list(islice(again, 3 * size))
    again.start_at(2)
    assert stream[2 * size :] == list(islice(again, size))


def test_other_seed_other_order() -> None:
    records = [ImageRecord("", pid, m, m) for pid in range(20) for m in (0, 1) for _ in range(3)]
    first, second = (next(make(records, 4, 2, seed).epoch_batches(0)) for seed in (1, 2))
    assert first != second


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(2, 3))
def test_processes_share_the_identities_of_one_batch(
    case: tuple[list[ImageRecord], int, int, int], world_size: int
) -> None:
    records, p, k, seed = case
    if p * world_size > len({record.pid for record in records}):
        p = 1
        records = [*records, *(ImageRecord("", pid, m, m) for pid in range(world_size) for m in (0, 1))]
    whole = make(records, p * world_size, k, seed)
    parts = [make(records, p * world_size, k, seed, rank=r, world_size=world_size) for r in range(world_size)]
    for batch, *shares in zip(whole.epoch_batches(1), *(part.epoch_batches(1) for part in parts), strict=True):
        half = len(batch) // 2
        visible = [index for share in shares for index in share[: len(share) // 2]]
        infrared = [index for share in shares for index in share[len(share) // 2 :]]
        assert visible == batch[:half] and infrared == batch[half:]


@pytest.mark.parametrize(
    ("batch_size", "instances", "world_size", "message"),
    [
        (12, 3, 1, "NUM_INSTANCE is 3.*even number"),
        (12, 0, 1, "even number"),
        (10, 4, 1, "10 is not a multiple of DATALOADER.NUM_INSTANCE 4: give for example 8"),
        (2, 4, 1, "2 is not a multiple.*for example 4"),
        (24, 4, 1, "needs 6 identities.*only 5 have images in both modalities"),
        (12, 4, 2, "the 3 identities of a batch do not divide over 2 processes"),
    ],
)
def test_impossible_numbers(batch_size: int, instances: int, world_size: int, message: str) -> None:
    records = [ImageRecord("", pid, m, m) for pid in range(5) for m in (0, 1)]
    with pytest.raises(UserError, match=message):
        CrossModalityIdentitySampler(records, batch_size, instances, seed=0, world_size=world_size)


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(0, 3), st.data())
def test_a_run_can_go_on_at_any_batch(
    case: tuple[list[ImageRecord], int, int, int], epoch: int, data: st.DataObject
) -> None:
    records, p, k, seed = case
    sampler, again = make(records, p, k, seed), make(records, p, k, seed)
    per_epoch, size = sampler.batches_per_epoch, 2 * p * k
    batch = data.draw(st.integers(0, per_epoch - 1))
    first = (epoch * per_epoch + batch) * size
    again.start_at(epoch, batch)
    length = (per_epoch + 1) * size  # over the end of the epoch
    assert list(islice(sampler, first, first + length)) == list(islice(again, length))
