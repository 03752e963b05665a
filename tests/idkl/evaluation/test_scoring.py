"""Features to scores: trials that share queries, blocks of rows, and distances of unit features."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from datasets_ext.errors import UserError
from idkl.evaluation import ReRanking, Setting, Trial
from idkl.evaluation.feature_set import FeatureSet
from idkl.evaluation.ranking import QueryScores
from idkl.evaluation.scoring import score_settings, share_queries
from tests.idkl.evaluation import naive
from tests.idkl.evaluation.trials import separated

N = 40
PIDS = np.random.default_rng(1).integers(0, 5, N)
FEATURES = separated(N, 8)
KEYS = np.random.default_rng(2).integers(0, 3, N), np.random.default_rng(3).integers(0, 3, N)
SMALL = ReRanking(5, 3)


def make_setting(queries: Any, galleries: Any, *, ignore: Any = None, deduplicate: bool = False) -> Setting:
    trials = tuple(
        Trial(np.asarray(query), np.asarray(gallery)) for query, gallery in zip(queries, galleries, strict=True)
    )
    return Setting("made", None, None, None, None, deduplicate, ignore, trials)


def random_galleries(count: int, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.permutation(np.arange(15, N))[:12] for _ in range(count)]


SETTINGS = [
    make_setting([np.arange(15)] * 3, random_galleries(3, 0)),
    make_setting([np.arange(15)] * 3, random_galleries(3, 1), ignore=KEYS, deduplicate=True),
    make_setting([np.arange(5, 12)] * 3, random_galleries(3, 2), ignore=KEYS),
    make_setting([np.arange(15)] * 2, random_galleries(2, 3), deduplicate=True),
]


def feature_set(features: Any = FEATURES) -> FeatureSet:
    return FeatureSet(features, PIDS, [f"{row}.jpg" for row in range(len(PIDS))])


def plain(settings: list[Setting], features: Any = FEATURES) -> list[list[QueryScores]]:
    return [kinds[0] for kinds in score_settings(feature_set(features), settings)]


def assert_equal(one: QueryScores, other: QueryScores) -> None:
    for name in ("first_rank", "ap", "inp", "valid"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)


def assert_as_loops(scores: QueryScores, setting: Setting, trial: Trial, features: Any = FEATURES) -> None:
    gallery = np.sort(trial.gallery)
    dist = naive.cosine_distance(features[trial.query], features[gallery])
    assert len(scores.valid) == len(trial.query)
    for i, q in enumerate(trial.query):
        hidden = [setting.ignore is not None and setting.ignore[0][q] == setting.ignore[1][g] for g in gallery]
        expected = naive.query_scores(dist[i], PIDS[q], PIDS[gallery].tolist(), hidden, setting.deduplicate)
        assert scores.valid[i] == (expected is not None)
        first, precision, inp = expected or (0, np.nan, np.nan)
        assert scores.first_rank[i] == first
        assert (scores.ap[i], scores.inp[i]) == pytest.approx((precision, inp), rel=0, abs=1e-12, nan_ok=True)


def test_every_trial_is_what_loops_give() -> None:
    for setting, scores in zip(SETTINGS, plain(SETTINGS), strict=True):
        for trial, of_trial in zip(setting.trials, scores, strict=True):
            assert_as_loops(of_trial, setting, trial)


def test_trials_with_other_queries_keep_their_order() -> None:
    queries = [np.arange(15), np.arange(4, 9), np.arange(15), np.array([9, 2]), np.arange(4, 9)]
    setting = make_setting(queries, random_galleries(5, 4))
    for trial, of_trial in zip(setting.trials, plain([setting])[0], strict=True):
        assert_as_loops(of_trial, setting, trial)


def test_settings_together_are_each_setting_alone() -> None:
    together = score_settings(feature_set(), SETTINGS, [SMALL])
    for setting, kinds in zip(SETTINGS, together, strict=True):
        (alone,) = score_settings(feature_set(), [setting], [SMALL])
        assert len(kinds) == len(alone) == 2  # plain and re-ranked
        for one, other in zip(kinds, alone, strict=True):
            for a, b in zip(one, other, strict=True):
                assert_equal(a, b)


def test_a_method_does_not_change_the_plain_scores() -> None:
    for kinds, without in zip(score_settings(feature_set(), SETTINGS, [SMALL, SMALL]), plain(SETTINGS), strict=True):
        for a, b in zip(kinds[0], without, strict=True):
            assert_equal(a, b)
        for a, b in zip(kinds[1], kinds[2], strict=True):
            assert_equal(a, b)


def test_order_within_a_gallery_does_not_matter() -> None:
    tied = np.random.default_rng(0).choice(np.float32([-1, 1]), (N, 4))  # many ties; they rank in row order
    mixed = [
        replace(s, trials=tuple(Trial(t.query, np.random.default_rng(9).permutation(t.gallery)) for t in s.trials))
        for s in SETTINGS
    ]
    scores = (score_settings(feature_set(tied), settings, [SMALL]) for settings in (SETTINGS, mixed))
    for one, other in zip(*scores, strict=True):
        for kind, same_kind in zip(one, other, strict=True):
            for a, b in zip(kind, same_kind, strict=True):
                assert_equal(a, b)
    assert_as_loops(plain(mixed, tied)[0][0], mixed[0], mixed[0].trials[0], tied)


def test_scores_keep_the_order_of_the_queries() -> None:
    order = np.random.default_rng(0).permutation(15)
    (whole,), (mixed,) = (plain([make_setting([q], random_galleries(1, 5))])[0] for q in (np.arange(15), order))
    np.testing.assert_array_equal(mixed.ap, whole.ap[order])
    np.testing.assert_array_equal(mixed.first_rank, whole.first_rank[order])


def test_trials_share_what_has_the_same_queries_and_rules() -> None:
    groups = [list(group.members) for group in share_queries(SETTINGS)]
    assert groups == [[(0, 0), (0, 1), (0, 2)], [(1, 0), (1, 1), (1, 2)], [(2, 0), (2, 1), (2, 2)], [(3, 0), (3, 1)]]
    copied = replace(SETTINGS[1], ignore=(KEYS[0].copy(), KEYS[1].copy()))  # the same rule in another place
    assert [len(group.members) for group in share_queries([SETTINGS[1], copied])] == [6]
    swapped = replace(SETTINGS[1], ignore=KEYS[::-1])
    assert [len(group.members) for group in share_queries([SETTINGS[1], swapped])] == [3, 3]


@pytest.mark.parametrize("galleries", [[[20, 22, 21]], [[16, 39]], [[15], [39, 38]]])
def test_galleries_in_one_run_of_rows_and_scattered(galleries: Any) -> None:
    setting = make_setting([np.arange(15)] * len(galleries), galleries)
    for trial, of_trial in zip(setting.trials, plain([setting])[0], strict=True):
        assert_as_loops(of_trial, setting, trial)


def test_distances_are_minus_the_cosine() -> None:
    query, pool = np.array([3, 1, 2]), np.array([10, 11, 12, 30])
    found = feature_set(FEATURES * 7).distances(query, pool)
    assert found.dtype == torch.float32
    expected = naive.cosine_distance(FEATURES[query], FEATURES[pool]) - 1
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-6)
    unit = feature_set(FEATURES * 7).unit(query).numpy()
    np.testing.assert_allclose(unit, naive.unit(FEATURES[query]), rtol=0, atol=1e-6)


def test_features_are_not_copied_or_changed() -> None:
    features = FEATURES.copy()
    known = feature_set(features)
    assert known.values.data_ptr() == features.ctypes.data
    score_settings(known, SETTINGS, [SMALL])
    np.testing.assert_array_equal(features, FEATURES)


@pytest.mark.parametrize("length", [1e-11, 1.0, 1e14])
def test_any_usual_length_is_kept_apart(length: float) -> None:
    scaled = (FEATURES * length / np.linalg.norm(FEATURES, axis=1, keepdims=True)).astype(np.float32)
    for setting, scores in zip(SETTINGS, plain(SETTINGS, scaled), strict=True):
        for trial, of_trial in zip(setting.trials, scores, strict=True):
            assert_as_loops(of_trial, setting, trial)


@pytest.mark.parametrize("value", [0, np.nan, np.inf, 1e-20, 1e20])
def test_rows_that_cannot_be_compared_are_named(value: float) -> None:
    features = FEATURES.copy()
    features[[3, 9, 31]] = value
    with pytest.raises(UserError, match=r"^3 of 40 feature rows are .* \(first: row 3, 3\.jpg\); "):
        feature_set(features)


def test_a_method_that_takes_more_images_than_a_trial_has_is_refused() -> None:
    settings = [SETTINGS[0], make_setting([np.arange(3)], [[20, 21]])]
    assert len(score_settings(feature_set(), settings, [ReRanking(4, 2)])) == 2
    with pytest.raises(UserError, match=r"k1 5 .* 3 queries and 2 gallery images"):
        score_settings(feature_set(), settings, [SMALL])
