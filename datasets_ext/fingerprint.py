"""What tells two copies of a dataset apart, without reading a pixel."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import UserError

_CHUNK = 1 << 20  # bytes


def fingerprint_images(root: Path, paths: Iterable[str]) -> dict[str, Any]:
    """Number, bytes and a SHA-256 of images.

    The hash is over the names relative to ``root`` and the sizes in bytes, sorted by name: it changes when an image is
    added, left out, renamed or of another size. It sees no pixels: an image replaced by one of the same size stays
    unnoticed. A file's time, the dataset's place and the order of ``paths`` make no difference.

    Args:
        root: the dataset's folder.
        paths: image files in it.

    Returns:
        ``{"images": number, "bytes": number, "sha256": text}``.

    Raises:
        UserError: an image is gone.
    """
    sizes = sorted((os.path.relpath(path, root).replace(os.sep, "/"), _size(path)) for path in set(paths))
    digest = hashlib.sha256()
    for name, size in sizes:
        digest.update(f"{name}\0{size}\n".encode("utf-8", "surrogateescape"))
    return {"images": len(sizes), "bytes": sum(size for _, size in sizes), "sha256": digest.hexdigest()}


def file_sha256(path: str | Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal; a :class:`UserError` where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check the path and its permissions") from None
    return digest.hexdigest()


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError as error:
        raise UserError(
            f"image {path} is gone ({error.strerror}): restore it, or take it out of the split files"
        ) from None
