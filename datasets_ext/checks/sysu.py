"""SYSU-MM01: what is in its folder, against what its authors published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from datasets_ext.errors import UserError
from datasets_ext.records import INFRARED, VISIBLE, ImageRecord
from datasets_ext.sysu_mm01 import CAMERAS, INFRARED_CAMERAS
from datasets_ext.sysu_permutations import PERMUTATION_FILE, check_permutation, read_permutation_cells

from .counts import SideCounts, side_findings
from .findings import Finding, Level
from .folders import Folders, folder_findings, person_records, scan_folders, unlisted_files
from .images import image_findings
from .lists import check_identities, overlap_finding

# Wu et al., "RGB-Infrared Cross-Modality Person Re-Identification", ICCV 2017, and https://github.com/wuancong/SYSU-MM01;
# training images as counted in Ye et al., "Deep Learning for Person Re-Identification: A Survey and Outlook",
# TPAMI 2021 (arXiv 2001.04193). The permutation file confirms both test counts. The archive also has images of a few
# people whom no split file names.
IDENTITIES = {"train": 296, "val": 99, "test": 96}
PUBLISHED = {"training": SideCounts(395, 22258, 11909), "test": SideCounts(96, 6775, 3803)}

_CAMERA_FOLDERS = [(f"cam{camera}", camera, INFRARED if camera in INFRARED_CAMERAS else VISIBLE) for camera in CAMERAS]


def check_sysu(root: Path, generated: bool) -> Iterator[Finding]:
    """All findings about the copy of SYSU-MM01 at ``root``; ``generated`` data may have any counts."""
    folders = scan_folders(root, [name for name, _, _ in _CAMERA_FOLDERS])
    yield from folder_findings(folders)
    identities = {}
    for name, published in IDENTITIES.items():
        identities[name], finding = check_identities(root / "exp" / f"{name}_id.txt", published, generated)
        yield finding
    train, val, test = (identities[name] for name in IDENTITIES)
    sides = {"training": None if train is None or val is None else train | val, "test": test}
    known = (train or set()) | (val or set())
    yield overlap_finding("identities", [str(pid) for pid in sorted(known & (test or set()))])
    records = {}
    for side, members in sides.items():
        if members is not None:
            records[side] = person_records(folders, _CAMERA_FOLDERS, members)
            yield from side_findings(side, records[side], PUBLISHED[side], generated, members)
    yield _permutation_finding(root / "exp" / PERMUTATION_FILE, test, records.get("test", []))
    yield from _file_findings(root, folders, records)


def _permutation_finding(path: Path, test: set[int] | None, records: list[ImageRecord]) -> Finding:
    """Whether the gallery permutations are there and belong to the test images, in every camera."""
    what, expected = f"exp/{PERMUTATION_FILE}", "permutations of the test images"
    try:
        cells = read_permutation_cells(path)
    except UserError as error:
        return Finding(what, expected, "unreadable", Level.PROBLEM, str(error))
    if test is None:
        return Finding(what, expected, "readable", Level.NOTE, "make exp/test_id.txt readable and check again")
    images = Counter((record[2], record.pid) for record in records)
    errors = []
    for camera in CAMERAS:
        for pid in sorted(test):
            try:
                check_permutation(path, cells, (camera, pid), images[camera, pid])
            except UserError as error:
                errors.append(str(error).removeprefix(f"{path}: "))
    if not errors:
        return Finding(what, expected, "as expected")
    advice = "copy it from the archive that the images are from: evaluation with official galleries stops at this"
    return Finding(what, expected, f"{len(errors)} do not fit", Level.PROBLEM, advice, tuple(errors))


def _file_findings(root: Path, folders: Folders, records: dict[str, list[ImageRecord]]) -> Iterator[Finding]:
    images = [record for side in records.values() for record in side]
    if len(records) == len(PUBLISHED):
        yield unlisted_files(folders, {record[0] for record in images})
    yield from image_findings(root, images)
