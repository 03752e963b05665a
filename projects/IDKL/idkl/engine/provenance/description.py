"""One run as a flat list of keys and values, from the sessions that made its results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datasets_ext.errors import UserError

from ...evaluation.results import RESULTS
from ..sweep_plan import flatten_nested
from .file import Session, sessions_of
from .keys import NOT_COMPARED, is_evaluation_only, is_training_only
from .session import EVALUATION, TRAINING

RESULTS_RECORDED = "results.recorded"
TRAINING_RECORDED = "training.recorded"


def describe(run: Path) -> dict[str, Any]:
    """Every key of :func:`.differences.differences` with its value in one run; what is None is left out.

    The sessions behind a run's results: the training with all sessions before the one that wrote them, or an
    evaluation and the training of its checkpoint. Values that changed between them are joined.

    Args:
        run: a run folder or a results file.

    Raises:
        UserError: the run is missing, or has no provenance, or a damaged one.
    """
    if not run.exists():
        raise UserError(f"run {run} is missing: give a run folder, or a results file")
    results = run / RESULTS if run.is_dir() else run
    sessions, writer = sessions_of(results)
    made = _made_by(sessions, writer)
    values: dict[str, list[Any]] = {}
    for key, value in _pairs(made):
        if value is not None and value not in values.setdefault(key, []):
            values[key].append(value)
    values[RESULTS_RECORDED] = [writer is not None]
    values[TRAINING_RECORDED] = [any(session["kind"] == TRAINING for session in made)]
    return {key: _join(several) for key, several in values.items() if several}


def _made_by(sessions: Sequence[Session], writer: Session | None) -> Sequence[Session]:
    """The sessions behind what ``writer`` wrote; where it is not known, those of the training, or else the last one."""
    if writer is not None and writer["kind"] != TRAINING:
        return [*writer.get("trained", []), writer]
    before = sessions if writer is None else sessions[: sessions.index(writer) + 1]
    return [session for session in before if session["kind"] == TRAINING] or sessions[-1:]


def _pairs(made: Sequence[Session]) -> Iterator[tuple[str, Any]]:
    """Keys and values of the sessions, each with what it had an effect on."""
    is_evaluated = made[-1]["kind"] == EVALUATION
    for session in made:
        kept = {key: value for key, value in session.items() if key not in NOT_COMPARED}
        idle = is_training_only if session["kind"] == EVALUATION else is_evaluation_only if is_evaluated else None
        for key, value in [*flatten_nested(kept), *flatten_nested(session.get("config", {}))]:
            if idle is None or not idle(key):
                yield key, value


def _join(several: Sequence[Any]) -> Any:
    return several[0] if len(several) == 1 else ", then ".join(map(str, several))
