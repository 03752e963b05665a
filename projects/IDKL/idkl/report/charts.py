"""Small line charts as plain numbers: ticks and points in the coordinates of an SVG, which a template draws.

The page's own style sheet then colours them, light, dark or printed, and its script reads values off them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..visualization.curves import EVALUATION
from .history import History

WIDTH, HEIGHT = 320, 170
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 10, 24  # margins around the plot
TICKS = 4  # steps between ticks, at most
# What the names in metrics.json are called on the page, the equation behind; any other name stands as it is.
TITLES = {
    "total_loss": "Total loss (21)",
    "lr": "Learning rate",
    "images_per_second": "Images per second",
    "cls_accuracy": "Accuracy, shared classifier",
    "cls_accuracy_specific": "Accuracy, specific classifier",
    "confuser_accuracy": "Accuracy, modality confuser",
    "discriminator_accuracy": "Accuracy, modality discriminator",
    "loss_cls_shared": "Identity, shared feature (5)",
    "loss_cls_specific": "Identity, specific feature (5)",
    "loss_cls_purified": "Identity, purified feature (13)",
    "loss_triplet_shared": "Triplet, shared feature (5)",
    "loss_triplet_specific": "Triplet, specific feature (5)",
    "loss_triplet_purified": "Triplet, purified feature (13)",
    "loss_confuser": "Modality confuser (2)",
    "loss_discriminator": "Modality discriminator (3)",
    "loss_enhance": "Purifier, enhance (10)",
    "loss_reduce": "Purifier, reduce (11)",
    "loss_tgsa": "TGSA, graphs of both branches (17)",
    "loss_csa": "CSA, logits of both branches (19)",
    "loss_mdr": "MDR, between modalities (20)",
}
SCHEDULE = ("lr", "images_per_second")


@dataclass(frozen=True)
class Series:
    """One run's line: ``points`` as "x,y x,y", and what the script reads off it."""

    run: str
    number: int
    points: str
    steps: list[int]
    values: list[str]
    marked: bool  # each measurement with a dot


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A chart of one value, a line a run; the axis of steps runs from 0 to ``last``."""

    title: str
    series: list[Series]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    last: int


def build_charts(histories: Sequence[tuple[str, History]]) -> dict[str, list[Chart]]:
    """Charts by the title of their group; of several runs each chart has a line for each that has its value.

    Args:
        histories: by the name of the run, in its order.
    """
    names = list(dict.fromkeys(name for _, history in histories for name in history.curves))
    terms = sorted((name for name in names if name.startswith("loss_")), key=_place)
    groups = {
        "Evaluations on the test set, first setting, plain, percent": EVALUATION,
        "Total loss and training accuracies": [
            "total_loss",
            *sorted((n for n in names if "accuracy" in n), key=_place),
        ],
        "Loss terms, weighted as they enter the total; in brackets the paper's equation": terms,
        "Schedule and speed": SCHEDULE,
    }
    charts = {title: [_chart(name, histories, name in EVALUATION) for name in group] for title, group in groups.items()}
    present = {title: [chart for chart in group if chart is not None] for title, group in charts.items()}
    return {title: group for title, group in present.items() if group}


def _chart(name: str, histories: Sequence[tuple[str, History]], marked: bool) -> Chart | None:
    """None where no run has the value twice: one point is no course."""
    curves = [(number, run, _finite(history, name)) for number, (run, history) in enumerate(histories)]
    drawn = [(number, run, points) for number, run, points in curves if len(points) > 1]
    if not drawn:
        return None
    last = max(points[-1][0] for _, _, points in drawn)
    values = [value for _, _, points in drawn for _, value in points]
    y_ticks = nice_ticks(min(0.0, *values), max(0.0, *values))
    low, high = y_ticks[0], max(y_ticks[-1], *values)

    def x(step: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * step / last, 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low), 1)

    series = [
        Series(
            run,
            number,
            " ".join(f"{x(step)},{y(value)}" for step, value in points),
            [step for step, _ in points],
            [f"{value:.4g}" for _, value in points],
            marked,
        )
        for number, run, points in drawn
    ]
    title = TITLES.get(name, name.removeprefix("loss_").replace("_", " "))
    x_ticks = [Tick(x(step), _label(step)) for step in nice_ticks(0, last)]
    return Chart(title, series, x_ticks, [Tick(y(value), _label(value)) for value in y_ticks], last)


def _place(name: str) -> tuple[int, str]:
    """Known names in the order of :data:`TITLES`, then the others."""
    return (list(TITLES).index(name) if name in TITLES else len(TITLES)), name


def _label(value: float) -> str:
    """A number that is short enough for the margin."""
    return f"{value:g}" if len(f"{value:g}") <= 6 else f"{value:.1e}"


def _finite(history: History, name: str) -> list[tuple[int, float]]:
    steps, values = history.curves.get(name, ((), ()))
    return [(int(step), float(value)) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]


def nice_ticks(low: float, high: float) -> list[float]:
    """Two to six multiples of a round number, from the last at or below ``low`` to the last at or below ``high``.

    Args:
        low, high: with 0 between them, or at one of them.
    """
    span = high - low or 1.0
    unit = 10.0 ** math.floor(math.log10(span / TICKS))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if span / (unit * factor) <= TICKS)
    first, last = math.floor(low / step + 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{number * step:.10g}") for number in range(first, max(last, first + 1) + 1)]
