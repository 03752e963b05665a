"""CMC, mAP and mINP of a distance matrix against hand-worked cases and slow loops."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datasets_ext.errors import UserError
from idkl.evaluation.metrics import average_scores, identity_array, rank_metrics
from idkl.evaluation.ranking import QueryScores
from tests.idkl.evaluation import naive

# dist, query_pids, gallery_pids, ignore, deduplicate, max_rank
Case = tuple[Any, Any, Any, Any, bool, int]


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


@given(case=cases(TIED) | cases(st.floats(-2, 2, width=16)))
@settings(max_examples=300, deadline=None)
def test_agrees_with_a_loop(case: Case) -> None:
    dist, query_pids, gallery_pids, ignore, deduplicate, max_rank = case
    expected = naive.metrics(*case)
    options = {"ignore": ignore, "deduplicate": deduplicate, "max_rank": max_rank}
    if expected is None:
        with pytest.raises(UserError, match="no query has a match"):
            rank_metrics(dist, query_pids, gallery_pids, **options)
        return
    result = rank_metrics(dist, query_pids, gallery_pids, **options)
    cmc, mean_ap, mean_inp, valid = expected
    assert result.cmc.dtype == np.float64 and result.cmc.shape == (max_rank,)
    np.testing.assert_allclose(result.cmc, cmc, rtol=0, atol=1e-12)
    assert (result.mAP, result.mINP) == pytest.approx((mean_ap, mean_inp), rel=0, abs=1e-12)
    assert result.num_valid_queries == valid


def test_agrees_with_a_loop_at_a_real_size() -> None:
    rng = np.random.default_rng(3)
    dist = rng.standard_normal((40, 700), dtype=np.float32).round(2)  # about 600 values: ties in every row
    query_pids, gallery_pids = rng.integers(0, 30, 40), rng.integers(0, 30, 700)
    ignore = rng.random((40, 700)) < 0.2
    cmc, mean_ap, mean_inp, _ = naive.metrics(dist, query_pids, gallery_pids, ignore, True, 20)
    result = rank_metrics(dist, query_pids, gallery_pids, ignore=ignore, deduplicate=True)
    np.testing.assert_allclose(result.cmc, cmc, rtol=0, atol=1e-12)
    assert (result.mAP, result.mINP) == pytest.approx((mean_ap, mean_inp), rel=0, abs=1e-12)


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


def test_mean_of_scores_leaves_out_queries_without_a_match() -> None:
    scores = QueryScores(
        np.array([2, 0, 30]), np.array([0.5, np.nan, 0.25]), np.array([1, np.nan, 0.5]), np.array([True, False, True])
    )
    result = average_scores(scores, max_rank=3)
    assert result.cmc.tolist() == [0, 0.5, 0.5]
    assert (result.mAP, result.mINP, result.num_valid_queries) == (0.375, 0.75, 2)


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


@given(case=cases(TIED) | cases(st.floats(-2, 2, width=16)))
@settings(max_examples=150, deadline=None)
def test_orders_between_metrics(case: Case) -> None:
    dist, query_pids, gallery_pids, ignore, _, max_rank = case
    assume(naive.metrics(*case) is not None)
    options = {"ignore": ignore, "max_rank": max_rank}
    plain = rank_metrics(dist, query_pids, gallery_pids, **options)
    unique = rank_metrics(dist, query_pids, gallery_pids, deduplicate=True, **options)
    assert (unique.cmc >= plain.cmc).all() and unique.cmc[0] == plain.cmc[0]
    assert (np.diff(plain.cmc) >= 0).all() and plain.cmc[-1] <= 1
    # INP may exceed AP: matches at ranks 2 and 3 have AP 7/12 and INP 2/3. But one is perfect only with the other.
    assert 0 < plain.mINP <= 1 and 0 < plain.mAP <= 1 and (plain.mINP == 1) == (plain.mAP == 1)
    assert (unique.mAP, unique.mINP) == (plain.mAP, plain.mINP)


@given(case=cases(TIED), deduplicate=st.booleans())
@settings(max_examples=100, deadline=None)
def test_images_that_rank_last_change_nothing(case: Case, deduplicate: bool) -> None:
    dist, query_pids, gallery_pids, _, _, max_rank = case
    assume(set(query_pids) & set(gallery_pids))
    options: dict[str, Any] = {"deduplicate": deduplicate, "max_rank": max_rank}
    # 99 is nobody's identity; at equal distances a later column ranks behind.
    farther = np.concatenate([dist, np.full((len(dist), 2), np.inf, dist.dtype)], axis=1)
    before = rank_metrics(dist, query_pids, gallery_pids, **options)
    after = rank_metrics(farther, query_pids, np.append(gallery_pids, [99, 99]), **options)
    assert after.cmc.tolist() == before.cmc.tolist()
    assert (after.mAP, after.mINP) == (before.mAP, before.mINP)


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


@pytest.mark.parametrize("deduplicate", [False, True])
def test_any_memory_layout_will_do(deduplicate: bool) -> None:
    dist = np.random.default_rng(1).random((4, 9), dtype=np.float32)
    mirrored = np.ascontiguousarray(dist[::-1, ::-1])[::-1, ::-1]  # negative strides
    frozen = dist.copy()
    frozen.setflags(write=False)
    pids, expected = np.arange(9) % 4, rank_metrics(dist, np.arange(4), np.arange(9) % 4, deduplicate=deduplicate)
    for same in (mirrored, frozen, np.asfortranarray(dist), dist.astype(">f4"), dist.tolist()):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = rank_metrics(same, np.arange(4), pids, deduplicate=deduplicate)
        assert result.cmc.tolist() == expected.cmc.tolist()
        assert (result.mAP, result.mINP) == (expected.mAP, expected.mINP)


def test_identities_of_any_integer_type() -> None:
    for pids in ([3, 1], np.array([3, 1], np.int32), np.array([3, 1], np.uint8), torch.tensor([3, 1])):
        assert identity_array(pids, "pids", 2).tolist() == [3, 1]
        assert identity_array(pids, "pids", 2).dtype == np.int64


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
