"""A training's course as ``metrics.json`` has it: its curves, and every evaluation that was made on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..evaluation.results import METRICS, Row, row_name
from ..visualization.curves import METRICS_FILE, Curve, read_curves

JUDGED = "metric"  # by which the best epoch is chosen: the mean of the first setting's plain Rank-1 and mAP


@dataclass(frozen=True)
class History:
    """A training as far as it has come.

    Attributes:
        curves: by name, as :func:`~idkl.visualization.curves.read_curves` gives them.
        log_period: ``SOLVER.LOG_PERIOD`` of the run.
    """

    curves: dict[str, Curve]
    log_period: int

    @cached_property
    def evaluated(self) -> list[int]:
        """The numbers of steps after which the network was evaluated, before the first one not counted."""
        steps, _ = self.curves.get(JUDGED, ((), ()))
        return [int(step) for step in steps if step > 0]

    @property
    def best(self) -> int | None:
        """The steps after which ``model_best.pth`` was saved: the first of the highest; None without an evaluation."""
        return max(self.evaluated, key=lambda step: self.value(JUDGED, step) or 0.0, default=None)

    def value(self, name: str, step: int) -> float | None:
        """The value written after ``step`` steps; None where there is none."""
        steps, values = self.curves.get(name, ((), ()))
        return next((float(value) for at, value in zip(steps, values, strict=True) if at == step), None)

    def epoch(self, step: int) -> int | None:
        """The epoch, counted from 1, that ends after ``step`` steps; None where the curves do not tell.

        A line is written every ``log_period`` steps and at an epoch's end: the first step off that beat is an end.
        """
        steps, _ = self.curves.get("total_loss", ((), ()))
        length = next((at for at in steps if at % self.log_period), None)
        return None if length is None else round(step / length)

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


def read_history(folder: Path, log_period: int) -> History | None:
    """The history of a run folder, None where it has none yet. UserError if its file is not what training writes."""
    if not (folder / METRICS_FILE).is_file():
        return None
    return History(read_curves(folder), log_period)
