"""Counting, and comparing with the published numbers, on tables of records."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_ext.checks import llcm, regdb, sysu
from datasets_ext.checks.counts import (
    SideCounts,
    count_findings,
    count_records,
    incomplete_identities,
    modality_finding,
    number_finding,
)
from datasets_ext.checks.findings import Level
from datasets_ext.records import INFRARED, VISIBLE, ImageRecord

PUBLISHED = [*sysu.PUBLISHED.values(), *llcm.PUBLISHED.values(), regdb.PUBLISHED]


def table(counts: SideCounts) -> list[ImageRecord]:
    """Records of these counts, every identity in both modalities."""
    images = [(VISIBLE, k) for k in range(counts.visible)] + [(INFRARED, k) for k in range(counts.infrared)]
    return [ImageRecord(f"{modality}/{k}", k % counts.identities, 0, modality) for modality, k in images]


@pytest.mark.parametrize("published", PUBLISHED)
def test_a_table_of_published_size_is_ok(published: SideCounts) -> None:
    records = table(published)
    assert count_records(records) == published
    found = list(count_findings("training", {"training": count_records(records)}, published, generated=False))
    assert [f.level for f in found] == [Level.OK] * 3
    assert [f.found for f in found] == [str(n) for n in (published.identities, published.visible, published.infrared)]
    assert incomplete_identities(records) == []


@pytest.mark.parametrize("published", PUBLISHED)
@pytest.mark.parametrize("generated", [False, True])
def test_one_image_less_is_seen(published: SideCounts, generated: bool) -> None:
    counts = count_records(table(published)[:-1])
    levels = [f.level for f in count_findings("test", {"test": counts}, published, generated)]
    assert levels == [Level.OK, Level.OK, Level.NOTE if generated else Level.DIFFERS]


def test_published_numbers_agree_with_each_other() -> None:
    sides = llcm.PUBLISHED.values()
    assert sum(side.visible + side.infrared for side in sides) == 46767  # the LLCM paper's total
    assert sum(side.identities for side in sides) == 1064
    assert sysu.IDENTITIES["train"] + sysu.IDENTITIES["val"] == sysu.PUBLISHED["training"].identities
    assert SideCounts(regdb.PEOPLE // 2, regdb.IMAGES * 206, regdb.IMAGES * 206) == regdb.PUBLISHED


def test_splits_that_differ_are_named() -> None:
    found = number_finding("training images", {"split 1": 7, "split 2": 8, "split 3": 7}, 7, generated=False)
    assert (found.found, found.level, found.items) == ("7, 8", Level.DIFFERS, ("split 2: 8",))


def test_all_splits_alike_need_no_names() -> None:
    assert number_finding("training images", {"split 1": 6, "split 2": 6}, 7, generated=False).items == ()


@pytest.mark.parametrize("generated", [False, True])
def test_none_at_all_is_a_problem(generated: bool) -> None:
    assert number_finding("test images", {"test": 0}, 7, generated).level == Level.PROBLEM


records_of_few = st.lists(st.tuples(st.integers(0, 6), st.sampled_from([VISIBLE, INFRARED])), max_size=20)


@given(records_of_few, st.sets(st.integers(0, 8)))
def test_incomplete_identities(entries: list[tuple[int, int]], listed: set[int]) -> None:
    records = [ImageRecord(f"{k}.jpg", pid, 0, modality) for k, (pid, modality) in enumerate(entries)]
    seen = defaultdict(set)
    for pid, modality in entries:
        seen[pid].add(modality)
    expected = []
    for pid in range(9):
        if pid in listed and not seen[pid]:
            expected.append(f"{pid} (no image)")
        elif seen[pid] == {VISIBLE}:
            expected.append(f"{pid} (no infrared)")
        elif seen[pid] == {INFRARED}:
            expected.append(f"{pid} (no visible)")
    assert incomplete_identities(records, listed) == expected


def test_a_missing_modality_weighs_more_in_training() -> None:
    assert modality_finding("training", ["3 (no infrared)"]).level == Level.DIFFERS
    assert modality_finding("test", ["3 (no infrared)"]).level == Level.NOTE
    assert modality_finding("test", []).level == Level.OK
