"""What a sweep found: means and standard deviations over its runs, and every run's own values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from datasets_ext.files import write_atomically

from ..evaluation.results import (
    LABELS,
    METRICS,
    RESULTS,
    Row,
    label_text,
    read_results,
    shared_labels,
    varying_labels,
)
from .sweep_plan import Run, Sweep, short_names

SWEEP_RESULTS = "sweep_results.json"
# Repetitions of one experiment: the summary is over them, and a group of its own for every value of another key.
AVERAGED = ("SEED", "DATASETS.SPLIT")

Results = Sequence[tuple[Run, list[Row]]]


def read_runs(runs: Sequence[Run]) -> list[tuple[Run, list[Row]]]:
    """Finished runs, each with the rows of its ``results.json``."""
    return [(run, read_results(run.folder / RESULTS)) for run in runs]


def summarize(results: Results, keys: Sequence[str]) -> list[Row]:
    """Mean and standard deviation over the runs that differ in :data:`AVERAGED` keys only, a row a setting.

    Args:
        results: of :func:`read_runs`.
        keys: the swept keys.

    Returns:
        Rows with "values" (those of the other keys), every label, each metric's mean, "std" (population, over the
        runs' means: what the spread over trials within a run was is in the runs' own rows) and "runs", their number.
    """
    grouping = [key for key in keys if key not in AVERAGED]
    groups: dict[str, tuple[dict[str, Any], list[Row]]] = {}
    for run, rows in results:
        values = {key: run.values[key] for key in grouping}
        for row in rows:
            setting = json.dumps([values, [row[label] for label in LABELS]])
            groups.setdefault(setting, (values, []))[1].append(row)
    return [_summary(values, rows) for values, rows in groups.values()]


def write_sweep_results(sweep: Sweep, results: Results, summary: Sequence[Row], paired: Sequence[Row]) -> Path:
    """Write ``sweep_results.json`` into the sweep's folder: the keys, every run's rows, the summary and the paired
    differences of :func:`.sweep_differences.differences`."""
    runs = [{"values": run.values, "folder": run.folder.name, "rows": rows} for run, rows in results]
    content = {
        "keys": sweep.keys,
        "planned_runs": len(sweep.runs),
        "runs": runs,
        "summary": list(summary),
        "differences": list(paired),
    }
    path = sweep.folder / SWEEP_RESULTS
    write_atomically(path, lambda file: file.write((json.dumps(content, indent=2) + "\n").encode()))
    return path


def format_sweep(results: Results, summary: Sequence[Row]) -> str:
    """The summary as a text table, in percent, and below it, where runs were averaged, each run's own values."""
    table, shared = format_means(summary, "runs"), shared_labels(summary)
    if all(row["runs"] == 1 for row in summary):
        return f"{shared} (percent, one run each)\n\n{table}"
    own = [(run.values, row, [f"{row[metric]:.2f}" for metric in METRICS]) for run, rows in results for row in rows]
    caption = f"{shared} (percent, mean±population standard deviation over runs)"
    return f"{caption}\n\n{table}\n\nEach run\n\n{_table(own, list(METRICS))}"


def format_means(rows: Sequence[Row], counted: str) -> str:
    """Rows with "values", labels, metrics, "std" and their number, which ``counted`` names, as a text table."""
    lines = [
        (row["values"], row, [str(row[counted]), *(_cell(row, metric, row[counted]) for metric in METRICS)])
        for row in rows
    ]
    return _table(lines, [counted, *METRICS])


def _summary(values: dict[str, Any], rows: list[Row]) -> Row:
    numbers = {metric: np.array([row[metric] for row in rows], dtype=np.float64) for metric in METRICS}
    return {
        "values": values,
        **{label: rows[0][label] for label in LABELS},
        **{metric: float(column.mean()) for metric, column in numbers.items()},
        "std": {metric: float(column.std()) for metric, column in numbers.items()},
        "runs": len(rows),
    }


def _table(lines: Sequence[tuple[dict[str, Any], Row, list[str]]], columns: list[str]) -> str:
    """Values of the swept keys, the labels that vary, and ``columns``."""
    varying = varying_labels([row for _, row, _ in lines])
    short = short_names(list(lines[0][0]))
    body = [
        [*map(str, values.values()), *(label_text(key, row[key]) for key in varying), *cells]
        for values, row, cells in lines
    ]
    alignment = ["left"] * (len(short) + len(varying)) + ["right"] * len(columns)
    return tabulate(body, [*short.values(), *varying, *columns], disable_numparse=True, colalign=alignment)


def _cell(row: Row, metric: str, number: int) -> str:
    return f"{row[metric]:.2f}±{row['std'][metric]:.2f}" if number > 1 else f"{row[metric]:.2f}"
