"""Result rows as lines: plain and re-ranked side by side, and what tells lines apart."""

from __future__ import annotations

from typing import Any

import pytest

from idkl.evaluation.results import METRICS
from idkl.report.tables import Figure, build_lines, methods_of, order_lines


def row(shots: int | None, rerank: bool | str, value: float, **labels: Any) -> dict[str, Any]:
    fixed = {"protocol": "sysu", "mode": "all", "direction": "infrared-to-visible", "gallery": "official", "trials": 10}
    interval = [value - 1, value + 1]
    spread = {"std": dict.fromkeys(METRICS, 0.5), "ci95": {"Rank-1": interval, "mAP": interval}}
    return {**fixed, "shots": shots, "rerank": rerank, **dict.fromkeys(METRICS, value), **spread, **labels}


def test_a_line_has_the_figures_of_every_method() -> None:
    lines = build_lines("run", "last", [row(1, False, 10), row(1, True, 20), row(1, "aqe", 30), row(10, False, 40)])
    assert [line.setting for line in lines] == ["all-search, single-shot", "all-search, multi-shot"]
    assert methods_of(lines) == ["plain", "re-ranked", "query expansion"]
    assert lines[0].figures["re-ranked"]["mAP"] == Figure(20, 0.5, (19, 21))
    assert lines[0].figures["query expansion"]["mINP"] == Figure(30, 0.5, None)
    assert list(lines[1].figures) == ["plain"]


def test_one_trial_has_no_spread_and_a_direction_is_named() -> None:
    labels = {"mode": None, "direction": "visible-to-infrared", "gallery": None, "trials": 1}
    (line,) = build_lines("run", "last", [row(None, False, 10, **labels)])
    assert line.setting == "visible to infrared" and line.figures["plain"]["Rank-1"].std is None


@pytest.mark.parametrize(("label", "value"), [("gallery", "agw"), ("trials", 1), ("protocol", "other")])
def test_what_differs_between_lines_is_in_their_names(label: str, value: Any) -> None:
    one = build_lines("one", "last", [row(1, False, 10), row(10, False, 20)])
    two = build_lines("two", "last", [row(1, False, 30), row(10, False, 40)])
    other = build_lines("other", "last", [row(1, False, 50, **{label: value})])
    alike = [(line.run, line.setting) for line in order_lines([*one, *two])]
    assert alike == [(run, f"all-search, {shots}-shot") for shots in ("single", "multi") for run in ("one", "two")]
    named = [(line.run, line.setting) for line in order_lines([*one, *other])]
    assert [run for run, _ in named] == ["one", "one", "other"]
    assert named[0][1] == f"all-search, single-shot, {label} {one[0].labels[label]}"
    assert named[2][1] == f"all-search, single-shot, {label} {value}"
