"""What a sweep found, drawn as in Fig. 5 of the paper: a metric against the values of one key, with its spread."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datasets_ext.errors import UserError

from .canvas import COLORS, DASHES, MARKERS, in_style, new_figure

SHOWN = ("Rank-1", "mAP")

Summary = list[dict[str, Any]]


@in_style
def sweep_figure(paths: Sequence[Path]) -> Figure:
    """A column a sweep, Rank-1 above and mAP below: the mean over seeds and splits, bars of one standard deviation.

    Args:
        paths: ``sweep_results.json`` files, each of a sweep over one key with numbers; every config, and every value of
            any other key, is a line.

    Raises:
        UserError: a file is missing or something else, or its sweep has no such key.
    """
    summaries = [read_summary(path) for path in paths]
    keys = [swept_key(summary, path) for summary, path in zip(summaries, paths, strict=True)]
    figure = new_figure(3.2 * len(paths) + 0.6, 4.6)
    grid = figure.subplots(len(SHOWN), len(paths), sharex="col", squeeze=False)
    for column, (summary, key) in enumerate(zip(summaries, keys, strict=True)):
        for row, metric in enumerate(SHOWN):
            _draw(grid[row, column], summary, key, metric)
        grid[-1, column].set_xlabel(key.removeprefix("MODEL."))
    for row, metric in enumerate(SHOWN):
        grid[row, 0].set_ylabel(f"{metric} (%)")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    if any(labels):
        figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


def read_summary(path: Path) -> Summary:
    """The rows of a sweep's summary for its first setting (such as all-search, single-shot), not re-ranked.

    Raises:
        UserError: the file is missing or something else.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["summary"]
        first = {key: value for key, value in rows[0].items() if key in ("protocol", "mode", "shots", "direction")}
        return [row for row in rows if row["rerank"] is False and first.items() <= row.items()]
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        raise UserError(f"{path} is no sweep's results: give a sweep_results.json of tools/sweep.py") from None


def swept_key(summary: Summary, path: Path) -> str:
    """The one key whose values are two or more different numbers.

    Raises:
        UserError: there is none, or more than one.
    """
    values = {key: [row["values"][key] for row in summary] for key in summary[0]["values"]}
    keys = [
        key
        for key, found in values.items()
        if all(isinstance(value, int | float) for value in found) and len(set(found)) > 1
    ]
    if len(keys) != 1:
        raise UserError(f"{path} is over {len(keys)} keys with several numbers: to be drawn it must be over one")
    return keys[0]


def _draw(axes: Axes, summary: Summary, key: str, metric: str) -> None:
    lines: dict[str, list[dict[str, Any]]] = {}
    for row in summary:
        others = [str(value) for name, value in row["values"].items() if name != key]
        lines.setdefault(", ".join(others), []).append(row)
    for number, (label, rows) in enumerate(lines.items()):
        rows = sorted(rows, key=lambda row: row["values"][key])
        axes.errorbar(
            [row["values"][key] for row in rows],
            [row[metric] for row in rows],
            [row["std"][metric] for row in rows],
            color=COLORS[number % len(COLORS)],
            linestyle=DASHES[number % len(DASHES)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=4,
            capsize=3,
            linewidth=1.2,
            label=label,
        )
    axes.grid(alpha=0.3)
