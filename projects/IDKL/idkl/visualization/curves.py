"""Training curves of one or several runs, from their ``metrics.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from datasets_ext.errors import UserError

from ..evaluation.ranking import FloatArray
from .canvas import COLORS, DASHES, MARKERS, in_style, new_figure

METRICS_FILE = "metrics.json"  # of a run folder
EVALUATION = ("Rank-1", "mAP", "mINP")  # of the protocol's first setting, plain
_COLUMNS = 5

# Steps done, and the value there: float64 [n] each, steps ascending.
Curve = tuple[FloatArray, FloatArray]


def read_curves(run: Path) -> dict[str, Curve]:
    """Every quantity of a run's ``metrics.json`` by its name there.

    An evaluation before the first step is the first point of its metric. Where a resumed run wrote a step again, the
    later value counts.

    Args:
        run: the run folder, or the file itself.

    Raises:
        UserError: the file is missing, empty or something else.
    """
    path = run / METRICS_FILE if run.is_dir() else run
    if not path.is_file():
        raise UserError(f"{path} is missing: give a run folder, in which training writes {METRICS_FILE}")
    points: dict[str, dict[float, float]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            values = json.loads(line)
            step = float(values.pop("iteration")) + 1
            for name, value in values.items():
                before = name.startswith("untrained/")
                points.setdefault(name.removeprefix("untrained/"), {})[0.0 if before else step] = float(value)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise UserError(f"{path} line {number} is no line of a training's metrics: give a run folder") from None
    if not points:
        raise UserError(f"{path} is empty: the run has not come to its first {METRICS_FILE} line yet")
    ordered = {name: np.array(sorted(values.items())) for name, values in points.items()}
    return {name: (values[:, 0], values[:, 1]) for name, values in ordered.items()}


@in_style
def curve_figure(runs: Sequence[Path]) -> Figure:
    """A panel a quantity, a line a run: the losses, accuracies of the classifiers, learning rate, test metrics.

    Losses are weighted as in the total; all values are medians of the last 20 steps, as training writes them.

    Args:
        runs: run folders, one or more.

    Raises:
        UserError: as for :func:`read_curves`.
    """
    found = {_name(run, runs): read_curves(run) for run in runs}
    quantities = _quantities(name for curves in found.values() for name in curves)
    rows = -(-len(quantities) // _COLUMNS)
    figure = new_figure(2.5 * _COLUMNS, 1.75 * rows + 0.5)
    grid = figure.subplots(rows, _COLUMNS, sharex=True, squeeze=False).ravel()
    for axes, quantity in zip(grid, quantities, strict=False):
        _draw(axes, quantity, found)
    for axes in grid[len(quantities) :]:
        axes.set_visible(False)
    for axes in grid[max(len(quantities) - _COLUMNS, 0) : len(quantities)]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel("training step", size=9)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
    return figure


def _name(run: Path, runs: Sequence[Path]) -> str:
    """The folder's name, with its parent's where another run's is the same."""
    path = run.resolve() if run.is_dir() else run.resolve().parent
    alike = [other for other in runs if other.resolve().name == path.name]
    return path.name if len(alike) < 2 else f"{path.parent.name}/{path.name}"


def _quantities(names: Iterable[str]) -> list[str]:
    """What is drawn, in the order of the panels: the total, its terms, accuracies, learning rate, test metrics."""
    known = dict.fromkeys(names)
    terms = sorted(name for name in known if name.startswith("loss_"))
    accuracies = sorted(name for name in known if name.endswith("_accuracy") or name.startswith("cls_accuracy"))
    return [name for name in ("total_loss", *terms, *accuracies, "lr", *EVALUATION) if name in known]


def _draw(axes: Axes, quantity: str, found: Mapping[str, Mapping[str, Curve]]) -> None:
    evaluated = quantity in EVALUATION
    for number, (name, curves) in enumerate(found.items()):
        if quantity not in curves:
            continue
        marker = MARKERS[number % len(MARKERS)] if evaluated else ""
        color, style = COLORS[number % len(COLORS)], DASHES[number % len(DASHES)]
        axes.plot(
            *curves[quantity], color=color, linestyle=style, marker=marker, markersize=4, linewidth=1.2, label=name
        )
    title = {"lr": "learning rate", "total_loss": "total loss"}.get(quantity, quantity.replace("_", " "))
    axes.set_title(f"{title} (%)" if evaluated else title, size=9)
    axes.grid(alpha=0.3)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if quantity == "lr":
        axes.set_yscale("log")
