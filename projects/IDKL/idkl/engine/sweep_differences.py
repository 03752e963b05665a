"""Paired differences: what a setting of a sweep changes, seed by seed and split by split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..evaluation.results import LABELS, METRICS, Row
from .sweep_plan import Run
from .sweep_summary import AVERAGED, Results, format_means


def differences(results: Results, keys: Sequence[str]) -> list[Row]:
    """Every group's difference from the first group, over the pairs of runs that share seed and split.

    Two runs with the same seed start from the same weights and draw the same images, so that their difference has less
    spread than the difference of two means.

    Args:
        results: of :func:`.sweep_summary.read_runs`; the first run's group is the reference.
        keys: the swept keys.

    Returns:
        Rows with "values" (of the keys that are not averaged over), "reference" (the same of the first group), every
        label, each metric's mean difference in points, "std" (population, over pairs) and "pairs", their number;
        none for the first group itself, and none for a setting that has no pair.
    """
    grouping = [key for key in keys if key not in AVERAGED]
    first = _group(results[0][0], grouping)
    reference = {_pair(run, row): row for run, rows in results if _group(run, grouping) == first for row in rows}
    pairs: dict[str, tuple[dict[str, Any], list[tuple[Row, Row]]]] = {}
    for run, rows in results:
        values = _group(run, grouping)
        for row in rows:
            if values != first and (other := reference.get(_pair(run, row))) is not None:
                setting = json.dumps([values, [row[label] for label in LABELS]])
                pairs.setdefault(setting, (values, []))[1].append((row, other))
    return [_difference(values, first, found) for values, found in pairs.values()]


def format_differences(rows: Sequence[Row]) -> str:
    """The differences as a text table, in points."""
    reference = ", ".join(f"{key} {value}" for key, value in rows[0]["reference"].items())
    spread = "; mean±population standard deviation over pairs" if any(row["pairs"] > 1 for row in rows) else ""
    return f"Differences from {reference} (points, paired by seed and split{spread})\n\n{format_means(rows, 'pairs')}"


def _group(run: Run, grouping: Sequence[str]) -> dict[str, Any]:
    return {key: run.values[key] for key in grouping}


def _pair(run: Run, row: Row) -> str:
    """What two rows must share to be compared: seed, split and setting."""
    return json.dumps([[run.values.get(key) for key in AVERAGED], [row[label] for label in LABELS]])


def _difference(values: dict[str, Any], reference: dict[str, Any], pairs: Sequence[tuple[Row, Row]]) -> Row:
    change = {metric: np.array([row[metric] - other[metric] for row, other in pairs]) for metric in METRICS}
    return {
        "values": values,
        "reference": reference,
        **{label: pairs[0][0][label] for label in LABELS},
        **{metric: float(column.mean()) for metric, column in change.items()},
        "std": {metric: float(column.std()) for metric, column in change.items()},
        "pairs": len(pairs),
    }
