"""Nearest neighbours in blocks against sorted lists."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import torch

from idkl.evaluation import neighbours
from idkl.evaluation.neighbours import ITSELF, Nearest, nearest_of_each_other, nearest_queries, to_squared_distance
from tests.idkl.evaluation import naive
from tests.idkl.evaluation.trials import separated

FEATURES = separated(40, 8)
UNIT = torch.from_numpy(naive.unit(FEATURES).astype(np.float32))
DISTANCE = 2 * naive.cosine_distance(FEATURES, FEATURES)


def assert_nearest(found: Nearest, distance: np.ndarray, count: int) -> None:
    """``found`` is the ``count`` smallest of each row of ``distance``."""
    order = distance.argsort(axis=1)[:, :count]
    np.testing.assert_array_equal(found.index, order)
    np.testing.assert_allclose(found.distance, np.take_along_axis(distance, order, axis=1), rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.farthest, distance.max(axis=1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("entries", [1, 90, 4_000_000])
@pytest.mark.parametrize("count", [1, 5, 40, 60])
def test_of_each_other(entries: int, count: int) -> None:
    with mock.patch.object(neighbours, "_BLOCK_ENTRIES", entries):
        found = nearest_of_each_other(UNIT, count)
    distance = DISTANCE.copy()
    np.fill_diagonal(distance, ITSELF)
    assert_nearest(found, distance, count)
    assert found.index[:, 0].tolist() == list(range(40))


@pytest.mark.parametrize("entries", [1, 90, 4_000_000])
@pytest.mark.parametrize("queries", [1, 7, 39])
def test_queries_of_a_pool(entries: int, queries: int) -> None:
    cosine = UNIT[:queries] @ -UNIT[queries:].T
    kept = cosine.clone()
    with mock.patch.object(neighbours, "_BLOCK_ENTRIES", entries):
        found = nearest_queries(cosine, 5)
    assert_nearest(found, DISTANCE[queries:, :queries], 5)
    assert torch.equal(cosine, kept)


def test_merging_two_sides_is_searching_both() -> None:
    parts = [Nearest.among(torch.from_numpy(part).float(), 6) for part in (DISTANCE[:, :15], DISTANCE[:, 15:])]
    assert_nearest(parts[0].merge(parts[1], 15, 6), DISTANCE, 6)
    few = Nearest.among(torch.from_numpy(DISTANCE[:, :2]).float(), 6)  # two columns only
    rest = Nearest.among(torch.from_numpy(DISTANCE[:, 2:]).float(), 6)
    assert_nearest(few.merge(rest, 2, 6), DISTANCE, 6)


def test_rows_and_stack() -> None:
    whole = Nearest.among(torch.from_numpy(DISTANCE).float(), 4)
    chosen = torch.tensor([7, 3, 3])
    assert_nearest(whole.rows(chosen), DISTANCE[[7, 3, 3]], 4)
    assert_nearest(Nearest.stack([whole.rows(chosen), whole]), DISTANCE[[7, 3, 3, *range(40)]], 4)


def test_squared_distances_are_never_negative() -> None:
    cosine = torch.tensor([-1.0000001, -1.0, 0.0, 1.0])
    assert to_squared_distance(cosine).tolist() == [0, 0, 2, 4]
    assert Nearest.among(torch.zeros(2, 3), 2).farthest.min() > 0  # to divide by
