"""Result rows: their keys, their means and spreads over trials, and what leaves them as they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_ext.errors import UserError
from idkl.evaluation import Images, ReRanking, Setting, Trial, evaluate
from idkl.evaluation.bootstrap import identity_interval
from idkl.evaluation.llcm import agw, full
from idkl.evaluation.results import METRICS, ROW_KEYS, Row
from tests.idkl.evaluation import made, naive
from tests.idkl.evaluation.trials import measured, separated, separated_reranked

PATHS = made.llcm_paths(identities=(3, 7, 20))
IMAGES = made.images(PATHS)
SETTINGS = agw(IMAGES, None)
SMALL = ReRanking(k1=5, k2=3)
FEATURES, _ = separated_reranked(PATHS, IMAGES.pids, naive.llcm_agw(PATHS), (5, 3, 0.3))


def figures(rows: list[Row]) -> Any:
    """Metrics and their spread, float [rows, 12]."""
    return np.array([[row[key] for key in METRICS] + [row["std"][key] for key in METRICS] for row in rows])


def test_a_row_has_the_fixed_keys_in_order() -> None:
    for row in evaluate(FEATURES, IMAGES, SETTINGS, SMALL):
        assert tuple(row) == ROW_KEYS
        assert tuple(row["std"]) == METRICS and tuple(row["ci95"]) == ("Rank-1", "mAP")
        assert all(type(row[key]) is float for key in METRICS)
    assert {key: row[key] for key in ROW_KEYS[:7]} == {
        "protocol": "llcm",
        "mode": None,
        "shots": None,
        "direction": "infrared-to-visible",
        "gallery": "agw",
        "rerank": True,
        "trials": 10,
    }


def test_plain_rows_stand_before_reranked_ones_and_do_not_depend_on_them() -> None:
    rows = evaluate(FEATURES, IMAGES, SETTINGS, SMALL)
    assert [row["rerank"] for row in rows] == [False, True, False, True]
    assert rows[::2] == evaluate(FEATURES, IMAGES, SETTINGS)


def test_a_setting_does_not_depend_on_its_neighbours() -> None:
    together = evaluate(FEATURES, IMAGES, SETTINGS + full(IMAGES, None), SMALL)
    alone = [row for setting in SETTINGS + full(IMAGES, None) for row in evaluate(FEATURES, IMAGES, [setting], SMALL)]
    assert together == alone


def test_spread_is_the_population_deviation_over_trials() -> None:
    # One query at 0 degrees. Trial 1: its match is first; trial 2: second of two. Rank-1 is 100 and 0, AP 100 and 50.
    angles = np.deg2rad([0, 1, 2])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    trials = tuple(Trial(np.array([0]), np.array(gallery)) for gallery in ([1], [1, 2]))
    images = Images(["q", "far", "near"], np.array([1, 1, 2]), np.array([3, 1, 1]))
    near_first = Images(["q", "near", "far"], np.array([1, 2, 1]), np.array([3, 1, 1]))
    setting = Setting("made", None, None, None, None, False, None, trials)
    (row,) = evaluate(features, images, [setting])
    assert (row["Rank-1"], row["mAP"], row["std"]["mAP"], row["trials"]) == (100, 100, 0, 2)
    mixed = replace(setting, trials=(Trial(np.array([0]), np.array([2])), Trial(np.array([0]), np.array([1, 2]))))
    (row,) = evaluate(features, near_first, [mixed])
    assert (row["Rank-1"], row["std"]["Rank-1"]) == (50, 50)
    assert (row["mAP"], row["std"]["mAP"]) == (75, 25)
    assert (row["mINP"], row["Rank-5"]) == (75, 100)
    assert row["ci95"] == {"Rank-1": [50, 50], "mAP": [75, 75]}  # one person


def test_intervals_are_over_query_identities() -> None:
    (row,) = evaluate(FEATURES, IMAGES, full(IMAGES, None)[:1])
    (trial,) = full(IMAGES, None)[0].trials
    dist = naive.cosine_distance(FEATURES[trial.query], FEATURES[trial.gallery])
    gallery = IMAGES.pids[trial.gallery].tolist()
    seen = [False] * len(gallery)
    scores = [
        naive.query_scores(d, IMAGES.pids[q], gallery, seen, True) for d, q in zip(dist, trial.query, strict=True)
    ]
    first = np.array([100.0 * (rank == 1) for rank, _, _ in scores])
    pids = [IMAGES.pids[trial.query]]
    assert row["ci95"]["Rank-1"] == pytest.approx([*identity_interval([first], pids)])
    assert row["ci95"]["mAP"] == pytest.approx(
        [*identity_interval([np.array([100 * ap for _, ap, _ in scores])], pids)]
    )


def read_only(features: Any) -> Any:
    features = features.copy()
    features.setflags(write=False)
    return features


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("reranking", [None, SMALL])
@pytest.mark.parametrize(
    "convert",
    [
        torch.from_numpy,
        lambda features: torch.from_numpy(features).double().requires_grad_(),
        lambda features: features.astype(np.float64),
        lambda features: features.astype(">f4"),
        lambda features: np.ascontiguousarray(features[::-1, ::-1])[::-1, ::-1],
        np.asfortranarray,
        np.ndarray.tolist,
        read_only,
    ],
)
def test_features_of_any_kind(convert: Callable[[Any], Any], reranking: ReRanking | None) -> None:
    assert evaluate(convert(FEATURES), IMAGES, SETTINGS, reranking) == evaluate(FEATURES, IMAGES, SETTINGS, reranking)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_lengths_do_not_matter(seed: int) -> None:
    lengths = 2.0 ** np.random.default_rng(seed).integers(-30, 40, (len(PATHS), 1))
    scaled = (FEATURES * lengths).astype(np.float32)
    assert evaluate(scaled, IMAGES, SETTINGS, SMALL) == evaluate(FEATURES, IMAGES, SETTINGS, SMALL)


@given(seed=st.integers(0, 2**32 - 1), factor=st.integers(1, 50), shift=st.integers(-1000, 1000))
@settings(max_examples=15, deadline=None)
def test_order_of_rows_and_numbers_of_identities_do_not_matter(seed: int, factor: int, shift: int) -> None:
    order = np.random.default_rng(seed).permutation(len(PATHS))
    paths = [PATHS[row] for row in order]
    images = Images(paths, shift - factor * IMAGES.pids[order], IMAGES.camids[order])
    mixed = evaluate(FEATURES[order], images, agw(images, None), SMALL)
    expected = evaluate(FEATURES, IMAGES, SETTINGS, SMALL)
    np.testing.assert_allclose(figures(mixed), figures(expected), rtol=0, atol=1e-9)


@given(seed=st.integers(0, 2**32 - 1), identities=st.integers(2, 5), most=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_random_test_sets(seed: int, identities: int, most: int) -> None:
    paths = made.llcm_paths(range(identities), most, seed)
    features = separated(len(paths), 8, seed)
    images = made.images(paths)
    for build, lines in ((agw, naive.llcm_agw(paths)), (full, naive.llcm_full(paths))):
        for row, line in zip(evaluate(features, images, build(images, None)), lines, strict=True):
            mean, std = measured(features, paths, images.pids, line)
            np.testing.assert_allclose(figures([row])[0], [*mean, *std], rtol=0, atol=1e-9)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_perfect_features_score_everything_and_useless_images_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    centres = 10 * np.eye(8)[(IMAGES.pids % 8)]  # identities 3, 7 and 20: three axes
    features = (np.abs(centres) + rng.random((len(PATHS), 8)) * 0.1).astype(np.float32)
    for row in evaluate(features, IMAGES, SETTINGS + full(IMAGES, None), SMALL):
        assert [row[key] for key in METRICS] == pytest.approx([100] * len(METRICS), rel=0, abs=1e-9)
        assert row["ci95"]["mAP"] == pytest.approx([100, 100], rel=0, abs=1e-9)
    # An identity that nobody asks for, opposite to all others: it ranks last, and no metric sees it.
    far = ["test_nir/cam1/0099/a.jpg", "test_nir/cam4/0099/a.jpg"]
    images = made.images([*PATHS, *far])
    features = np.concatenate([FEATURES + 5, -np.ones((2, 8), dtype=np.float32)])
    more, fewer = evaluate(features, images, full(images, None)), evaluate(FEATURES + 5, IMAGES, full(IMAGES, None))
    np.testing.assert_allclose(figures(more[:1]), figures(fewer[:1]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf, 1e-30, 1e30])
def test_bad_feature_rows_are_counted_and_the_first_is_named(value: float) -> None:
    features = FEATURES.copy()
    features[[7, 30]] = value
    with pytest.raises(UserError, match=rf"2 of {len(PATHS)} feature rows .*row 7, {PATHS[7]}\)") as error:
        evaluate(features, IMAGES, SETTINGS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (FEATURES[0], r"features are torch.float32\[8\]"),
        (FEATURES.astype(np.int64), "features are torch.int64"),
        (FEATURES[:-1], rf"pids is int64\[{len(PATHS)}\]; give {len(PATHS) - 1} integers"),
    ],
)
def test_bad_features_are_named(features: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        evaluate(features, IMAGES, SETTINGS)


def test_no_match_and_too_few_images_are_named() -> None:
    images = Images(PATHS, np.arange(len(PATHS)), IMAGES.camids)
    with pytest.raises(UserError, match="no query has a match"):
        evaluate(FEATURES, images, SETTINGS)
    with pytest.raises(UserError, match="k1 500 .* queries and .* gallery images"):
        evaluate(FEATURES, IMAGES, SETTINGS, ReRanking(k1=500))
