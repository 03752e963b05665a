"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import UserError

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")  # as _beside names them


def check_writable(path: Path) -> None:
    """See before long work that a file can be written at ``path``; its folder is made, a file there stays as it is.

    Raises:
        UserError: it cannot be written, or something else than a file is there.
    """
    with _beside(path):
        pass


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside ``path``, sync it, and rename it into place: ``path`` is the old file or the new one.

    Raises:
        UserError: as for :func:`check_writable`, and for a full disk.
    """
    with _beside(path) as (file, target):
        write(file)
        file.flush()
        os.fsync(file.fileno())
        os.replace(file.name, target)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed had half written beside the files of a folder that nobody writes now."""
    for path in folder.glob(".*.tmp"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink()


@contextmanager
def _beside(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file beside the one that ``path`` means, and that one's path; the new file is gone afterwards."""
    temporary = None
    try:
        target = Path(os.path.realpath(path))  # an existing link keeps pointing at the file
        if target.exists() and not target.is_file():
            raise UserError(f"cannot write {path}: it is there and is not a file; give another path")
        target.parent.mkdir(parents=True, exist_ok=True)
        # A name that no process of another machine or container has, whatever its number.
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        with temporary.open("wb") as file:
            yield file, target
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; free space, or give a path that can be written"
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):  # gone when the file is in place
                temporary.unlink()
