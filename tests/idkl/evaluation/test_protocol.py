"""Settings and trials against `rank_metrics` on a distance matrix written out for each trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from datasets_ext.errors import UserError
from idkl.evaluation.metrics import rank_metrics
from idkl.evaluation.protocol import Setting, Trial, evaluate, score_trials
from idkl.evaluation.results import METRICS, ROW_KEYS

PIDS = np.random.default_rng(1).integers(0, 5, 40)
FEATURES = np.random.default_rng(2).standard_normal((40, 8)).astype(np.float32)


def make_setting(queries: Sequence[int], *, seed: int, ignore: bool = False, deduplicate: bool = False) -> Setting:
    rng = np.random.default_rng(seed)
    trials = []
    for _ in range(3):
        gallery = rng.permutation(np.arange(15, 40))[:12]
        keys = (rng.integers(0, 3, len(queries)), rng.integers(0, 3, 12)) if ignore else None
        trials.append(Trial(np.asarray(queries), gallery, keys))
    return Setting("made", None, None, "visible-to-infrared", "sampled", deduplicate, tuple(trials))


SETTINGS = [
    make_setting(range(15), seed=3),
    make_setting(range(15), seed=4, ignore=True, deduplicate=True),
    make_setting(range(5, 12), seed=5, ignore=True),
]


def expected_row(setting: Setting) -> tuple[Any, Any]:
    unit = FEATURES.astype(np.float64) / np.linalg.norm(FEATURES.astype(np.float64), axis=1, keepdims=True)
    values = []
    for trial in setting.trials:
        dist = np.linalg.norm(unit[trial.query][:, None] - unit[trial.gallery][None], axis=2)
        ignore = np.zeros(dist.shape, bool)
        if trial.ignore_keys is not None:
            for q, query_key in enumerate(trial.ignore_keys[0]):
                for g, gallery_key in enumerate(trial.ignore_keys[1]):
                    ignore[q, g] = query_key == gallery_key
        m = rank_metrics(dist, PIDS[trial.query], PIDS[trial.gallery], ignore=ignore, deduplicate=setting.deduplicate)
        values.append([m.cmc[0], m.cmc[4], m.cmc[9], m.cmc[19], m.mAP, m.mINP])
    return 100 * np.mean(values, axis=0), 100 * np.std(values, axis=0)


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, lambda f: f.astype(np.float64)])
def test_rows_are_means_over_trials_in_percent(convert: Callable[[Any], Any]) -> None:
    rows = evaluate(convert(FEATURES), PIDS, SETTINGS)
    assert len(rows) == len(SETTINGS)
    for row, setting in zip(rows, SETTINGS, strict=True):
        mean, std = expected_row(setting)
        np.testing.assert_allclose([row[key] for key in METRICS], mean, rtol=0, atol=1e-9)
        np.testing.assert_allclose([row["std"][key] for key in METRICS], std, rtol=0, atol=1e-9)


def test_row_has_the_fixed_keys() -> None:
    row = evaluate(FEATURES, PIDS, [SETTINGS[1]])[0]
    assert tuple(row) == ROW_KEYS
    assert {key: row[key] for key in ROW_KEYS[:7]} == {
        "protocol": "made",
        "mode": None,
        "shots": None,
        "direction": "visible-to-infrared",
        "gallery": "sampled",
        "rerank": False,
        "trials": 3,
    }


def test_a_setting_does_not_depend_on_its_neighbours() -> None:
    assert evaluate(FEATURES, PIDS, SETTINGS) == [
        row for setting in SETTINGS for row in evaluate(FEATURES, PIDS, [setting])
    ]


def test_length_of_a_feature_does_not_matter() -> None:
    lengths = 2.0 ** np.random.default_rng(0).integers(-20, 20, (40, 1))
    scaled = (FEATURES * lengths).astype(np.float32)
    assert evaluate(scaled, PIDS, SETTINGS) == evaluate(FEATURES, PIDS, SETTINGS)


def test_scores_keep_the_query_order() -> None:
    whole = score_trials(FEATURES, PIDS, SETTINGS[:1])[0][0]
    trial = SETTINGS[0].trials[0]
    for q, row in enumerate(trial.query):
        alone = Setting("made", None, None, None, None, False, (Trial(np.array([row]), trial.gallery),))
        one = score_trials(FEATURES, PIDS, [alone])[0][0]
        assert one.first_rank[0] == whole.first_rank[q]
        np.testing.assert_equal(one.ap[0], whole.ap[q])


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_bad_feature_rows_are_counted_and_the_first_is_named(value: float) -> None:
    features = FEATURES.copy()
    features[[7, 30]] = value
    with pytest.raises(UserError, match=r"2 of 40 feature rows .*row 7, cam1/7\.jpg"):
        evaluate(features, PIDS, SETTINGS, [f"cam1/{i}.jpg" for i in range(40)])
    with pytest.raises(UserError, match=r"row 7\)"):
        evaluate(features, PIDS, SETTINGS)


@pytest.mark.parametrize(
    ("features", "pids", "message"),
    [
        (FEATURES[0], PIDS, r"float32\[8\]"),
        (FEATURES.astype(np.int64), PIDS, "int64"),
        (FEATURES, PIDS[:-1], "give 40 integers"),
        (FEATURES, PIDS + np.arange(40) * 100, "no query has a match"),
    ],
)
def test_bad_arguments_are_named(features: Any, pids: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        evaluate(features, pids, SETTINGS)
