"""Sparse k-reciprocal re-ranking against dense loops from the paper's formulas."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_ext.errors import UserError
from idkl.evaluation import ReRanking, evaluate, neighbours, rerank
from idkl.evaluation.llcm import full
from idkl.evaluation.rerank import Reranker
from tests.idkl.evaluation import made, naive
from tests.idkl.evaluation.trials import separated


def unit(features: Any) -> torch.Tensor:
    return torch.from_numpy(naive.unit(features).astype(np.float32))


def make_reranker(query: Any, pool: Any, parameters: tuple[int, int, float]) -> Reranker:
    return Reranker(ReRanking(*parameters), unit(query), unit(query) @ -unit(pool).T)


def reranked(query: Any, gallery: Any, parameters: tuple[int, int, float]) -> Any:
    return make_reranker(query, gallery, parameters).distances(unit(gallery), np.arange(len(gallery)))


def assert_as_loops(query: Any, gallery: Any, parameters: tuple[int, int, float]) -> None:
    found = reranked(query, gallery, parameters)
    assert found.dtype == np.float32 and found.shape == (len(query), len(gallery))
    np.testing.assert_allclose(found, naive.rerank(query, gallery, *parameters), rtol=0, atol=1e-6)


def clustered(people: int, each: int, seed: int) -> Any:
    """Images of one person lie close together: expansion and query expansion have work to do."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((people, 12))
    return np.repeat(centres, each, axis=0) + 0.4 * rng.standard_normal((people * each, 12))


PARAMETERS = [(20, 6, 0.3), (6, 3, 0.3), (5, 2, 0.5), (7, 1, 0.3), (9, 10, 0.1), (1, 1, 0.3), (2, 2, 0.3), (13, 4, 0.0)]


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("queries", [10, 60])
def test_random_features(parameters: tuple[int, int, float], queries: int) -> None:
    features = separated(80, 8, seed=1)
    assert_as_loops(features[:queries], features[queries:], parameters)


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("each", [3, 8])
def test_clustered_features(parameters: tuple[int, int, float], each: int) -> None:
    features = np.random.default_rng(2).permutation(clustered(10, each, seed=each))
    half = len(features) // 2
    assert_as_loops(features[:half], features[half:], parameters)


@given(
    images=st.integers(8, 40),
    share=st.floats(0, 1),
    k1=st.integers(1, 7),
    k2=st.integers(1, 8),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_random_sizes(images: int, share: float, k1: int, k2: int, seed: int) -> None:
    queries = min(max(1, round(images * share)), images - 1)
    features = separated(images, 8, seed)
    assert_as_loops(features[:queries], features[queries:], (k1, min(k2, k1 + 1), 0.3))


def test_one_query() -> None:
    features = separated(40, 8)
    assert_as_loops(features[:1], features[1:], (6, 3, 0.3))


def test_one_gallery_image() -> None:
    features = separated(40, 8)
    assert_as_loops(features[:-1], features[-1:], (6, 3, 0.3))


def test_one_gallery_image_of_each_identity() -> None:
    features = clustered(12, 4, seed=5)
    first = np.arange(len(features)) % 4 == 0
    assert_as_loops(features[~first], features[first], (8, 3, 0.3))


def test_all_images_are_neighbours() -> None:
    # k1 + 1 is the number of images: everybody is everybody's neighbour.
    features = separated(12, 8)
    assert_as_loops(features[:5], features[5:], (11, 3, 0.3))


def test_arguments_are_not_changed() -> None:
    for queries in (1, 20, 39):
        features = separated(40, 8)
        query, gallery = unit(features[:queries]), unit(features[queries:])
        cosine = query @ -gallery.T
        kept = [query.clone(), gallery.clone(), cosine.clone()]
        Reranker(ReRanking(6, 3), query, cosine).distances(gallery, np.arange(len(gallery)))
        assert all(torch.equal(a, b) for a, b in zip(kept, (query, gallery, cosine), strict=True))


def test_trials_that_share_queries_are_each_trial_alone() -> None:
    features = separated(90, 8, seed=3)
    query, pool = features[:30], features[30:]
    together = make_reranker(query, pool, (8, 3, 0.3))
    rng = np.random.default_rng(0)
    for size in (60, 40, 9, 1):
        columns = np.sort(rng.choice(60, size, replace=False))
        found = together.distances(unit(pool[columns]), columns)
        np.testing.assert_allclose(found, naive.rerank(query, pool[columns], 8, 3, 0.3), rtol=0, atol=1e-6)
        np.testing.assert_array_equal(found, together.distances(unit(pool[columns]), columns))


def test_blocks_change_nothing() -> None:
    features = separated(80, 8, seed=4)
    whole = reranked(features[:30], features[30:], (6, 3, 0.3))
    with mock.patch.object(rerank, "_BLOCK_ENTRIES", 100), mock.patch.object(neighbours, "_BLOCK_ENTRIES", 100):
        in_blocks = reranked(features[:30], features[30:], (6, 3, 0.3))
    np.testing.assert_allclose(in_blocks, whole, rtol=0, atol=1e-6)


def test_weight_1_ranks_as_plain() -> None:
    features = separated(60, 8, seed=6)
    query, gallery = features[:20], features[20:]
    found = reranked(query, gallery, (6, 3, 1.0))
    assert (found.argsort(axis=1) == naive.cosine_distance(query, gallery).argsort(axis=1)).all()
    paths = made.llcm_paths()
    images, features = made.images(paths), separated(len(paths), 8)
    plain, again, *_ = evaluate(features, images, full(images, None), ReRanking(6, 3, 1.0))
    assert {**again, "rerank": False} == plain


def test_copies_of_images() -> None:
    # Every image twice, once among the queries and once in the gallery: a query's own copy is nearest.
    features = separated(30, 8, seed=7)
    assert (reranked(features, features, (5, 2, 0.3)).argmin(axis=1) == np.arange(30)).all()
    # Every gallery image twice: copies are equally far.
    gallery = np.repeat(features[10:], 2, axis=0)
    found = reranked(features[:10], gallery, (7, 3, 0.3))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, ::2], found[:, 1::2], rtol=0, atol=1e-6)


@pytest.mark.parametrize("queries", [1, 5, 30])
def test_more_copies_than_neighbours(queries: int) -> None:
    # 60 copies of one image and a far one: an image is its own neighbour whatever else is as near.
    features = np.tile(separated(2, 8)[:1], (60, 1))
    features[-1] *= -1
    found = reranked(features[:queries], features[queries:], (5, 3, 0.3))
    assert np.isfinite(found).all()
    assert (found[:, :-1].max(axis=1) < found[:, -1]).all()


def test_all_images_are_one() -> None:
    features = np.tile(separated(1, 8), (40, 1))
    assert np.isfinite(reranked(features[:10], features[10:], (5, 3, 0.3))).all()


@pytest.mark.parametrize(
    "parameters", [(0, 1, 0.3), (-1, 1, 0.3), (5, 0, 0.3), (5, 7, 0.3), (5, 3, -0.1), (5, 3, 1.1), (5, 3, float("nan"))]
)
def test_parameters_out_of_range_are_named(parameters: tuple[int, int, float]) -> None:
    with pytest.raises(UserError, match=f"re-ranking with k1 {parameters[0]}, k2 {parameters[1]}, lambda") as error:
        ReRanking(*parameters)
    assert "\n" not in str(error.value)


def test_too_few_images_are_named() -> None:
    paths = made.llcm_paths(identities=(3, 7))
    images, features = made.images(paths), separated(len(made.llcm_paths(identities=(3, 7))), 8)
    assert len(evaluate(features, images, full(images, None), ReRanking(k1=len(paths) - 1))) == 4
    sides = [sum(path.startswith(side) for path in paths) for side in ("test_vis", "test_nir")]
    with pytest.raises(UserError, match=f"{sides[0]} queries and {sides[1]} gallery images") as error:
        evaluate(features, images, full(images, None), ReRanking(k1=len(paths)))
    assert f"k1 {len(paths)}" in str(error.value) and "\n" not in str(error.value)
