"""Metrics against hand-worked cases and against a slow loop written from the definitions."""

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

from datasets_ext.errors import UserError
from idkl.evaluation import metrics
from idkl.evaluation.metrics import Gallery, rank_metrics, score_queries

# dist, query_pids, gallery_pids, ignore, deduplicate, max_rank
Case = tuple[Any, Any, Any, Any, bool, int]


def rank_metrics_by_loop(
    dist: Any, query_pids: Any, gallery_pids: Any, ignore: Any, deduplicate: bool, max_rank: int
) -> tuple[Any, float, float, int] | None:
    """CMC, mAP, mINP and the number of valid queries, entry by entry; None without a valid query."""
    curves, aps, inps = [], [], []
    for q, pid in enumerate(query_pids):
        entries = [
            (float(dist[q][g]), g) for g in range(len(gallery_pids)) if not (ignore is not None and ignore[q][g])
        ]
        ranking = [gallery_pids[g] for _, g in sorted(entries)]
        hits = [rank for rank, other in enumerate(ranking, start=1) if other == pid]
        if not hits:
            continue
        aps.append(sum(i / rank for i, rank in enumerate(hits, start=1)) / len(hits))
        inps.append(len(hits) / hits[-1])
        shown = []
        for other in ranking:
            if not (deduplicate and other in shown):
                shown.append(other)
        curves.append([1.0 if pid in shown[:k] else 0.0 for k in range(1, max_rank + 1)])
    if not aps:
        return None
    return np.mean(curves, axis=0), math.fsum(aps) / len(aps), math.fsum(inps) / len(inps), len(aps)


@st.composite
def cases(draw: st.DrawFn, distances: st.SearchStrategy[float]) -> Case:
    queries, gallery = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    pids = st.integers(0, 4)
    dist = draw(
        hnp.arrays(draw(st.sampled_from([np.float16, np.float32, np.float64])), (queries, gallery), elements=distances)
    )
    ignore = draw(st.none() | hnp.arrays(np.bool_, (queries, gallery)))
    query_pids, gallery_pids = (
        draw(hnp.arrays(np.int64, queries, elements=pids)),
        draw(hnp.arrays(np.int64, gallery, elements=pids)),
    )
    return dist, query_pids, gallery_pids, ignore, draw(st.booleans()), draw(st.integers(1, 15))


# Few values, so that most rows have ties, infinite distances and signed zeros among them.
TIED = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0, math.inf])


@pytest.mark.parametrize("block_entries", [1, 30, 2**20])
@given(case=cases(TIED) | cases(st.floats(-2, 2, width=16)))
@settings(max_examples=150, deadline=None)
def test_agrees_with_a_loop(block_entries: int, case: Case) -> None:
    dist, query_pids, gallery_pids, ignore, deduplicate, max_rank = case
    expected = rank_metrics_by_loop(*case)
    options = {"ignore": ignore, "deduplicate": deduplicate, "max_rank": max_rank}
    with mock.patch.object(metrics, "_BLOCK_ENTRIES", block_entries):
        if expected is None:
            with pytest.raises(UserError, match="no query has a match"):
                rank_metrics(dist, query_pids, gallery_pids, **options)
            return
        result = rank_metrics(dist, query_pids, gallery_pids, **options)
    cmc, mean_ap, mean_inp, valid = expected
    assert result.cmc.dtype == np.float64 and result.cmc.shape == (max_rank,)
    np.testing.assert_allclose(result.cmc, cmc, rtol=0, atol=1e-12)
    assert result.mAP == pytest.approx(mean_ap, rel=0, abs=1e-12)
    assert result.mINP == pytest.approx(mean_inp, rel=0, abs=1e-12)
    assert result.num_valid_queries == valid


def test_agrees_with_a_loop_at_a_real_size() -> None:
    rng = np.random.default_rng(3)
    dist = rng.standard_normal((40, 700), dtype=np.float32).round(2)  # about 600 values: ties in every row
    query_pids, gallery_pids = rng.integers(0, 30, 40), rng.integers(0, 30, 700)
    ignore = rng.random((40, 700)) < 0.2
    cmc, mean_ap, mean_inp, _ = rank_metrics_by_loop(dist, query_pids, gallery_pids, ignore, True, 20)
    result = rank_metrics(dist, query_pids, gallery_pids, ignore=ignore, deduplicate=True)
    np.testing.assert_allclose(result.cmc, cmc, rtol=0, atol=1e-12)
    assert (result.mAP, result.mINP) == pytest.approx((mean_ap, mean_inp), rel=0, abs=1e-12)


@pytest.mark.parametrize("threads", [1, 3])
def test_queries_keep_their_order_over_blocks_and_threads(threads: int) -> None:
    rng = np.random.default_rng(5)
    dist, query_pids, gallery_pids = rng.random((50, 20)), rng.integers(0, 6, 50), rng.integers(0, 5, 20)
    gallery = Gallery.build(np.arange(20), gallery_pids, ignore=None, deduplicate=False)
    with (
        mock.patch.object(metrics, "_BLOCK_ENTRIES", 60),
        mock.patch.object(torch, "get_num_threads", lambda: threads),
    ):
        scores = score_queries(dist, query_pids, [gallery])[0]
    for q in range(50):
        expected = rank_metrics_by_loop(dist[[q]], query_pids[[q]], gallery_pids, None, False, 20)
        assert scores.valid[q] == (expected is not None)
        if expected is not None:
            assert scores.ap[q] == pytest.approx(expected[1], rel=0, abs=1e-12)


def test_deduplicated_and_plain_cmc_by_hand() -> None:
    # Query 7. Nearest first: 5, 5, 7, 5, 8, 7. Plain: first match at rank 3. De-duplicated: 5, 7, 8, so rank 2.
    # Matches at ranks 3 and 6 either way: AP = (1/3 + 2/6) / 2 = 1/3, INP = 2/6.
    dist, pids = [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]], [5, 5, 7, 5, 8, 7]
    plain = rank_metrics(np.array(dist), [7], pids, max_rank=4)
    unique = rank_metrics(np.array(dist), [7], pids, deduplicate=True, max_rank=4)
    assert plain.cmc.tolist() == [0, 0, 1, 1]
    assert unique.cmc.tolist() == [0, 1, 1, 1]
    assert plain.mAP == unique.mAP == pytest.approx(1 / 3)
    assert plain.mINP == unique.mINP == pytest.approx(2 / 6)


def test_ignored_entries_do_not_exist() -> None:
    # Without the rule: 1, 2, 1, 3, with matches of query 1 at ranks 1 and 3. Ignoring the first entry leaves 2, 1, 3:
    # the match is at rank 2, AP = INP = 1/2.
    ignore = np.array([[True, False, False, False]])
    result = rank_metrics(np.array([[0.1, 0.2, 0.3, 0.4]]), [1], [1, 2, 1, 3], ignore=ignore, max_rank=3)
    assert result.cmc.tolist() == [0, 1, 1]
    assert (result.mAP, result.mINP) == (0.5, 0.5)


def test_ties_rank_in_gallery_order() -> None:
    # All equal: the gallery order 2, 1, 2, 1 is the ranking; query 1 has ranks 2 and 4, AP = (1/2 + 2/4) / 2.
    result = rank_metrics(np.zeros((1, 4), np.float32), [1], [2, 1, 2, 1], max_rank=2)
    assert result.cmc.tolist() == [0, 1]
    assert (result.mAP, result.mINP) == (0.5, 0.5)


def test_query_without_a_match_is_left_out() -> None:
    # Query 9 is nobody's; query 3 has its only match ignored; query 1 finds its match second of two.
    dist, ignore = np.array([[0.2, 0.1], [0.1, 0.2], [0.2, 0.1]]), np.array([[0, 0], [0, 0], [0, 1]], bool)
    result = rank_metrics(dist, [1, 9, 3], [1, 3], ignore=ignore, max_rank=2)
    assert result.num_valid_queries == 1
    assert result.cmc.tolist() == [0, 1]
    assert (result.mAP, result.mINP) == (0.5, 0.5)


def test_curve_stays_at_its_last_value_beyond_the_gallery() -> None:
    # Two gallery images: query 1 hits at rank 1, query 2 at rank 2, and nothing can change after that.
    result = rank_metrics(np.array([[0.1, 0.2], [0.1, 0.2]]), [1, 2], [1, 2])
    assert result.cmc.tolist() == [0.5] + [1.0] * 19


def test_scores_of_each_query() -> None:
    dist = np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.1, 0.2, 0.3]])
    gallery = Gallery.build(np.arange(3), np.array([4, 4, 5]), ignore=None, deduplicate=True)
    scores = score_queries(dist, np.array([5, 4, 6]), [gallery])[0]
    # Query 5 sees 4, 4, 5 (de-duplicated 4, 5); query 4 sees 5, 4, 4; query 6 has no match.
    assert scores.valid.tolist() == [True, True, False]
    assert scores.first_rank.tolist() == [2, 2, 0]
    np.testing.assert_allclose(scores.ap, [1 / 3, (1 / 2 + 2 / 3) / 2, np.nan])
    np.testing.assert_allclose(scores.inp, [1 / 3, 2 / 3, np.nan])


@given(seed=st.integers(0, 2**32 - 1), deduplicate=st.booleans())
@settings(max_examples=40, deadline=None)
def test_invariances(seed: int, deduplicate: bool) -> None:
    rng = np.random.default_rng(seed)
    dist = rng.permuted(np.tile(np.arange(30.0), (8, 1)), axis=1)  # no ties
    query_pids, gallery_pids = rng.integers(0, 6, 8), np.concatenate([np.arange(6), rng.integers(0, 6, 24)])
    ignore = rng.random((8, 30)) < 0.2
    ignore[:, :6] = False
    expected = rank_metrics(dist, query_pids, gallery_pids, ignore=ignore, deduplicate=deduplicate)
    order, names = rng.permutation(30), rng.permutation(100)[:6]
    for changed in (
        rank_metrics(dist[:, order], query_pids, gallery_pids[order], ignore=ignore[:, order], deduplicate=deduplicate),
        rank_metrics(dist * 8 - 3, query_pids, gallery_pids, ignore=ignore, deduplicate=deduplicate),
        rank_metrics(dist, names[query_pids], names[gallery_pids], ignore=ignore, deduplicate=deduplicate),
    ):
        np.testing.assert_allclose(changed.cmc, expected.cmc, rtol=0, atol=1e-12)
        assert (changed.mAP, changed.mINP) == pytest.approx((expected.mAP, expected.mINP), rel=0, abs=1e-12)


def test_perfect_ranking_scores_one() -> None:
    pids = np.repeat(np.arange(5), 4)
    result = rank_metrics((np.arange(5)[:, None] != pids).astype(np.float32), np.arange(5), pids)
    assert (result.cmc == 1).all()
    assert result.mAP == result.mINP == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_torch_input_gives_what_numpy_gives(dtype: torch.dtype) -> None:
    dist = torch.randn(5, 20, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    query_pids, gallery_pids = torch.arange(5), torch.arange(20) % 5
    ignore = torch.zeros(5, 20, dtype=torch.bool)
    ignore[0, 0] = True
    result = rank_metrics(dist, query_pids, gallery_pids, ignore=ignore)
    expected = rank_metrics(
        dist.detach().double().numpy(), query_pids.numpy(), gallery_pids.numpy(), ignore=ignore.numpy()
    )
    assert result.cmc.tolist() == expected.cmc.tolist()
    assert (result.mAP, result.mINP) == (expected.mAP, expected.mINP)


def test_arguments_are_not_changed() -> None:
    dist, ignore = np.random.default_rng(0).random((4, 9), dtype=np.float32), np.eye(4, 9, dtype=bool)
    before = dist.copy()
    rank_metrics(dist, np.arange(4), np.arange(9) % 4, ignore=ignore, deduplicate=True)
    assert (dist == before).all() and (ignore == np.eye(4, 9, dtype=bool)).all()


GOOD = {"dist": np.zeros((2, 3)), "query_pids": [1, 2], "gallery_pids": [1, 2, 3]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dist": np.array([[0, 0, 0], [0, np.nan, 0]])}, "NaN at query 1, gallery 1"),
        ({"dist": np.zeros((2, 3), int)}, "dist holds int64"),
        ({"dist": np.zeros(3)}, r"shape \[3\]"),
        ({"dist": np.zeros((2, 0)), "gallery_pids": []}, r"shape \[2, 0\]"),
        ({"query_pids": [1]}, "query_pids.*give 2 integers"),
        ({"gallery_pids": [1.0, 2.0, 3.0]}, "gallery_pids is float64"),
        ({"ignore": np.zeros((3, 2), bool)}, r"ignore is bool\[3, 2\]; give bool\[2, 3\]"),
        ({"ignore": np.zeros((2, 3))}, "ignore is float64"),
        ({"max_rank": 0}, "max_rank is 0"),
        ({"query_pids": [8, 9]}, "no query has a match"),
        ({"ignore": np.ones((2, 3), bool)}, "no query has a match"),
    ],
)
def test_bad_input_is_named_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        rank_metrics(**{**GOOD, **change})
    assert "\n" not in str(error.value)
