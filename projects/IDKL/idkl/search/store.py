"""An index on the disk: a folder with index.json and the two files that it names by their checksums.

``<checksum>.faiss`` is the faiss index, ``<checksum>.npz`` the paths, pids and camids of its entries. Both are written
before index.json is replaced, so that a reader sees the old index or the new one, whatever interrupts the writer.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import faiss
import numpy as np

from datasets_ext.errors import UserError
from datasets_ext.files import check_writable, write_atomically

from ..evaluation.images import Images
from .index import SearchIndex
from .kinds import read_plan

FORMAT = 1
_HEAD = "index.json"
_SUMS = {"faiss_sha256": "faiss", "images_sha256": "npz"}  # checksums in the head, and the files that they are of
# What a folder may hold to be written to, also what an interrupted writer left.
_OURS = re.compile(r"\.?(index\.json|[0-9a-f]{16}\.(faiss|npz))(\.[0-9a-f]{32}\.tmp)?")
_AGAIN = "build it again with tools/search.py build"


def check_folder(folder: Path) -> None:
    """See before long work that an index can be written to ``folder``: a new one, an empty one or an index.

    Raises:
        UserError: it holds something else, or cannot be written.
    """
    if folder.is_dir():
        other = sorted(path.name for path in folder.iterdir() if not _OURS.fullmatch(path.name))
        if other:
            raise UserError(f"{folder} holds {other[0]!r}, which is no part of an index: give another --index")
    check_writable(folder / _HEAD)


def save_index(folder: Path, index: SearchIndex) -> None:
    """Write ``index`` to ``folder``; an index there is replaced at once, or kept when anything fails.

    Raises:
        UserError: as for :func:`check_folder`, and for a full disk.
    """
    check_folder(folder)
    images = _images_bytes(index.images)
    sums = {"faiss_sha256": _faiss_checksum(index.faiss_index), "images_sha256": _checksum([images])}
    text = json.dumps({**_describe(index.faiss_index), **sums}, indent=2) + "\n"
    before, after = _named_files(folder), [_file(folder, key, sums[key]) for key in _SUMS]
    try:
        write_atomically(after[0], lambda file: write_faiss(index.faiss_index, file.write))
        write_atomically(after[1], lambda file: file.write(images))
        write_atomically(folder / _HEAD, lambda file: file.write(text.encode()))
    finally:  # the old files go, or when something failed the new ones
        for path in before.union(after) - _named_files(folder):
            with suppress(OSError):
                path.unlink()


def open_index(folder: Path) -> SearchIndex:
    """Read the index that :func:`save_index` wrote to ``folder``.

    Raises:
        UserError: there is none, it is of another format, or its files are missing, damaged or not those it was
            written with.
    """
    head = _read_head(folder)
    if head.get("format") != FORMAT:
        raise UserError(f"{folder} is of format {head.get('format')}, this program reads {FORMAT}: {_AGAIN}")
    for key in _SUMS:
        if not re.fullmatch("[0-9a-f]{64}", str(head.get(key))):
            raise UserError(f"{folder / _HEAD} has no {key}: {_AGAIN}")
    index = _read_checked(folder, head, "faiss_sha256", _read_faiss)
    images = _read_checked(folder, head, "images_sha256", _read_images)
    described = {**_describe(index), **{key: head[key] for key in _SUMS}}
    wrong = [key for key in {**head, **described} if head.get(key) != described.get(key)]
    if wrong or len(images.paths) != index.ntotal:
        raise UserError(f"{folder}: {_HEAD} and its files differ in {', '.join(wrong) or 'entries'}: {_AGAIN}")
    return SearchIndex(index, images)


def _describe(index: Any) -> dict[str, Any]:
    """What index.json says of a faiss index, its checksums aside."""
    plan = read_plan(index)
    sizes = {"dimensions": index.d, "entries": index.ntotal}
    return {"format": FORMAT, "metric": "cosine", **sizes, **(asdict(plan) if plan is not None else {})}


def _read_head(folder: Path) -> dict[str, Any]:
    try:
        head = json.loads((folder / _HEAD).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{folder} is no index: {_HEAD} cannot be read ({error.strerror}); {_AGAIN}") from error
    except (ValueError, RecursionError) as error:  # not JSON, or not text
        raise UserError(f"{folder / _HEAD} is not JSON: {_AGAIN}") from error
    if not isinstance(head, dict):
        raise UserError(f"{folder / _HEAD} is not an index's: {_AGAIN}")
    return head


def _read_checked(folder: Path, head: dict[str, Any], key: str, read: Callable[[BinaryIO], Any]) -> Any:
    """What ``read`` makes of the file that ``head[key]`` names, once its checksum is right."""
    path = _file(folder, key, head[key])
    try:
        with path.open("rb") as file:
            if _checksum(iter(lambda: file.read(2**20), b"")) != head[key]:
                raise UserError(f"{path} is damaged, its checksum is not that of {_HEAD}: {_AGAIN}")
            file.seek(0)
            try:
                return read(file)
            except Exception as error:  # faiss and numpy raise almost anything on a file that is none of theirs
                raise UserError(f"{path} is not what {_HEAD} says ({type(error).__name__}): {_AGAIN}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): {_AGAIN}") from error


def _read_faiss(file: BinaryIO) -> Any:
    return faiss.read_index(faiss.PyCallbackIOReader(file.read))  # type: ignore[attr-defined]  # not in faiss's stubs


def _read_images(file: BinaryIO) -> Images:
    with np.load(file, allow_pickle=False) as content:
        return Images(content["paths"].tolist(), content["pids"], content["camids"])


def _checksum(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def write_faiss(index: Any, write: Callable[[bytes], object]) -> None:
    """Give the bytes of a faiss index to ``write``, block by block: there is no second copy in memory."""
    faiss.write_index(index, faiss.PyCallbackIOWriter(write))  # type: ignore[attr-defined]


def _faiss_checksum(index: Any) -> str:
    digest = hashlib.sha256()
    write_faiss(index, digest.update)
    return digest.hexdigest()


def _images_bytes(images: Images) -> bytes:
    file = io.BytesIO()
    np.savez(file, paths=np.array(images.paths, dtype=np.str_), pids=images.pids, camids=images.camids)
    return file.getvalue()


def _file(folder: Path, key: str, checksum: str) -> Path:
    return folder / f"{checksum[:16]}.{_SUMS[key]}"


def _named_files(folder: Path) -> set[Path]:
    """The files that the folder's index.json names; none if there is no index."""
    try:
        head = _read_head(folder)
    except UserError:
        return set()
    return {_file(folder, key, str(head[key])) for key in _SUMS if re.fullmatch("[0-9a-f]{64}", str(head.get(key)))}
