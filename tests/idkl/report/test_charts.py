"""Line charts: round ticks, points within the plot, and what has no course left out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idkl.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, build_charts, nice_ticks
from idkl.report.history import History


def history(**curves: list[float]) -> History:
    return History({name: (10.0 * np.arange(1, len(v) + 1), np.array(v)) for name, v in curves.items()}, None)


@given(st.floats(-1e6, 0), st.floats(1e-6, 1e6))
def test_ticks_are_few_round_and_cover_the_low_end(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 6
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[0], rtol=1e-6, atol=0)
    assert low - steps[0] < ticks[0] <= low + 1e-6 * steps[0] and high - steps[0] < ticks[-1]
    mantissa = steps[0] / 10 ** math.floor(math.log10(steps[0] * (1 + 1e-9)))
    assert min(abs(mantissa - nice) for nice in (1, 2, 2.5, 5)) < 1e-6


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 451, [0, 200, 400]), (0, 0, [0, 0.25]), (-3, 0, [-3, -2, -1, 0]), (0, 0.9, [0, 0.25, 0.5, 0.75])],
)
def test_ticks_of_some_ranges(low: float, high: float, expected: list[float]) -> None:
    assert nice_ticks(low, high) == expected


def test_points_are_where_the_values_are() -> None:
    charts = build_charts([("a", history(total_loss=[4.0, 2.0, 0.0]))])
    ((chart,),) = charts.values()
    (series,) = chart.series
    points = [tuple(map(float, point.split(","))) for point in series.points.split()]
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    third = LEFT + (right - LEFT) / 3
    expected = [(third, TOP), (2 * third - LEFT, (TOP + bottom) / 2), (right, bottom)]
    assert np.allclose(points, expected, atol=0.06)
    assert (series.steps, series.values, chart.last) == ([10, 20, 30], ["4", "2", "0"], 30)
    assert [(tick.label, tick.at) for tick in chart.y_ticks] == [
        (str(value), pytest.approx(bottom - (bottom - TOP) * value / 4, abs=0.06)) for value in range(5)
    ]


def test_runs_share_a_chart_and_what_is_not_finite_or_single_is_left_out() -> None:
    one = history(total_loss=[3.0, math.nan, 1.0], loss_csa=[1.0], lr=[1e-3, 1e-3])
    two = history(total_loss=[9.0, 5.0], loss_other=[1.0, 2.0], cls_accuracy=[0.1, 0.2])
    charts = build_charts([("one", one), ("two", two)])
    titles = [chart.title for group in charts.values() for chart in group]
    assert titles == ["Total loss (21)", "Accuracy, shared classifier", "other", "Learning rate"]
    loss = next(iter(charts.values()))[0]
    assert [(s.run, s.number, s.values) for s in loss.series] == [("one", 0, ["3", "1"]), ("two", 1, ["9", "5"])]
    other = charts["Loss terms, weighted as they enter the total; in brackets the paper's equation"][0]
    assert [(s.run, s.number) for s in other.series] == [("two", 1)]


def test_an_evaluation_before_training_is_the_first_point() -> None:
    curves = {"mAP": (np.array([0.0, 40.0]), np.array([5.0, 60.0]))}
    ((chart,),) = build_charts([("a", History(curves, 1))]).values()
    assert chart.title == "mAP" and chart.series[0].marked and chart.series[0].steps == [0, 40]
