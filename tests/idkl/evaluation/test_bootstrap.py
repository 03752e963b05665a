"""Bootstrap intervals against a loop over resamples."""

from __future__ import annotations

import numpy as np
import pytest

from idkl.evaluation import bootstrap
from idkl.evaluation.bootstrap import identity_interval

NAN = np.nan
PIDS = np.array([4, 4, 9, 1, 9, 9, 30, 1])
VALUES = [np.array([0, 1, 1, NAN, 0, 1, 0.5, 0.25]), np.array([1, 1, 0.5, 0, 0, 1, NAN, 0.75])]


def interval_by_loop(values: list[np.ndarray], pids: list[np.ndarray]) -> tuple[float, float]:
    people = sorted({int(pid) for of_trial in pids for pid in of_trial})
    # How often each person is drawn, in each resample: the generator is seeded with 0.
    draws = np.random.default_rng(0).multinomial(len(people), [1 / len(people)] * len(people), 1000)
    means = []
    for counts in draws:
        of_trials = []
        for value, pid in zip(values, pids, strict=True):
            sample = [
                v
                for person, times in zip(people, counts, strict=True)
                for v in value[pid == person].tolist() * times
                if v == v
            ]
            of_trials.append(sum(sample) / len(sample) if sample else NAN)
        mean = sum(of_trials) / len(of_trials)
        if mean == mean:
            means.append(mean)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def test_agrees_with_a_loop() -> None:
    pids = [PIDS, PIDS]
    assert identity_interval(VALUES, pids) == pytest.approx(interval_by_loop(VALUES, pids), rel=0, abs=1e-12)


def test_trials_may_have_other_queries() -> None:
    values, pids = [VALUES[0], VALUES[1][:3]], [PIDS, np.array([9, 50, 4])]
    assert identity_interval(values, pids) == pytest.approx(interval_by_loop(values, pids), rel=0, abs=1e-12)


def test_one_identity_gives_a_point() -> None:
    assert identity_interval([np.array([0.0, 1.0, 0.5])], [np.array([7, 7, 7])]) == (0.5, 0.5)


def test_equal_values_give_a_point() -> None:
    assert identity_interval([np.full(8, 0.25)], [PIDS]) == (0.25, 0.25)


def test_the_same_values_give_the_same_interval_whatever_numpy_drew_before() -> None:
    first = identity_interval(VALUES, [PIDS, PIDS])
    np.random.default_rng().random(3)
    np.random.seed(5)
    assert identity_interval(VALUES, [PIDS, PIDS]) == first


def test_interval_holds_the_mean_and_shrinks_with_more_people() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for people in (20, 2000):
        values, pids = [rng.random(people)], [np.arange(people)]
        low, high = identity_interval(values, pids)
        assert low < values[0].mean() < high
        widths.append(high - low)
    # The standard error of a mean of n uniform values is sqrt(1 / 12 / n).
    assert widths[1] == pytest.approx(2 * 1.96 * np.sqrt(1 / 12 / 2000), rel=0.1)
    assert widths[1] < widths[0] / 5


def test_images_of_one_person_are_no_further_evidence() -> None:
    # Every query five times: the same people, so the same interval.
    values, pids = [np.repeat(VALUES[0], 5)], [np.repeat(PIDS, 5)]
    assert identity_interval(values, pids) == pytest.approx(identity_interval(VALUES[:1], [PIDS]), rel=0, abs=1e-12)


def test_resamples_without_a_query_that_counts_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 50)
    values, pids = [np.array([NAN, NAN, NAN, 0.5])], [np.array([1, 2, 3, 4])]
    assert identity_interval(values, pids) == (0.5, 0.5)
