"""A copy of RegDB with each defect planted once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets_ext.checks import Level, check_dataset, regdb
from datasets_ext.checks.counts import SideCounts
from tests.checked import faults, finding

USABLE = "usable, but not the published dataset"


@pytest.fixture
def root(copy: Callable[[str], Path]) -> Path:
    return copy("RegDB")


def lines(root: Path, name: str) -> list[str]:
    return (root / "idx" / f"{name}.txt").read_text().splitlines()


def rewrite(root: Path, name: str, entries: list[str]) -> None:
    (root / "idx" / f"{name}.txt").write_text("\n".join(entries) + "\n")


def person(line: str) -> str:
    return line.split("/")[1]


def test_generated_data_is_recognised(root: Path) -> None:
    report = check_dataset("RegDB", root)
    assert (report.generated, report.verdict, report.exit_status) == (True, USABLE, 0)
    assert faults(report) == []
    found = {f.what: f.found for f in report.findings}
    assert found["people in all splits"] == "8" and found["images of a person and modality"] == "2"
    for side in ("training", "test"):
        assert [found[f"{side} {what}"] for what in ("identities", "visible images", "infrared images")] == [
            "4",
            "8",
            "8",
        ]


def test_a_copy_of_published_size_is_ok(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "generated.json").unlink()
    report = check_dataset("RegDB", root)
    assert (report.verdict, report.exit_status, len(faults(report))) == (USABLE, 1, 8)
    monkeypatch.setattr(regdb, "PUBLISHED", SideCounts(4, 8, 8))
    monkeypatch.setattr(regdb, "PEOPLE", 8)
    monkeypatch.setattr(regdb, "IMAGES", 2)
    report = check_dataset("RegDB", root)
    assert (report.verdict, report.exit_status) == ("ok: the published dataset", 0)


def test_a_whole_split_is_missing(root: Path) -> None:
    for path in root.glob("idx/*_7.txt"):
        path.unlink()
    report = check_dataset("RegDB", root)
    assert faults(report) == ["splits missing of 10"]
    assert finding(report, "splits missing").items == ("split 7",)
    assert (report.verdict, report.exit_status) == (USABLE, 1)


def test_one_list_is_missing(root: Path) -> None:
    (root / "idx" / "test_thermal_3.txt").unlink()
    report = check_dataset("RegDB", root)
    assert faults(report) == ["missing or malformed lists in idx"]
    (error,) = finding(report, "missing or malformed lists").items
    assert "test_thermal_3.txt is missing" in error
    assert report.verdict == "not usable"


def test_no_list_at_all(root: Path) -> None:
    shutil.rmtree(root / "idx")
    report = check_dataset("RegDB", root)
    assert finding(report, "splits missing").level == Level.PROBLEM and report.verdict == "not usable"


@pytest.mark.parametrize("entry", ["Visible/1/a.bmp", "../secret.bmp 3", "\x00"])
def test_a_malformed_list_does_not_stop_the_other_checks(root: Path, entry: str) -> None:
    rewrite(root, "train_visible_2", [*lines(root, "train_visible_2"), entry])
    (root / lines(root, "train_visible_1")[0].split()[0]).write_bytes(b"")
    report = check_dataset("RegDB", root)
    assert faults(report) == ["missing or malformed lists in idx", finding(report, "unreadable images").what]
    assert finding(report, "training identities").found == "4"


def test_a_person_in_training_and_test(root: Path) -> None:
    moved = lines(root, "train_visible_4")[0]
    number = person(moved)
    kept = [line for line in lines(root, "train_visible_4") if line != moved]
    rewrite(root, "train_visible_4", kept)
    rewrite(root, "test_visible_4", [*lines(root, "test_visible_4"), f"{moved.split()[0]} 9"])
    report = check_dataset("RegDB", root)
    found = finding(report, "people in training and test")
    assert (found.level, found.items) == (Level.PROBLEM, (f"split 4: person {number}",))
    assert finding(report, "images in two lists").level == Level.OK
    assert finding(report, "test identities without both").items == ("split 4: label 9 (no infrared)",)
    assert finding(report, "training visible images").items == ()  # generated data: any number is as good
    assert finding(report, "training visible images").found == "7, 8"


def test_an_image_in_training_and_test(root: Path) -> None:
    path = lines(root, "train_thermal_1")[0].split()[0]
    rewrite(root, "test_thermal_1", [*lines(root, "test_thermal_1"), f"{path} 0"])
    found = finding(check_dataset("RegDB", root), "images in two lists")
    assert (found.level, found.items) == (Level.PROBLEM, (f"split 1: {path}",))


def test_labels_of_the_modalities_disagree(root: Path) -> None:
    entries = lines(root, "train_thermal_5")
    labels = {"0": "1", "1": "0"}
    swapped = [f"{path} {labels.get(label, label)}" for path, label in (line.split() for line in entries)]
    rewrite(root, "train_thermal_5", swapped)
    report = check_dataset("RegDB", root)
    assert faults(report) == ["labels not one to one with person folders"]
    items = finding(report, "labels not one to one").items
    assert len(items) == 4 and all(item.startswith("split 5: ") for item in items)


def test_a_listed_image_is_missing(root: Path) -> None:
    path = lines(root, "test_visible_1")[0].split()[0]
    (root / path).unlink()
    report = check_dataset("RegDB", root)
    assert faults(report) == ["listed images that are missing"]
    assert finding(report, "listed images that are missing").items == (path,)


def test_visible_and_thermal_lists_swapped(root: Path) -> None:
    visible, thermal = lines(root, "train_visible_1"), lines(root, "train_thermal_1")
    rewrite(root, "train_visible_1", thermal)
    rewrite(root, "train_thermal_1", visible)
    found = finding(check_dataset("RegDB", root), "listed images outside")
    assert found.level == Level.DIFFERS and len(found.items) == 16


def test_folders_missing_and_empty(root: Path) -> None:
    shutil.rmtree(root / "Visible")
    shutil.rmtree(root / "Thermal" / "1")
    (root / "Thermal" / "1").mkdir()
    report = check_dataset("RegDB", root)
    assert finding(report, "missing or empty of").items == ("Visible",)
    assert finding(report, "empty folders").items == ("Thermal/1",)
    assert len(finding(report, "listed images that are missing").items) == 18


def test_idx_is_a_file(root: Path) -> None:
    shutil.rmtree(root / "idx")
    (root / "idx").write_text("lists")
    assert check_dataset("RegDB", root).verdict == "not usable"
