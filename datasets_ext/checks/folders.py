"""The files that a dataset's folders really hold."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from datasets_ext.image import IMAGE_EXTENSIONS
from datasets_ext.records import ImageRecord

from .findings import Finding, Level, none_expected

_DEEPEST = 3  # folders below the dataset's own: test_vis/cam1/0007


@dataclass(frozen=True)
class Folders:
    """What is below some top folders of a dataset; every path is relative to the dataset, with slashes.

    Attributes:
        tops: the top folders.
        files: every file below them.
        empty: folders below them without an entry.
        unreadable: what could not be read, with the reason.
    """

    tops: tuple[str, ...]
    files: frozenset[str]
    empty: tuple[str, ...]
    unreadable: tuple[str, ...]


def scan_folders(root: Path, tops: Sequence[str]) -> Folders:
    """Every file below ``root/<top>``, through symbolic links too. A folder that is missing has no files."""
    files: set[str] = set()
    empty: list[str] = []
    errors: list[OSError] = []
    for top in tops:
        for folder, subfolders, names in os.walk(root / top, followlinks=True, onerror=errors.append):
            inside = Path(folder).relative_to(root).as_posix()
            if inside.count("/") + 1 >= _DEEPEST:
                subfolders.clear()  # also ends a loop of links
            files.update(f"{inside}/{name}" for name in names)
            if not names and not subfolders:
                empty.append(inside)
    reasons = [f"{error.filename} ({error.strerror})" for error in errors if not isinstance(error, FileNotFoundError)]
    return Folders(tuple(tops), frozenset(files), tuple(sorted(empty)), tuple(reasons))


def folder_findings(folders: Folders) -> Iterator[Finding]:
    """Whether the top folders are there and hold something; whether other folders are empty or cannot be read."""
    filled = {path.split("/", 1)[0] for path in folders.files}
    without = [top for top in folders.tops if top not in filled]
    advice = "copy them from the dataset's archive, and see that --root is the dataset's own folder"
    yield none_expected(f"missing or empty of {', '.join(folders.tops)}", without, Level.PROBLEM, advice)
    if folders.unreadable:
        yield none_expected("unreadable folders", folders.unreadable, Level.PROBLEM, "give yourself the right to read")
    inner = [folder for folder in folders.empty if folder not in without]
    yield none_expected(
        "empty folders of people or cameras", inner, Level.NOTE, "restore their images, if they had any"
    )


def unlisted_files(folders: Folders, used: set[str]) -> Finding:
    """A note about the files that neither training nor test uses; the published datasets have such files too."""
    unused = sorted(folders.files - used)
    return none_expected("files that no list names", unused, Level.NOTE, "nothing: they are not used")


def person_records(
    folders: Folders, cameras: Sequence[tuple[str, int, int]], identities: Set[int]
) -> list[ImageRecord]:
    """Images ``<folder>/<identity %04d>/*`` of the identities, as the dataset classes find them.

    Args:
        cameras: (folder, camera, modality) of each camera.
    """
    images: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folders.files):
        if path.lower().endswith(IMAGE_EXTENSIONS):
            images[path.rpartition("/")[0]].append(path)
    return [
        ImageRecord(path, pid, camera, modality)
        for folder, camera, modality in cameras
        for pid in sorted(identities)
        for path in images[f"{folder}/{pid:04d}"]
    ]
