"""The folder of a sweep: what it was begun with, who is at work in it, and how far each run has come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import yaml

from datasets_ext.errors import UserError
from datasets_ext.files import write_atomically

from ..evaluation.results import RESULTS
from .lock import locked
from .setup import make_folder
from .sweep_plan import Run, Sweep, flatten_nested

PLAN = "sweep.json"
LOCK = "sweep.lock"
# Where a run is and what it runs on may change between two calls; its device is decided on the machine.
NOT_COMPARED = ("OUTPUT_DIR", "MODEL.DEVICE")
# Values in whose place a run puts its own when it begins: a seed, and the number of training identities.
UNDECIDED = {"SEED": -1, "MODEL.HEADS.NUM_CLASSES": 0}

State = Literal["new", "begun", "finished"]


@contextmanager
def opened(sweep: Sweep) -> Iterator[int]:
    """Take the sweep's folder for this process and those that it starts; make it, and write ``sweep.json``, when new.

    Returns:
        A file descriptor that the runs must inherit: the folder stays taken as long as one of them lives, also when
        this process is killed.

    Raises:
        UserError: the folder holds something else, is taken, or cannot be written.
    """
    plan = sweep.folder / PLAN
    if not plan.exists() and (sweep.folder / "config.yaml").exists():
        raise UserError(f"{sweep.folder} holds a run, not a sweep: choose another OUTPUT_DIR")
    make_folder(sweep.folder)
    refusal = f"another sweep, or a run that it left, is at work in {sweep.folder}: let it end, or stop it"
    with locked(sweep.folder / LOCK, refusal) as lock:
        if plan.exists():
            _check_plan(sweep, plan)
        else:
            content = {"config_files": sweep.config_files, "keys": sweep.keys, "config": sweep.config}
            write_atomically(plan, lambda file: file.write(json.dumps(content, indent=2).encode()))
        yield lock


def state_of(run: Run) -> State:
    """How far a run has come.

    Finished is a run with its final checkpoint, which is written last, its results, and the very config that the
    sweep would give it.

    Raises:
        UserError: the folder holds a run with another config.
    """
    path = run.folder / "config.yaml"
    if not path.exists():
        return "new"
    try:
        begun = dict(flatten_nested(yaml.safe_load(path.read_text(encoding="utf-8"))))
    except (yaml.YAMLError, AttributeError, ValueError, OSError):
        raise UserError(f"{path} is no config: delete the folder {run.folder} to run it again") from None
    decided = {key: begun.get(key) for key, value in UNDECIDED.items() if run.config[key] <= value}
    planned = run.config | decided
    _compare(begun, planned, run.folder, "a run", "delete that folder to run it again")
    return "finished" if all((run.folder / name).is_file() for name in (RESULTS, "model_final.pth")) else "begun"


def _check_plan(sweep: Sweep, path: Path) -> None:
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        keys, config = list(saved["keys"]), dict(saved["config"])
    except (ValueError, KeyError, TypeError, OSError):
        raise UserError(f"{path} is no plan of a sweep: choose another OUTPUT_DIR") from None
    if keys != sweep.keys:
        raise UserError(
            f"{sweep.folder} holds a sweep over {' and '.join(keys)}, not over {' and '.join(sweep.keys)}: choose "
            "another OUTPUT_DIR"
        )
    _compare(config, sweep.config, sweep.folder, "a sweep", "give the same or choose another OUTPUT_DIR")


def _compare(begun: dict[str, Any], now: dict[str, Any], folder: Path, what: str, advice: str) -> None:
    """Raise a UserError for the first key whose values differ."""
    for key in sorted((begun.keys() | now.keys()) - set(NOT_COMPARED)):
        then, here = begun.get(key, "unknown"), now.get(key, "unknown")
        if then != here:
            raise UserError(f"{folder} holds {what} with {key} {then}, not {here}: {advice}")
