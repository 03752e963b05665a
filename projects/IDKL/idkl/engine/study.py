"""A search for good values of config keys by Optuna (the optional extra ``study``)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datasets_ext.errors import UserError

from .setup import make_folder

if TYPE_CHECKING:
    import optuna

JOURNAL = "study.log"

Ranges = dict[str, tuple[float, float]]


def read_ranges(words: Sequence[Sequence[str]]) -> Ranges:
    """``[["KEY", "0", "1"], ...]`` as ``{"KEY": (0.0, 1.0)}``.

    Raises:
        UserError: not two ascending numbers, or a key given twice.
    """
    ranges: Ranges = {}
    for key, *bounds in words:
        try:
            low, high = map(float, bounds)
        except ValueError:
            raise UserError(f"--between {key} {' '.join(bounds)}: give the least and the greatest value") from None
        if low >= high:
            raise UserError(f"--between {key} {low} {high}: the first number must be the smaller one")
        if key in ranges:
            raise UserError(f"--between {key} is given twice: leave one out")
        ranges[key] = (low, high)
    return ranges


def run_study(
    objective: Callable[[int, dict[str, float]], float], ranges: Ranges, trials: int, folder: Path
) -> optuna.Study:
    """Try ``trials`` combinations of values, each chosen by what the ones before it found (TPE), to maximise a score.

    The journal in ``folder`` keeps every trial: the same call again goes on after the last one that was completed.

    Args:
        objective: of a trial's number and its values by key, the score.
        ranges: least and greatest value of each key.

    Raises:
        UserError: Optuna is not installed.
    """
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ModuleNotFoundError:
        raise UserError("--study needs Optuna: pip install 'idkl-fastreid[study]'") from None
    make_folder(folder)
    optuna.logging.set_verbosity(logging.WARNING)
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(JournalFileBackend(str(folder / JOURNAL))),
        study_name="study",
        direction="maximize",
        load_if_exists=True,
    )
    done = len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE]))
    study.sampler = optuna.samplers.TPESampler(seed=done)  # one that goes on does not draw the first values again

    def score(trial: optuna.Trial) -> float:
        return objective(trial.number, {key: trial.suggest_float(key, *bounds) for key, bounds in ranges.items()})

    study.optimize(score, n_trials=max(trials - done, 0))
    return study
