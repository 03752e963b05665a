"""Result rows as a page shows them: a line a setting, the plain figures and the re-ranked ones side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..evaluation.results import LABELS, METRICS, Row

# "rerank" of a row, and what the columns of its figures are headed.
METHODS: dict[Any, str] = {False: "plain", True: "re-ranked", "aqe": "query expansion"}
SETTING = tuple(label for label in LABELS if label not in ("rerank", "trials"))
CONDITIONS = ("protocol", "gallery", "trials")  # usually the same in all lines
_WORDS = {
    ("mode", "all"): "all-search",
    ("mode", "indoor"): "indoor-search",
    ("shots", 1): "single-shot",
    ("shots", 10): "multi-shot",
    ("direction", "infrared-to-visible"): "infrared to visible",
    ("direction", "visible-to-infrared"): "visible to infrared",
}


@dataclass(frozen=True)
class Figure:
    """One metric in percent: mean over trials, population standard deviation over trials, 95% interval over identities.

    The deviation is None of one trial or where it was not kept, the interval where it was not computed.
    """

    mean: float
    std: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Line:
    """A setting of one model: its name, its :data:`CONDITIONS`, and figures by method (:data:`METHODS`) and metric."""

    run: str
    model: str
    setting: str
    labels: dict[str, Any]
    figures: dict[str, dict[str, Figure]]


def build_lines(run: str, model: str, rows: Sequence[Row]) -> list[Line]:
    """One line a setting, in the order of ``rows``."""
    settings: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        settings.setdefault(tuple(row[label] for label in SETTING), []).append(row)
    return [
        Line(
            run,
            model,
            setting_name(group[0]),
            {label: group[0][label] for label in CONDITIONS},
            {METHODS[row["rerank"]]: {metric: _figure(row, metric) for metric in METRICS} for row in group},
        )
        for group in settings.values()
    ]


def order_lines(lines: Sequence[Line]) -> list[Line]:
    """The lines of a setting one below the other, so that runs and epochs can be compared.

    A condition that is not the same in all lines joins the name of the setting.
    """
    varying = [label for label in CONDITIONS if len({line.labels[label] for line in lines}) > 1]
    named = [
        replace(line, setting=", ".join([line.setting, *(f"{label} {line.labels[label]}" for label in varying)]))
        for line in lines
    ]
    settings = list(dict.fromkeys(line.setting for line in named))
    return sorted(named, key=lambda line: settings.index(line.setting))


def setting_name(row: Row) -> str:
    """A setting in words, such as ``all-search, single-shot`` or ``visible to infrared``."""
    labels = ("mode", "shots") if row["mode"] is not None else ("direction",)
    return ", ".join(_WORDS.get((label, row[label]), str(row[label])) for label in labels)


def methods_of(lines: Sequence[Line]) -> list[str]:
    """The methods that any of the lines has, plain first."""
    return [name for name in METHODS.values() if any(name in line.figures for line in lines)]


def _figure(row: Row, metric: str) -> Figure:
    spread = row["std"][metric] if row["std"] is not None and row["trials"] > 1 else None
    interval = row["ci95"].get(metric) if row["ci95"] is not None else None
    return Figure(row[metric], spread, None if interval is None else (interval[0], interval[1]))
