"""Average query expansion against slow loops and against fast-reid's own."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from fastreid.evaluation.query_expansion import aqe

from datasets_ext.errors import UserError
from idkl.evaluation import QueryExpansion, ReRanking, evaluate, expansion
from idkl.evaluation.llcm import full
from tests.idkl.evaluation import made, naive
from tests.idkl.evaluation.trials import separated

FEATURES = separated(50, 8) * np.random.default_rng(0).uniform(0.5, 2, (50, 1)).astype(np.float32)


def cosine(features: Any, queries: int, parameters: tuple[int, int, float]) -> Any:
    query, gallery = torch.from_numpy(features[:queries]), torch.from_numpy(features[queries:])
    return QueryExpansion(*parameters).cosine(query, gallery).numpy()


@pytest.mark.parametrize("queries", [1, 20, 49])
@pytest.mark.parametrize("parameters", [(1, 5, 3.0), (1, 1, 3.0), (2, 4, 1.0), (3, 50, 0.5), (1, 7, 0.0)])
def test_agrees_with_a_loop(queries: int, parameters: tuple[int, int, float]) -> None:
    found = cosine(FEATURES, queries, parameters)
    features = naive.expanded(FEATURES, *parameters)
    expected = naive.cosine_distance(features[:queries], features[queries:]) - 1
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("times", [1, 2])
def test_is_what_fast_reid_computes(times: int) -> None:
    features = np.abs(FEATURES)  # cosines above 0, of which fast-reid takes powers
    query, gallery = aqe(torch.from_numpy(features[:20]), torch.from_numpy(features[20:]), times, 6, 3.0)
    expected = naive.cosine_distance(query.numpy(), gallery.numpy()) - 1
    np.testing.assert_allclose(cosine(features, 20, (times, 6, 3.0)), expected, rtol=0, atol=2e-6)


def test_one_image_is_no_expansion() -> None:
    expected = naive.cosine_distance(FEATURES[:20], FEATURES[20:]) - 1
    np.testing.assert_allclose(cosine(FEATURES, 20, (1, 1, 3.0)), expected, rtol=0, atol=1e-6)


def test_blocks_change_nothing_and_arguments_stay() -> None:
    query, gallery = torch.from_numpy(FEATURES[:20].copy()), torch.from_numpy(FEATURES[20:].copy())
    whole = QueryExpansion(2, 5).cosine(query, gallery)
    with mock.patch.object(expansion, "_BLOCK_ENTRIES", 200):
        in_blocks = QueryExpansion(2, 5).cosine(query, gallery)
    np.testing.assert_allclose(in_blocks, whole, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(torch.cat([query, gallery]), FEATURES)


def test_rows_stand_behind_the_others() -> None:
    paths = made.llcm_paths()
    images, features = made.images(paths), separated(len(paths), 8)
    rows = evaluate(features, images, full(images, None), ReRanking(5, 3), QueryExpansion(k=4))
    assert [row["rerank"] for row in rows] == [False, True, "aqe"] * 2
    alone = evaluate(features, images, full(images, None), expansion=QueryExpansion(k=4))
    assert [row["rerank"] for row in alone] == [False, "aqe"] * 2
    assert alone == [row for row in rows if row["rerank"] is not True]
    assert alone[0]["mAP"] != alone[1]["mAP"]


@pytest.mark.parametrize("parameters", [(0, 5, 3.0), (1, 0, 3.0), (1, 5, -1.0), (1, 5, float("nan"))])
def test_parameters_out_of_range_are_named(parameters: tuple[int, int, float]) -> None:
    with pytest.raises(UserError, match=f"query expansion {parameters[0]} times with k {parameters[1]}") as error:
        QueryExpansion(*parameters)
    assert "\n" not in str(error.value)


def test_too_few_images_are_named() -> None:
    paths = made.llcm_paths(identities=(3, 7))
    images, features = made.images(paths), separated(len(paths), 8)
    assert len(evaluate(features, images, full(images, None), expansion=QueryExpansion(k=len(paths)))) == 4
    with pytest.raises(UserError, match=f"k {len(paths) + 1} .* queries and .* gallery images"):
        evaluate(features, images, full(images, None), expansion=QueryExpansion(k=len(paths) + 1))
