"""A run folder belongs to one training at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastreid.utils import comm

from datasets_ext.errors import UserError
from datasets_ext.files import remove_leftovers

LOCK = ".lock"


@contextmanager
def taken(folder: Path) -> Iterator[None]:
    """Take the folder for the main process as long as this lasts, and clear away what a killed one had half written.

    The system frees the folder when the process ends, however it does.

    Raises:
        UserError: another training is at work in it.
    """
    if not comm.is_main_process():
        yield
        return
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another training is at work in {folder}: let it end, or choose another OUTPUT_DIR"
            ) from None
        remove_leftovers(folder)
        yield
