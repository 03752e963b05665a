"""RegDB: what is in its folder, against what is published, over its ten splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datasets_ext.records import INFRARED, VISIBLE
from datasets_ext.regdb import available_splits

from .counts import (
    SideCounts,
    count_findings,
    count_records,
    incomplete_identities,
    modality_finding,
    number_finding,
)
from .findings import Finding, Level, none_expected
from .folders import folder_findings, scan_folders, unlisted_files
from .images import image_findings
from .lists import (
    ImageList,
    ListedImage,
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

# Nguyen et al., "Person Recognition System Based on a Combination of Body Images from Visible Light and Thermal
# Cameras", Sensors 2017 (https://doi.org/10.3390/s17030605): 412 people, 10 images of each and camera. The ten splits
# into halves came with Ye et al., "Hierarchical Discriminative Learning for Visible Thermal Person
# Re-Identification", AAAI 2018.
SPLITS = 10
PEOPLE = 412
IMAGES = 10
PUBLISHED = SideCounts(206, 2060, 2060)

_FOLDERS = (("visible", "Visible", VISIBLE), ("thermal", "Thermal", INFRARED))


@dataclass(frozen=True)
class Split:
    """The listed images of one split; a side that could not be read whole is still checked as far as it goes."""

    number: int
    train: list[ListedImage]
    test: list[ListedImage]
    errors: list[str]


def check_regdb(root: Path, generated: bool) -> Iterator[Finding]:
    """All findings about the copy of RegDB at ``root``; ``generated`` data may have any counts but the splits'."""
    folders = scan_folders(root, [folder for _, folder, _ in _FOLDERS])
    yield from folder_findings(folders)
    splits = [_read_split(root, number) for number in available_splits(root)]
    yield _split_finding([split.number for split in splits])
    yield list_file_finding([error for split in splits for error in split.errors])
    yield from _overlap_findings(splits)
    complete = [split for split in splits if not split.errors]
    if complete:
        yield from _count_findings(complete, generated)
    listed = [image for split in splits for image in (*split.train, *split.test)]
    images = list({image.path: image for image in listed}.values())
    if images:
        yield from _people_findings(images, generated)
    missing = missing_images(root, images)
    yield from listed_file_findings(listed, missing)
    if len(complete) == len(splits):
        yield unlisted_files(folders, {image.path for image in images})
    yield from image_findings(root, [image.record for image in images if image.path not in missing])


def _split_finding(numbers: list[int]) -> Finding:
    missing = [f"split {number}" for number in range(1, SPLITS + 1) if number not in numbers]
    level = Level.DIFFERS if numbers else Level.PROBLEM
    return none_expected(f"splits missing of {SPLITS}", missing, level, "copy the idx folder of the dataset again")


def _read_split(root: Path, number: int) -> Split:
    sides, errors = [], []
    for side in ("train", "test"):
        lists = [ImageList(f"{side}_{name}_{number}", folder, modality) for name, folder, modality in _FOLDERS]
        images, wrong = read_lists(root, lists)
        sides.append(images)
        errors += wrong
    return Split(number, sides[0], sides[1], errors)


def _overlap_findings(splits: list[Split]) -> Iterator[Finding]:
    """Images in two lists of a split, people on both of its sides, and labels that mean two people."""
    files, people, labels = [], [], []
    for split in splits:
        here = f"split {split.number}: "
        files += [here + path for path in repeated_images([*split.train, *split.test])]
        train, test = ({image.person for image in side if image.person} for side in (split.train, split.test))
        people += [f"{here}person {name}" for name in sorted(train & test)]
        labels += [f"{here}{conflict}" for side in (split.train, split.test) for conflict in label_conflicts(side)]
    yield repeated_finding(files)
    yield overlap_finding("people", people)
    yield label_finding(labels)


def _count_findings(splits: list[Split], generated: bool) -> Iterator[Finding]:
    for side, name in (("training", "train"), ("test", "test")):
        records = {f"split {split.number}": [image.record for image in getattr(split, name)] for split in splits}
        counts = {split: count_records(found) for split, found in records.items()}
        yield from count_findings(side, counts, PUBLISHED, generated)
        incomplete = [
            f"{split}: label {identity}"
            for split, found in records.items()
            for identity in incomplete_identities(found)
        ]
        yield modality_finding(side, incomplete)


def _people_findings(images: list[ListedImage], generated: bool) -> Iterator[Finding]:
    """Over all splits: how many people there are, and how many images of each in each modality."""
    counts = Counter(image.path.rpartition("/")[0] for image in images if image.person is not None)
    people = {image.person for image in images if image.person is not None}
    yield number_finding("people in all splits", {"all": len(people)}, PEOPLE, generated)
    if counts:
        yield number_finding("images of a person and modality", counts, IMAGES, generated)
