"""The best epoch: by what it is chosen, and its own results, apart from those of the last epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..evaluation.results import Row, format_table, shared_labels
from .provenance import keep_results

BEST_RESULTS = "results_best.json"
METRIC = "mean of the plain Rank-1 and mAP"  # fast-reid's "metric", see CrossModalityEvaluator.evaluate


class BestEpoch:
    """The best of the epochs that were evaluated, with its result rows.

    It is chosen on a test set, for lack of another: SYSU-MM01's validation identities train, the other datasets have
    none. So its numbers are too good, and say so wherever they stand.

    Every checkpoint keeps it (``ResumableTrainer.run_state``).

    Args:
        dataset: registry name of the test set, ``SYSU_MM01``.

    Attributes:
        epoch: counted from 0 as fast-reid does; None before the first evaluation.
        metric: the value to beat, in percent.
        rows: results of that epoch.
    """

    def __init__(self, dataset: str) -> None:
        self.dataset = dataset
        self.epoch: int | None = None
        self.metric = float("-inf")
        self.rows: list[Row] = []

    def update(self, epoch: int, rows: Sequence[Row], metric: float) -> bool:
        """Compare a fresh evaluation with the best so far; of equal ones the earlier stays.

        An evaluation on another setting than the best one's, as after a change of ``TEST.GALLERY``, cannot be compared:
        the choice begins again with it. The best epoch evaluated again, as by a run that was stopped meanwhile, stays
        the best.

        Args:
            epoch: after which it was made, counted from 0.
            rows: all results; the first row's setting is what ``metric`` was measured on.
            metric: of this evaluation, in percent.

        Returns:
            Whether this epoch is the best now.
        """
        is_same = self.epoch is not None and _measured_on(rows) == _measured_on(self.rows)
        if is_same and epoch != self.epoch and metric <= self.metric:
            return False
        self.epoch, self.metric, self.rows = epoch, metric, list(rows)
        return True

    def label(self) -> str:
        """One line: which epoch, counted from 1, and on what it was chosen."""
        if self.epoch is None:
            return "no epoch was evaluated"
        return (
            f"best epoch {self.epoch + 1}, chosen on {self.dataset} ({_measured_on(self.rows)}) by the {METRIC}, "
            f"{self.metric:.2f} - selection on the test set"
        )

    def state_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {"epoch": self.epoch, "metric": self.metric, "rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave; KeyError if it is something else."""
        self.epoch, self.metric, self.rows = state["epoch"], state["metric"], state["rows"]


def write_best(best: BestEpoch, last: int, folder: Path) -> str | None:
    """Write ``results_best.json`` when another epoch was better than the last one; else see that there is none.

    Args:
        best: at the end of a training.
        last: the last epoch, counted from 0.
        folder: of the run.

    Returns:
        The labelled table to print; None when the last epoch is the best, or none was evaluated.

    Raises:
        UserError: the file cannot be written.
    """
    path = folder / BEST_RESULTS
    if best.epoch in (None, last):
        path.unlink(missing_ok=True)
        return None
    keep_results(best.rows, path, selection=best.label())
    return f"{best.label()} ({BEST_RESULTS})\n{format_table(best.rows)}"


def _measured_on(rows: Sequence[Row]) -> str:
    """The setting of the first row, in words."""
    return shared_labels(rows[:1])
