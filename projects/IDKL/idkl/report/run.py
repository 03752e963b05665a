"""A run folder as a report takes it: config, results, history, and what cannot be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastreid.config import CfgNode

from datasets_ext.errors import UserError

from ..engine.selection import BEST_RESULTS
from ..engine.setup import merge_config
from ..engine.sweep_folder import PLAN
from ..engine.trainer import UNTRAINED_RESULTS
from ..evaluation.results import RESULTS, Row, read_results
from ..visualization.curves import METRICS_FILE
from ..visualization.source import CHECKPOINT, CONFIG
from .history import History, read_history
from .tables import Line, build_lines

UNTRAINED = "before training"


@dataclass(frozen=True)
class Run:
    """What a run folder says of itself.

    Attributes:
        name: of the folder, with as much of its path as tells it apart from the other runs.
        cfg: complete, as run.
        rows: of ``results.json``; none before the first evaluation.
        untrained: the same of the network before its first step; none where that was not asked for.
        best: the same of the best epoch, where it is not the last; older and unfinished runs have none.
        history: None where nothing was recorded yet.
        finished: the last epoch was reached.
    """

    name: str
    folder: Path
    cfg: CfgNode
    rows: list[Row]
    untrained: list[Row]
    best: list[Row]
    history: History | None
    finished: bool

    @property
    def is_of_last_evaluation(self) -> bool:
        """Whether ``results.json`` holds the last evaluation of the training, and not one made afterwards."""
        if not self.rows or self.history is None or not self.history.evaluated:
            return False
        return self.history.value("Rank-1", self.history.evaluated[-1]) == self.rows[0]["Rank-1"]

    @property
    def last_model(self) -> str:
        """What the figures of ``results.json`` belong to."""
        if self.history is None or not self.is_of_last_evaluation:
            return "by a later evaluation"
        when = self.when(self.history.evaluated[-1])
        return f"last epoch ({when})" if self.finished else f"unfinished training ({when})"

    @property
    def best_step(self) -> int | None:
        """After how many steps the best evaluation was; None where there is none, or it is the last one."""
        if self.history is None or self.history.best in self.history.evaluated[-1:]:
            return None
        return self.history.best

    def when(self, step: int) -> str:
        """A time of the training in words."""
        epoch = self.history.epoch(step) if self.history is not None else None
        return f"step {step}" if epoch is None else f"epoch {epoch}"

    def lines(self) -> list[Line]:
        """The tables' lines: before training, last epoch, best epoch."""
        lines = build_lines(self.name, UNTRAINED, self.untrained)
        lines += build_lines(self.name, self.last_model, self.rows)
        if self.history is not None and self.best_step is not None:
            best = f"best epoch ({self.when(self.best_step)}), chosen on the test set"
            lines += build_lines(self.name, best, self.best or self.history.rows(self.best_step, self.rows))
        return lines


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs in ``folders``, each named apart from the others.

    Raises:
        UserError: a folder is given twice or is no run, or has nothing to report yet; the message says which.
    """
    resolved = [folder.resolve() for folder in folders]
    for folder, path in zip(folders, resolved, strict=True):
        if resolved.count(path) > 1:
            raise UserError(f"run {folder} is given twice: give every run once")
    return [_read_run(folder, name) for folder, name in zip(folders, _names(resolved), strict=True)]


def _read_run(folder: Path, name: str) -> Run:
    _check_folder(folder)
    cfg = merge_config(str(folder / CONFIG), [])
    cfg.freeze()
    finished = (folder / CHECKPOINT).is_file()
    history = read_history(folder, cfg.SOLVER.MAX_EPOCH if finished else None)
    rows, untrained, best = (
        read_results(folder / file) if (folder / file).is_file() else []
        for file in (RESULTS, UNTRAINED_RESULTS, BEST_RESULTS)
    )
    if history is None and not rows:
        raise UserError(f"run {folder} has no {RESULTS} and no {METRICS_FILE} yet: let it train first")
    return Run(name, folder, cfg, rows, untrained, best, history, finished)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise UserError(f"run {folder} is not a folder: give the OUTPUT_DIR of a training")
    if (folder / PLAN).is_file():
        raise UserError(f"{folder} is a sweep, not a run: give the folders of its runs, which are in it")
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} is no run folder, for it has no {CONFIG}: give the OUTPUT_DIR of a training")


def _names(folders: Sequence[Path]) -> list[str]:
    """The last parts of each path, as many for all as tell them apart."""
    count = 1
    while len({folder.parts[-count:] for folder in folders}) < len(folders):
        count += 1
    return ["/".join(folder.parts[-count:]) for folder in folders]
