"""The images of a test set: what their paths say, and galleries drawn from them."""

from __future__ import annotations

import random
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from datasets_ext.errors import UserError
from datasets_ext.split_files import read_identities

from .ranking import IntArray

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Images:
    """One row an image: ``paths`` str[N] relative to the dataset's folder, ``pids`` and ``camids`` integers [N].

    Raises:
        UserError: the lengths differ, or an image is there twice.
    """

    paths: Sequence[str]
    pids: IntArray
    camids: IntArray

    def __post_init__(self) -> None:
        for name in ("pids", "camids"):
            values = getattr(self, name)
            if values.shape != (len(self.paths),) or values.dtype.kind not in "iu":
                raise UserError(
                    f"{name} are {values.dtype}{list(values.shape)}; give {len(self.paths)} integers, one a path"
                )
        first_row: dict[str, int] = {}
        for row, path in enumerate(self.paths):
            if first_row.setdefault(path, row) != row:
                raise UserError(f"{path} is given twice, in rows {first_row[path]} and {row}; give every image once")

    def parse(self, pattern: re.Pattern[str], example: str) -> list[re.Match[str]]:
        """Every path's match with ``pattern``; UserError names the first path that is not like ``example``."""
        matches = []
        for row, path in enumerate(self.paths):
            match = pattern.fullmatch(path)
            if match is None:
                raise UserError(
                    f"path {row}, {path!r}, is not like {example}; give it relative to the dataset's folder"
                )
            matches.append(match)
        return matches

    def check(self, name: str, named: IntArray, rows: IntArray | None = None) -> None:
        """A label must be a renumbering of ``named`` int64[N], or rows, paths and labels do not belong together.

        Args:
            name: "pid" or "camid".
            named: what the paths say.
            rows: those to compare with each other; all if not given.
        """
        given = getattr(self, f"{name}s")
        rows = np.arange(len(given)) if rows is None else rows
        for one, other in ((given[rows], named[rows]), (named[rows], given[rows])):
            _, first, inverse = np.unique(one, return_index=True, return_inverse=True)
            wrong = np.flatnonzero(other != other[first[inverse]])
            if len(wrong):
                row, before = rows[wrong[0]], rows[first[inverse[wrong[0]]]]
                raise UserError(
                    f"{name}s contradict the paths: row {row} ({self.paths[row]}) has {name} {given[row]}, row "
                    f"{before} ({self.paths[before]}) has {given[before]}; keep rows, paths and labels in one order"
                )

    def group(self, keys: Iterable[Key]) -> dict[Key, IntArray]:
        """Rows int64 of the images of each of ``keys`` (one an image), in the order of their paths."""
        keys = list(keys)
        groups: dict[Key, list[int]] = {}
        for row in sorted(range(len(self.paths)), key=lambda row: self.paths[row]):
            groups.setdefault(keys[row], []).append(row)
        return {key: np.array(rows) for key, rows in groups.items()}


def draw_gallery(
    groups: Mapping[tuple[int, int], IntArray], identities: Sequence[int], cameras: Sequence[int], trial: int
) -> IntArray:
    """One random image of each identity and camera, as AGW's code draws it (Ye et al., TPAMI 2021).

    Python's generator, seeded with the trial's number, chooses among an identity's images of a camera in the order of
    their names; identities in the order given, for each of them the cameras in the order given. ``groups``: rows by
    (camera, identity); a camera that did not see the identity draws nothing.
    """
    generator = random.Random(trial)
    return np.array(
        [
            generator.choice(groups[camera, identity].tolist())  # a list: 3.11.0 and 3.11.1 fail on an array
            for identity in identities
            for camera in cameras
            if (camera, identity) in groups
        ]
    )


def split_file(folder: Path | None, subfolder: str, name: str) -> Path:
    """A dataset's split file: in ``folder`` itself where it is there, else in the dataset's own ``subfolder``.

    Raises:
        UserError: there is no folder.
    """
    if folder is None:
        raise UserError(f"{name} is needed: add --split-dir with the folder that holds it or {subfolder}/{name}")
    beside = folder / name
    return beside if beside.is_file() else folder / subfolder / name


def check_test_identities(identities: set[int], folder: Path | None, subfolder: str) -> None:
    """Refuse images of identities that ``test_id.txt`` does not name, where that file is at hand."""
    if folder is None:
        return
    path = split_file(folder, subfolder, "test_id.txt")
    others = sorted(identities - read_identities(path)) if path.is_file() else []
    if others:
        raise UserError(
            f"{len(others)} identities of the images, such as {others[0]}, are no test identities by {path}; "
            "give test images only"
        )
