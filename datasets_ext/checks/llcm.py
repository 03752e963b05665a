"""LLCM: what is in its folder, against what its authors published."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from datasets_ext.llcm import CAMERA_IN_NAME, INFRARED_CAMERAS, VISIBLE_CAMERAS
from datasets_ext.records import INFRARED, VISIBLE

from .counts import SideCounts, side_findings
from .findings import Finding, Level, none_expected
from .folders import folder_findings, person_records, scan_folders, unlisted_files
from .images import image_findings
from .lists import (
    ImageList,
    ListedImage,
    check_identities,
    label_conflicts,
    label_finding,
    list_file_finding,
    listed_file_findings,
    missing_images,
    overlap_finding,
    read_lists,
    repeated_finding,
    repeated_images,
)

# Zhang and Wang, "Diverse Embedding Expansion Network and Low-Light Cross-Modality Benchmark for Visible-Infrared
# Person Re-identification", CVPR 2023 (arXiv 2303.14481): 1,064 identities and 46,767 images in all.
PUBLISHED = {"training": SideCounts(713, 16946, 13975), "test": SideCounts(351, 8680, 7166)}

_LISTS = (ImageList("train_vis", "vis", VISIBLE), ImageList("train_nir", "nir", INFRARED))
_CAMERA_FOLDERS = [(f"test_vis/cam{camera}", camera, VISIBLE) for camera in VISIBLE_CAMERAS] + [
    (f"test_nir/cam{camera}", camera, INFRARED) for camera in INFRARED_CAMERAS
]


def check_llcm(root: Path, generated: bool) -> Iterator[Finding]:
    """All findings about the copy of LLCM at ``root``; ``generated`` data may have any counts."""
    folders = scan_folders(root, ("vis", "nir", "test_vis", "test_nir"))
    yield from folder_findings(folders)
    images, errors = read_lists(root, _LISTS)
    yield list_file_finding(errors)
    identities, finding = check_identities(root / "idx" / "test_id.txt", PUBLISHED["test"].identities, generated)
    yield finding
    yield repeated_finding(repeated_images(images))
    yield overlap_finding("identities", _common(images, identities or set()))
    train = [image.record for image in images]
    if not errors:
        yield from side_findings("training", train, PUBLISHED["training"], generated)
    yield label_finding(label_conflicts(images))
    missing = missing_images(root, images)
    yield from listed_file_findings(images, missing)
    nameless = [image.path for image in images if not CAMERA_IN_NAME.search(image.path)]
    advice = "restore the published file names, such as 0351_c06_s200656_f4830_nir.jpg: training stops at this"
    yield none_expected("listed images whose name tells no camera", nameless, Level.PROBLEM, advice)
    test = person_records(folders, _CAMERA_FOLDERS, identities or set())
    if identities is not None:
        yield from side_findings("test", test, PUBLISHED["test"], generated, identities)
    used = {record[0] for record in (*train, *test)}
    if not errors and identities is not None:
        yield unlisted_files(folders, used)
    yield from image_findings(root, [record for record in (*train, *test) if record[0] not in missing])


def _common(images: list[ListedImage], test: set[int]) -> list[str]:
    """Identities on both sides. A training image's is the number of its folder: labels are numbered on their own."""
    people = {int(name) for image in images if re.fullmatch("[0-9]{1,9}", name := image.person or "")}
    return [str(pid) for pid in sorted(people & test)]
