"""A run folder belongs to one training at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastreid.utils import comm

from datasets_ext.files import remove_leftovers

from .lock import locked

LOCK = ".lock"


@contextmanager
def taken(folder: Path) -> Iterator[None]:
    """Take the folder for the main process as long as this lasts, and clear away what a killed one had half written.

    Raises:
        UserError: another training is at work in it.
    """
    if not comm.is_main_process():
        yield
        return
    with locked(folder / LOCK, f"another training is at work in {folder}: let it end, or choose another OUTPUT_DIR"):
        remove_leftovers(folder)
        yield
