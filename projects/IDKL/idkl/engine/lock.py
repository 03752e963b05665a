"""A folder that one process at a time works in."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datasets_ext.errors import UserError


@contextmanager
def locked(path: Path, refusal: str) -> Iterator[int]:
    """Hold a lock on the file ``path`` as long as this lasts. The system lets go of it when the process, and those that
    it started with the file open, have ended, however they did.

    Args:
        refusal: what is said when another process holds it.

    Returns:
        The file's descriptor.

    Raises:
        UserError: another process holds it.
    """
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(refusal) from None
        yield lock.fileno()
