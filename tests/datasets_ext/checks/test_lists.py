"""What is said about lists of images and of identities."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_ext.checks.findings import Level
from datasets_ext.checks.lists import (
    ImageList,
    ListedImage,
    check_identities,
    label_conflicts,
    listed_file_findings,
    missing_images,
    read_lists,
    repeated_images,
)
from datasets_ext.records import INFRARED, VISIBLE

LISTS = (ImageList("train_vis", "vis", VISIBLE), ImageList("train_nir", "nir", INFRARED))


def listed(person: str, label: int, modality: int = VISIBLE, name: str = "a") -> ListedImage:
    return ListedImage(f"vis/{person}/{name}.jpg", label, modality, person)


def write(root: Path, name: str, *lines: str) -> None:
    (root / "idx").mkdir(exist_ok=True)
    (root / "idx" / f"{name}.txt").write_text("\n".join(lines))


def test_lists_are_read_with_person_and_modality(tmp_path: Path) -> None:
    write(tmp_path, "train_vis", "vis/0007/a.jpg 0", "vis/b.jpg 1", "nir/0007/c.jpg 2", "vis/x/0007/d.jpg 3")
    write(tmp_path, "train_nir", "nir/0007/e.jpg 0")
    images, errors = read_lists(tmp_path, LISTS)
    assert errors == []
    assert [(image.person, image.label) for image in images] == [
        ("0007", 0),
        (None, 1),
        (None, 2),
        (None, 3),
        ("0007", 0),
    ]
    assert [image.record.modality for image in images] == [VISIBLE] * 4 + [INFRARED]


def test_a_broken_list_does_not_hide_the_other(tmp_path: Path) -> None:
    write(tmp_path, "train_vis", "vis/0007/a.jpg 0", "vis/0007/b.jpg")
    write(tmp_path, "train_nir", "nir/0007/e.jpg 0")
    images, errors = read_lists(tmp_path, LISTS)
    assert [image.path for image in images] == ["nir/0007/e.jpg"]
    assert len(errors) == 1 and "train_vis.txt, line 2" in errors[0]


def test_missing_and_misplaced_files(tmp_path: Path) -> None:
    for path in ("vis/0007/a.jpg", "nir/0007/c.jpg"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    write(tmp_path, "train_vis", "vis/0007/a.jpg 0", "vis/0007/b.jpg 0", "nir/0007/c.jpg 0")
    images = read_lists(tmp_path, LISTS[:1])[0]
    missing, misplaced = listed_file_findings(images, missing_images(tmp_path, images))
    assert (missing.level, missing.items) == (Level.PROBLEM, ("vis/0007/b.jpg",))
    assert (misplaced.level, misplaced.items) == (Level.DIFFERS, ("nir/0007/c.jpg",))


def test_labels_that_mean_two_people_and_people_of_two_labels() -> None:
    images = [listed("1", 0), listed("2", 0, INFRARED), listed("3", 4), listed("3", 5), listed("6", 6)]
    assert label_conflicts(images) == ["label 0 of people 1 and 2", "person 3 of labels 4 and 5"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=6))
def test_no_conflict_means_one_to_one(pairs: list[tuple[str, int]]) -> None:
    conflicts = label_conflicts([listed(person, label) for person, label in pairs])
    distinct = set(pairs)
    one_to_one = len(distinct) == len({p for p, _ in distinct}) == len({label for _, label in distinct})
    assert (conflicts == []) == one_to_one


def test_repeated_images() -> None:
    images = [listed("1", 0), listed("1", 0, INFRARED), listed("1", 0, name="b")]
    assert repeated_images(images) == ["vis/1/a.jpg"]


@pytest.mark.parametrize(
    ("text", "generated", "level", "found"),
    [
        ("1,2,3", False, Level.OK, "3"),
        ("1,2", False, Level.DIFFERS, "2"),
        ("1,2", True, Level.NOTE, "2"),
        ("1;2", True, Level.PROBLEM, "unreadable"),
        ("", False, Level.PROBLEM, "unreadable"),
    ],
)
def test_identity_files(tmp_path: Path, text: str, generated: bool, level: Level, found: str) -> None:
    path = tmp_path / "exp" / "test_id.txt"
    path.parent.mkdir()
    path.write_text(text)
    identities, finding = check_identities(path, 3, generated)
    assert (finding.what, finding.expected, finding.found) == ("identities in exp/test_id.txt", "3", found)
    assert finding.level == level
    assert identities == (None if level == Level.PROBLEM else {int(n) for n in text.split(",")})
