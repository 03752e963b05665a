"""What the event storage knows at a moment, as plain values that a checkpoint can hold.

Logged values are medians over the last steps: without the steps before it, a resumed run would log others.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fastreid.utils.events import EventStorage

from .writers import WINDOW

History = dict[str, dict[str, Any]]

SPEED = "time"  # of a step: another process, maybe on another machine, has its own


def history_of(storage: EventStorage) -> History:
    """The last values of every scalar, with their iterations."""
    return {
        name: {
            "values": [list(entry) for entry in buffer.values()[-WINDOW:]],
            "smoothed": storage.smoothing_hints()[name],
        }
        for name, buffer in storage.histories().items()
        if name != SPEED
    }


def restore_history(storage: EventStorage, history: History) -> None:
    """Put the scalars of :func:`history_of` into a new storage; its iteration stays as it is."""
    iteration = storage.iter
    for name, entry in history.items():
        for value, storage.iter in entry["values"]:
            storage.put_scalar(name, value, smoothing_hint=entry["smoothed"])
    storage.iter = iteration


def forget_after(path: Path, iteration: int) -> None:
    """Cut the lines that a stopped run wrote to its ``metrics.json`` after the checkpoint it goes on from.

    Args:
        path: a line of JSON a record, in the order of their "iteration"; a last line may be cut off.
        iteration: the last one to keep.
    """
    if not path.is_file():
        return
    kept = 0
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            is_kept = line.endswith(b"\n") and json.loads(line)["iteration"] <= iteration
        except (ValueError, KeyError, TypeError):
            is_kept = False
        if not is_kept:
            break
        kept += len(line)
    os.truncate(path, kept)
