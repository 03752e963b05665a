"""A copy of LLCM with each defect planted once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets_ext.checks import Level, check_dataset, llcm
from datasets_ext.checks.counts import SideCounts
from tests.checked import faults, finding

USABLE = "usable, but not the published dataset"


@pytest.fixture
def root(copy: Callable[[str], Path]) -> Path:
    return copy("LLCM")


def lines(root: Path, name: str) -> list[str]:
    return (root / "idx" / f"{name}.txt").read_text().splitlines()


def rewrite(root: Path, name: str, entries: list[str]) -> None:
    (root / "idx" / f"{name}.txt").write_text("\n".join(entries) + "\n")


def identities(root: Path) -> list[int]:
    return [int(pid) for pid in (root / "idx" / "test_id.txt").read_text().split(",")]


def counts(root: Path) -> dict[str, SideCounts]:
    sizes = {name: len(lines(root, name)) for name in ("train_vis", "train_nir")}
    test = {name: len(list(root.glob(f"{name}/cam*/*/*"))) for name in ("test_vis", "test_nir")}
    return {
        "training": SideCounts(4, sizes["train_vis"], sizes["train_nir"]),
        "test": SideCounts(4, test["test_vis"], test["test_nir"]),
    }


def test_generated_data_is_recognised(root: Path) -> None:
    report = check_dataset("LLCM", root)
    assert (report.generated, report.verdict, report.exit_status) == (True, USABLE, 0)
    assert faults(report) == []
    for side, expected in counts(root).items():
        assert finding(report, f"{side} identities").found == str(expected.identities)
        assert finding(report, f"{side} visible images").found == str(expected.visible)
        assert finding(report, f"{side} infrared images").found == str(expected.infrared)


def test_a_copy_of_published_size_is_ok(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "generated.json").unlink()
    report = check_dataset("LLCM", root)
    assert (report.verdict, report.exit_status, len(faults(report))) == (USABLE, 1, 7)
    monkeypatch.setattr(llcm, "PUBLISHED", counts(root))
    report = check_dataset("LLCM", root)
    assert (report.verdict, report.exit_status) == ("ok: the published dataset", 0)


@pytest.mark.parametrize("name", ["train_vis", "train_nir"])
def test_a_list_is_missing(root: Path, name: str) -> None:
    (root / "idx" / f"{name}.txt").unlink()
    report = check_dataset("LLCM", root)
    assert faults(report) == ["missing or malformed lists in idx"]
    assert finding(report, "test identities").found == "4"


def test_the_test_identities_are_missing(root: Path) -> None:
    (root / "idx" / "test_id.txt").unlink()
    report = check_dataset("LLCM", root)
    assert faults(report) == ["identities in idx/test_id.txt"]
    assert finding(report, "training identities").found == "4"


def test_an_identity_in_training_and_test(root: Path) -> None:
    folder = lines(root, "train_vis")[0].split("/")[1]
    (root / "idx" / "test_id.txt").write_text(",".join(map(str, [*identities(root), int(folder)])))
    report = check_dataset("LLCM", root)
    overlap = finding(report, "identities in training and test")
    assert (overlap.level, overlap.items) == (Level.PROBLEM, (str(int(folder)),))
    assert finding(report, "test identities without both").items == (f"{int(folder)} (no image)",)


def test_an_identity_without_infrared(root: Path) -> None:
    label = lines(root, "train_nir")[0].split()[-1]
    rewrite(root, "train_nir", [line for line in lines(root, "train_nir") if line.split()[-1] != label])
    pid = identities(root)[0]
    for folder in root.glob(f"test_nir/cam*/{pid:04d}"):
        shutil.rmtree(folder)
    report = check_dataset("LLCM", root)
    assert faults(report) == ["training identities without both modalities"]
    assert finding(report, "training identities without both").items == (f"{label} (no infrared)",)
    assert finding(report, "test identities without both").items == (f"{pid} (no infrared)",)
    assert all(name.startswith("nir/") for name in finding(report, "files that no list names").items)


def test_a_listed_image_is_missing_and_one_is_not_listed(root: Path) -> None:
    first, second, *rest = lines(root, "train_vis")
    rewrite(root, "train_vis", [first, *rest])
    (root / first.split()[0]).unlink()
    report = check_dataset("LLCM", root)
    assert faults(report) == ["listed images that are missing"]
    assert finding(report, "listed images that are missing").items == (first.split()[0],)
    assert finding(report, "files that no list names").items == (second.split()[0],)


def test_a_name_without_a_camera(root: Path) -> None:
    first, *rest = lines(root, "train_nir")
    path, label = first.split()
    (root / path).rename((root / path).with_name("photo.jpg"))
    renamed = f"{Path(path).parent.as_posix()}/photo.jpg"
    rewrite(root, "train_nir", [f"{renamed} {label}", *rest])
    report = check_dataset("LLCM", root)
    assert faults(report) == ["listed images whose name tells no camera"]
    assert finding(report, "listed images whose name").items == (renamed,)


def test_an_image_in_both_lists(root: Path) -> None:
    entry = lines(root, "train_vis")[0]
    rewrite(root, "train_nir", [*lines(root, "train_nir"), entry])
    report = check_dataset("LLCM", root)
    assert finding(report, "images in two lists").items == (entry.split()[0],)


def test_a_label_of_two_people(root: Path) -> None:
    entries = [line.split() for line in lines(root, "train_vis")]
    rewrite(root, "train_vis", [f"{path} 0" for path, _ in entries])
    assert finding(check_dataset("LLCM", root), "labels not one to one").level == Level.PROBLEM


def test_a_folder_is_missing(root: Path) -> None:
    shutil.rmtree(root / "test_nir")
    report = check_dataset("LLCM", root)
    assert finding(report, "missing or empty of").items == ("test_nir",)
    assert finding(report, "test infrared images").level == Level.PROBLEM
    assert report.verdict == "not usable"


def test_camera_3_has_no_infrared_images(root: Path) -> None:
    stray = root / "test_nir" / "cam3" / f"{identities(root)[0]:04d}" / "0001.jpg"
    stray.parent.mkdir(parents=True)
    stray.touch()
    report = check_dataset("LLCM", root)
    assert faults(report) == []
    assert finding(report, "files that no list names").items == (str(stray.relative_to(root)),)
