"""Split files: whether they can be read, and what is wrong with the images and labels that they list."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from datasets_ext.errors import UserError
from datasets_ext.records import ImageRecord
from datasets_ext.split_files import missing_files, read_identities, read_image_list

from .counts import number_finding
from .findings import Finding, Level, none_expected

_COPY_LISTS = "copy the split files again from the dataset's archive"


@dataclass(frozen=True)
class ImageList:
    """One list of images, ``idx/<name>.txt``, and the top folder that its images belong in."""

    name: str
    folder: str
    modality: int


@dataclass(frozen=True)
class ListedImage:
    """One line of a list; ``person`` is the folder of the image's person, None if the path is not in the layout."""

    path: str
    label: int
    modality: int
    person: str | None

    @property
    def record(self) -> ImageRecord:
        return ImageRecord(self.path, self.label, 0, self.modality)


def check_identities(path: Path, published: int, generated: bool) -> tuple[set[int] | None, Finding]:
    """The identities of a split file, None if it cannot be read; and the finding about it."""
    what = f"identities in {path.parent.name}/{path.name}"
    try:
        identities = read_identities(path)
    except UserError as error:
        return None, Finding(what, str(published), "unreadable", Level.PROBLEM, str(error))
    return identities, number_finding(what, {path.name: len(identities)}, published, generated)


def read_lists(root: Path, lists: Sequence[ImageList]) -> tuple[list[ListedImage], list[str]]:
    """The images of ``root/idx/<name>.txt`` for all lists, and what is wrong with lists that cannot be read."""
    images, errors = [], []
    for source in lists:
        try:
            lines = read_image_list(root / "idx" / f"{source.name}.txt")
        except UserError as error:
            errors.append(str(error))
            continue
        images += [ListedImage(path, label, source.modality, _person(path, source.folder)) for path, label in lines]
    return images, errors


def list_file_finding(errors: Sequence[str]) -> Finding:
    """The finding about the lists that cannot be read."""
    return none_expected("missing or malformed lists in idx", errors, Level.PROBLEM, _COPY_LISTS)


def missing_images(root: Path, images: Iterable[ListedImage]) -> set[str]:
    """Paths of those images that are not there."""
    return set(missing_files(root, {image.path for image in images}))


def listed_file_findings(images: Sequence[ListedImage], missing: Set[str]) -> Iterator[Finding]:
    """The finding about :func:`missing_images`, and whether all are in the folder of their modality and a person."""
    advice = "restore them, or take them out of the lists"
    yield none_expected("listed images that are missing", sorted(missing), Level.PROBLEM, advice)
    misplaced = sorted({image.path for image in images if image.person is None})
    yield none_expected("listed images outside <modality>/<person>/", misplaced, Level.DIFFERS, _COPY_LISTS)


def label_conflicts(images: Iterable[ListedImage]) -> list[str]:
    """Where labels and person folders of one side are not one to one, over both modalities."""
    people: dict[int, set[str]] = defaultdict(set)
    labels: dict[str, set[int]] = defaultdict(set)
    for image in images:
        if image.person is not None:
            people[image.label].add(image.person)
            labels[image.person].add(image.label)
    split = [f"label {label} of people {_and(found)}" for label, found in sorted(people.items()) if len(found) > 1]
    return split + [
        f"person {name} of labels {_and(found)}" for name, found in sorted(labels.items()) if len(found) > 1
    ]


def label_finding(conflicts: Sequence[str]) -> Finding:
    """The finding about :func:`label_conflicts`."""
    return none_expected("labels not one to one with person folders", conflicts, Level.PROBLEM, _COPY_LISTS)


def repeated_images(images: Iterable[ListedImage]) -> list[str]:
    """Images that several of the lists name."""
    return sorted(path for path, times in Counter(image.path for image in images).items() if times > 1)


def repeated_finding(repeated: Sequence[str]) -> Finding:
    """The finding about :func:`repeated_images`."""
    return none_expected("images in two lists", repeated, Level.PROBLEM, _COPY_LISTS)


def overlap_finding(what: str, common: Sequence[str]) -> Finding:
    """The finding about identities or people on both sides, as ``what`` calls them."""
    advice = f"results would be on people seen in training: {_COPY_LISTS}"
    return none_expected(f"{what} in training and test", common, Level.PROBLEM, advice)


def _and(values: Iterable[object]) -> str:
    return " and ".join(sorted(map(str, values)))


def _person(path: str, folder: str) -> str | None:
    parts = path.split("/")
    return parts[1] if len(parts) == 3 and parts[0] == folder else None
