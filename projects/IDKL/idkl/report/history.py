"""A training's course as ``metrics.json`` has it: its curves, and every evaluation that was made on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..evaluation.results import METRICS, Row, row_name
from ..visualization.curves import METRICS_FILE, Curve, read_curves

JUDGED = "metric"  # by which the best epoch is chosen: the mean of the first setting's plain Rank-1 and mAP
_NOTHING: Curve = np.empty(0), np.empty(0)


@dataclass(frozen=True)
class History:
    """A training as far as it has come.

    Attributes:
        curves: by name, as :func:`~idkl.visualization.curves.read_curves` gives them.
        epochs: of the whole training; None while it is not finished.
    """

    curves: dict[str, Curve]
    epochs: int | None

    @cached_property
    def evaluated(self) -> list[int]:
        """The numbers of steps after which the network was evaluated, before the first one not counted."""
        steps, _ = self.curves.get(JUDGED, _NOTHING)
        return [int(step) for step in steps if step > 0]

    @property
    def best(self) -> int | None:
        """The steps after which ``model_best.pth`` was saved: the first of the highest; None without an evaluation."""
        return max(self.evaluated, key=lambda step: self.value(JUDGED, step) or 0.0, default=None)

    def value(self, name: str, step: int) -> float | None:
        """The value written after ``step`` steps; None where there is none."""
        steps, values = self.curves.get(name, _NOTHING)
        return next((float(value) for at, value in zip(steps, values, strict=True) if at == step), None)

    def epoch(self, step: int) -> int | None:
        """The epoch, counted from 1, that ends after ``step`` steps; None of an unfinished training."""
        steps, _ = self.curves.get("total_loss", _NOTHING)
        return None if self.epochs is None or len(steps) == 0 else round(step * self.epochs / steps[-1])

    def rows(self, step: int, like: Sequence[Row]) -> list[Row]:
        """The result rows of the evaluation after ``step`` steps, without spread, which is not written there.

        Args:
            like: rows of the same run's settings. Empty where that evaluation has others.
        """
        found = []
        for number, row in enumerate(like):
            prefix = f"{row_name(row, like)}/" if number else ""
            values = {metric: self.value(prefix + metric, step) for metric in METRICS}
            if None in values.values():
                return []
            found.append({**row, **values, "std": None, "ci95": None})
        return found


def read_history(folder: Path, epochs: int | None) -> History | None:
    """The history of a run folder, None where it has none yet.

    Args:
        epochs: of the whole training; None while it is not finished.

    Raises:
        UserError: the file is not what training writes.
    """
    if not (folder / METRICS_FILE).is_file():
        return None
    return History(read_curves(folder), epochs)
