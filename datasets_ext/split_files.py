"""Split files: which identities, or which images with which labels, a side of a dataset has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PureWindowsPath

from .errors import UserError

ImageList = list[tuple[str, int]]

_NUMBER = re.compile(r"[0-9]{1,9}")
_LAYOUT = str.maketrans("\n\r\t", "   ")


def read_identities(path: Path) -> set[int]:
    """Read a file of identities, ``<dataset>/<folder>/<name>.txt``: numbers, comma-separated on one line.

    Raises:
        UserError: the file is missing, empty or holds something else.
    """
    entries = [entry.strip() for entry in _read(path).strip().strip(",").split(",")]
    wrong = [entry for entry in entries if not _NUMBER.fullmatch(entry)]
    if wrong:
        raise UserError(
            f"split file {path} holds {wrong[0][:20]!r} where an identity number should be: expected one line "
            "such as 1,2,4"
        )
    return {int(entry) for entry in entries}


def read_image_list(path: Path) -> ImageList:
    """Read a file of images, ``<dataset>/<folder>/<name>.txt``: lines ``path label``, in their order.

    The label is a line's last word, so a path may hold spaces. Blank lines, a byte order mark and the line ends and
    backslashes of Windows are taken as they are meant.

    Returns:
        (path relative to the dataset's folder, with slashes; label) of each image.

    Raises:
        UserError: the file is missing or empty, or a line has no label, has a path that is absolute or leads out of
            the dataset, or repeats a path.
    """
    images: dict[str, int] = {}
    for number, line in enumerate(_read(path).split("\n"), start=1):
        words = line.rsplit(maxsplit=1)
        if not words:
            continue
        here = f"split file {path}, line {number}"
        if len(words) < 2 or not _NUMBER.fullmatch(words[1]):
            raise UserError(f"{here}: {line.strip()[:80]!r} is no image path and whole number with a space between")
        image = PureWindowsPath(words[0].strip())  # knows slashes, backslashes and drives
        if image.anchor or ".." in image.parts:
            raise UserError(f"{here}: {words[0][:80]!r} must be a path inside {path.parent.parent}: correct the line")
        name = image.as_posix()
        if name in images:
            raise UserError(f"{here}: {name} stands in an earlier line already: take one of the two lines out")
        images[name] = int(words[1])
    if not images:
        raise UserError(f"split file {path} is empty: take it again from {_dataset(path)}")
    return list(images.items())


def read_image_lists(root: Path, names: Sequence[str]) -> list[ImageList]:
    """Read the lists ``root/idx/<name>.txt`` of one training and test, and see that their images are there.

    Raises:
        UserError: also if an image is in two of the lists, or a listed image is not in its folder.
    """
    lists = [read_image_list(root / "idx" / f"{name}.txt") for name in names]
    owner: dict[str, str] = {}
    for name, images in zip(names, lists, strict=True):
        for image, _ in images:
            if (other := owner.setdefault(image, name)) != name:
                raise UserError(f"{image} is in both {other}.txt and {name}.txt of {root / 'idx'}: it belongs to one")
    if missing := missing_files(root, owner):
        raise UserError(
            f"{len(missing)} of the {len(owner)} images listed in {root / 'idx'} are missing, the first is "
            f"{root / missing[0]}: restore them, or take them out of the lists"
        )
    return lists


def missing_files(root: Path, names: Iterable[str]) -> list[str]:
    """Those of ``names``, paths relative to ``root``, that are not there; each folder is read once."""
    names = list(names)
    folders = {name.rpartition("/")[0] for name in names}
    present = {f"{folder}/{entry}".lstrip("/") for folder in folders for entry in names_in(root / folder)}
    return [name for name in names if name not in present]


def names_in(folder: Path) -> list[str]:
    """The names of a folder's entries; none if it is not there."""
    try:
        return os.listdir(folder)
    except (OSError, ValueError):  # or a name that no folder can have
        return []


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(
            f"split file {path} is missing: it comes with {_dataset(path)}, in its {path.parent.name} folder"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"split file {path} cannot be read ({error}): take it again from {_dataset(path)}") from None
    if not text.translate(_LAYOUT).isprintable():  # Python takes some control characters for space
        raise UserError(
            f"split file {path} holds control characters, it is damaged: take it again from {_dataset(path)}"
        )
    return text


def _dataset(path: Path) -> str:
    return path.parent.parent.name
