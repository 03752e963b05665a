"""Scores of every query in many galleries at once, against each gallery alone and against slow loops."""

from __future__ import annotations

import math
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from idkl.evaluation import ranking
from idkl.evaluation.ranking import IgnoreRule, Pool, QueryScores, score_queries
from tests.idkl.evaluation import naive

# dist [Q, M], query_pids, pool
Case = tuple[Any, Any, Pool]

# Few values, so that most rows have ties, infinite distances and signed zeros among them.
TIED = st.sampled_from([-math.inf, -1.0, -0.0, 0.0, 0.5, 1.0, math.inf])


def rule(ignored: Any) -> IgnoreRule | None:
    return None if ignored is None else lambda rows: ignored[rows]


def assert_as_loops(scores: list[QueryScores], dist: Any, query_pids: Any, pool: Pool, ignored: Any) -> None:
    """Every trial's scores are what loops over its own gallery give."""
    assert len(scores) == len(pool.members)
    for of_trial, members in zip(scores, pool.members, strict=True):
        columns = np.flatnonzero(members)
        for q, pid in enumerate(query_pids):
            hidden = [ignored is not None and bool(ignored[q, g]) for g in columns]
            expected = naive.query_scores(dist[q, columns], pid, list(pool.pids[columns]), hidden, pool.deduplicate)
            assert of_trial.valid[q] == (expected is not None)
            first, precision, inp = expected or (0, math.nan, math.nan)
            assert of_trial.first_rank[q] == first
            found = of_trial.ap[q], of_trial.inp[q]
            assert found == pytest.approx((precision, inp), rel=0, abs=1e-12, nan_ok=True)


def assert_equal(one: QueryScores, other: QueryScores) -> None:
    for name in ("first_rank", "ap", "inp", "valid"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)


@st.composite
def cases(draw: st.DrawFn, distances: st.SearchStrategy[float]) -> tuple[Any, Any, Pool, Any]:
    queries, columns, trials = draw(st.integers(1, 7)), draw(st.integers(1, 14)), draw(st.integers(1, 4))
    pids = st.integers(-2, 3)
    kind = draw(st.sampled_from([np.float32, np.float64]))
    dist = draw(hnp.arrays(kind, (queries, columns), elements=distances))
    members = draw(hnp.arrays(np.bool_, (trials, columns)))
    pool = Pool(draw(hnp.arrays(np.int64, columns, elements=pids)), members, draw(st.booleans()))
    ignored = draw(st.none() | hnp.arrays(np.bool_, (queries, columns)))
    return dist, draw(hnp.arrays(np.int64, queries, elements=pids)), pool, ignored


@pytest.mark.parametrize(("rows", "entries"), [(64, 6_500_000), (2, 20), (1, 1)])
@given(case=cases(TIED) | cases(st.floats(-2, 2, width=16)))
@settings(max_examples=150, deadline=None)
def test_every_trial_is_what_loops_give(rows: int, entries: int, case: tuple[Any, Any, Pool, Any]) -> None:
    dist, query_pids, pool, ignored = case
    with mock.patch.multiple(ranking, _ROWS=rows, _BLOCK_ENTRIES=entries):
        scores = score_queries(dist, query_pids, pool, rule(ignored))
    assert_as_loops(scores, dist, query_pids, pool, ignored)


def a_large_case(seed: int, kind: Any = np.float32, deduplicate: bool = True) -> tuple[Any, Any, Pool, Any]:
    rng = np.random.default_rng(seed)
    dist = rng.standard_normal((70, 300)).round(2).astype(kind)  # about 600 values: ties in every row
    pool = Pool(rng.integers(0, 25, 300), rng.random((6, 300)) < 0.3, deduplicate)
    return dist, rng.integers(0, 27, 70), pool, rng.random((70, 300)) < 0.2


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("deduplicate", [False, True])
def test_trials_together_are_each_trial_alone(kind: Any, deduplicate: bool) -> None:
    dist, query_pids, pool, ignored = a_large_case(0, kind, deduplicate)
    together = score_queries(dist, query_pids, pool, rule(ignored))
    assert_as_loops(together, dist, query_pids, pool, ignored)
    for members, scores in zip(pool.members, together, strict=True):
        alone = Pool(pool.pids[members], np.ones((1, members.sum()), dtype=bool), deduplicate)
        dense = np.ascontiguousarray(dist[:, members])
        assert_equal(scores, score_queries(dense, query_pids, alone, rule(ignored[:, members]))[0])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("rows", "entries"), [(64, 1000), (7, 2500), (100, 1)])
def test_blocks_and_threads_change_nothing(threads: int, rows: int, entries: int) -> None:
    dist, query_pids, pool, ignored = a_large_case(1)
    whole = score_queries(dist, query_pids, pool, rule(ignored))
    with (
        mock.patch.multiple(ranking, _ROWS=rows, _BLOCK_ENTRIES=entries),
        mock.patch.object(torch, "get_num_threads", lambda: threads),
    ):
        in_blocks = score_queries(dist, query_pids, pool, rule(ignored))
    for one, other in zip(whole, in_blocks, strict=True):
        assert_equal(one, other)


def one_trial(pids: list[int], deduplicate: bool) -> Pool:
    return Pool(np.array(pids), np.ones((1, len(pids)), dtype=bool), deduplicate)


def first_ranks(dist: list[list[float]], query_pids: list[int], pool: Pool, kind: Any = np.float32) -> list[int]:
    return score_queries(np.array(dist, dtype=kind), np.array(query_pids), pool)[0].first_rank.tolist()


def test_scores_by_hand() -> None:
    dist = np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.1, 0.2, 0.3]], dtype=np.float32)
    scores = score_queries(dist, np.array([5, 4, 6]), one_trial([4, 4, 5], True))[0]
    # Query 5 sees 4, 4, 5 (de-duplicated 4, 5); query 4 sees 5, 4, 4; query 6 has no match.
    assert scores.valid.tolist() == [True, True, False]
    assert scores.first_rank.tolist() == [2, 2, 0]
    np.testing.assert_allclose(scores.ap, [1 / 3, (1 / 2 + 2 / 3) / 2, np.nan])
    np.testing.assert_allclose(scores.inp, [1 / 3, 2 / 3, np.nan])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_ties_between_and_within_identities(kind: Any) -> None:
    # Columns of identities 7, 8, 9, 8, 9 at one distance: their order is the ranking.
    tied, pids = [[0.25] * 5] * 3, [7, 8, 9, 8, 9]
    assert first_ranks(tied, [7, 8, 9], one_trial(pids, False), kind) == [1, 2, 3]
    assert first_ranks(tied, [7, 8, 9], one_trial(pids, True), kind) == [1, 2, 3]
    # 9 is nearest in columns 2 and 4 alike, 8 in column 1, 7 in column 3 only: 8, 9, 7, de-duplicated or not.
    pids, row = [9, 8, 9, 7, 9], [1.0, 0.25, 0.25, 0.25, 0.25]
    assert first_ranks([row] * 3, [7, 8, 9], one_trial(pids, True), kind) == [3, 1, 2]
    assert first_ranks([row] * 3, [7, 8, 9], one_trial(pids, False), kind) == [3, 1, 2]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_signed_zeros_are_equal_and_infinity_is_a_distance(kind: Any) -> None:
    assert first_ranks([[0.0, -0.0, 0.0]] * 3, [1, 2, 3], one_trial([1, 2, 3], True), kind) == [1, 2, 3]
    assert first_ranks([[-0.0, 0.0, -0.0]] * 3, [1, 2, 3], one_trial([1, 2, 3], False), kind) == [1, 2, 3]
    row = [math.inf, -math.inf, math.inf]
    assert first_ranks([row] * 3, [1, 2, 3], one_trial([1, 2, 3], True), kind) == [2, 1, 3]


def test_an_ignored_entry_is_not_an_infinite_one() -> None:
    # Column 0 does not exist; column 1 is infinitely far but there, and ranks before column 2 at equal distance.
    dist, ignored = np.full((1, 3), np.inf, dtype=np.float32), np.array([[True, False, False]])
    for deduplicate in (False, True):
        scores = score_queries(dist, np.array([2]), one_trial([1, 1, 2], deduplicate), rule(ignored))[0]
        assert scores.first_rank.tolist() == [2]
        scores = score_queries(dist, np.array([1]), one_trial([1, 2, 2], deduplicate), rule(ignored))[0]
        assert not scores.valid[0] and scores.first_rank.tolist() == [0] and np.isnan(scores.ap[0])


def test_float64_keeps_what_float32_cannot_tell() -> None:
    row = [1.0 + 1e-12, 1.0]
    assert first_ranks([row], [2], one_trial([1, 2], False), np.float64) == [1]
    assert first_ranks([row], [2], one_trial([1, 2], False), np.float32) == [2]


def test_a_trial_without_the_identity_does_not_count_for_it() -> None:
    # Identity 1 is in the first gallery alone, and the second has no image at all.
    pool = Pool(np.array([1, 2]), np.array([[True, True], [False, False]]), True)
    scores = score_queries(np.zeros((2, 2), dtype=np.float32), np.array([1, 2]), pool)
    assert [s.first_rank.tolist() for s in scores] == [[1, 2], [0, 0]]
    assert [s.valid.tolist() for s in scores] == [[True, True], [False, False]]
