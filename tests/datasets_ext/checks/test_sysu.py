"""A copy of SYSU-MM01 with each defect planted once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from datasets_ext.checks import Level, check_dataset, sysu
from datasets_ext.checks.counts import SideCounts
from datasets_ext.generated import generate_sysu
from tests.checked import faults, finding

USABLE = "usable, but not the published dataset"


@pytest.fixture
def root(copy: Callable[[str], Path]) -> Path:
    return copy("SYSU_MM01")


def ids(root: Path, name: str) -> list[int]:
    return [int(pid) for pid in (root / "exp" / f"{name}_id.txt").read_text().split(",")]


def images(root: Path, pids: list[int], cameras: str) -> list[Path]:
    return [path for camera in cameras for pid in pids for path in sorted(root.glob(f"cam{camera}/{pid:04d}/*"))]


def test_generated_data_is_recognised(root: Path) -> None:
    report = check_dataset("SYSU_MM01", root)
    assert (report.generated, report.verdict, report.exit_status) == (True, USABLE, 0)
    assert faults(report) == []
    test = ids(root, "test")
    assert finding(report, "test infrared images").found == str(len(images(root, test, "36")))
    assert finding(report, "test visible images").found == str(len(images(root, test, "1245")))
    assert finding(report, "test identities").found == "4"
    train = ids(root, "train") + ids(root, "val")
    assert finding(report, "training infrared images").found == str(len(images(root, train, "36")))


def test_a_copy_of_published_size_is_ok(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "generated.json").unlink()
    assert (check_dataset("SYSU_MM01", root).verdict, check_dataset("SYSU_MM01", root).exit_status) == (USABLE, 1)
    sides = {"training": ids(root, "train") + ids(root, "val"), "test": ids(root, "test")}
    published = {
        side: SideCounts(4, len(images(root, pids, "1245")), len(images(root, pids, "36")))
        for side, pids in sides.items()
    }
    monkeypatch.setattr(sysu, "PUBLISHED", published)
    monkeypatch.setattr(sysu, "IDENTITIES", {"train": 3, "val": 1, "test": 4})
    (root / "cam1" / "0777").mkdir()
    (root / "cam1" / "0777" / "0001.jpg").touch()  # the archive has people whom no list names
    report = check_dataset("SYSU_MM01", root)
    assert (report.verdict, report.exit_status) == ("ok: the published dataset", 0)
    assert finding(report, "files that no list names").items == ("cam1/0777/0001.jpg",)


def test_an_unfinished_generation_is_a_problem(root: Path) -> None:
    (root / "generated.json").rename(root / "generated.partial.json")
    assert finding(check_dataset("SYSU_MM01", root), "origin").level == Level.PROBLEM


@pytest.mark.parametrize("text", ["", "[1]", "7", '{"layout": "sysu"}', '{"layout": "regdb", "ids": 8}'])
def test_another_generated_json_is_a_problem(root: Path, text: str) -> None:
    (root / "generated.json").write_text(text)
    report = check_dataset("SYSU_MM01", root)
    assert finding(report, "origin").level == Level.PROBLEM and not report.generated


@pytest.mark.parametrize("name", ["train", "val", "test"])
@pytest.mark.parametrize("text", [None, "1;2", ""])
def test_a_broken_split_file_does_not_stop_the_other_checks(root: Path, name: str, text: str | None) -> None:
    path = root / "exp" / f"{name}_id.txt"
    path.unlink() if text is None else path.write_text(text)
    report = check_dataset("SYSU_MM01", root)
    assert faults(report) == [f"identities in exp/{name}_id.txt"]
    counted = {f.what.split()[0] for f in report.findings if f.what.endswith("visible images")}
    assert counted == {"test" if name != "test" else "training"}
    assert report.verdict == "not usable"
    assert str(path) in finding(report, f"identities in exp/{name}_id.txt").advice


def test_an_identity_in_training_and_test(root: Path) -> None:
    both = ids(root, "train")[0]
    (root / "exp" / "test_id.txt").write_text(",".join(map(str, [*ids(root, "test"), both])))
    overlap = finding(check_dataset("SYSU_MM01", root), "identities in training and test")
    assert (overlap.level, overlap.items) == (Level.PROBLEM, (str(both),))


def test_identities_without_a_modality(root: Path) -> None:
    train, test = ids(root, "train")[0], ids(root, "test")[0]
    for camera in "36":
        shutil.rmtree(root / f"cam{camera}" / f"{train:04d}", ignore_errors=True)
    for camera in "1245":
        shutil.rmtree(root / f"cam{camera}" / f"{test:04d}", ignore_errors=True)
    report = check_dataset("SYSU_MM01", root)
    found = finding(report, "training identities without both modalities")
    assert (found.level, found.items) == (Level.DIFFERS, (f"{train} (no infrared)",))
    found = finding(report, "test identities without both modalities")
    assert (found.level, found.items) == (Level.NOTE, (f"{test} (no visible)",))


def test_the_permutation_file_is_missing(root: Path) -> None:
    (root / "exp" / "rand_perm_cam.mat").unlink()
    report = check_dataset("SYSU_MM01", root)
    assert faults(report) == ["exp/rand_perm_cam.mat"]
    assert "is missing" in finding(report, "exp/rand_perm_cam.mat").advice


def test_the_permutation_file_of_another_dataset(root: Path, tmp_path: Path) -> None:
    generate_sysu(tmp_path / "other", ids=8, images=3, seed=3)
    shutil.copy(tmp_path / "other" / "exp" / "rand_perm_cam.mat", root / "exp")
    report = check_dataset("SYSU_MM01", root)
    assert faults(report) == ["exp/rand_perm_cam.mat"]
    found = finding(report, "exp/rand_perm_cam.mat")
    cells = {path.parent for path in images(root, ids(root, "test"), "123456")}
    assert found.found == f"{len(cells)} do not fit"
    assert all("permutations of 3 images, but 2 are given" in item for item in found.items)


def test_the_permutation_file_knows_of_lost_images(root: Path) -> None:
    lost = images(root, ids(root, "test"), "1245")[0]
    lost.unlink()
    found = finding(check_dataset("SYSU_MM01", root), "exp/rand_perm_cam.mat")
    assert found.level == Level.PROBLEM and len(found.items) == 1
    assert found.items[0].startswith(f"camera {lost.parts[-3][3]}, identity {int(lost.parts[-2])}: permutations of 2")


def test_the_permutation_file_without_test_identities_is_only_read(root: Path) -> None:
    (root / "exp" / "test_id.txt").unlink()
    assert finding(check_dataset("SYSU_MM01", root), "exp/rand_perm_cam.mat").level == Level.NOTE


def test_a_camera_is_missing(root: Path) -> None:
    shutil.rmtree(root / "cam6")
    shutil.rmtree(root / "cam3")
    (root / "cam3").mkdir()
    report = check_dataset("SYSU_MM01", root)
    assert finding(report, "missing or empty of").items == ("cam3", "cam6")
    assert finding(report, "test infrared images").level == Level.PROBLEM


def test_only_images_in_use_are_opened(root: Path) -> None:
    used, unused = images(root, ids(root, "test"), "1")[0], root / "cam1" / "0777" / "0001.jpg"
    unused.parent.mkdir()
    for path in (used, unused):
        path.write_bytes(b"")
    report = check_dataset("SYSU_MM01", root)
    assert faults(report) == [finding(report, "unreadable images").what]
    assert finding(report, "unreadable images").items == (f"{used.relative_to(root)} (zero bytes)",)


def test_swapped_modalities_are_noted(root: Path) -> None:
    for path in images(root, ids(root, "train"), "1"):
        Image.open(path).convert("L").save(path)
    found = finding(check_dataset("SYSU_MM01", root), "gray images")
    assert len(found.items) == len(images(root, ids(root, "train"), "1"))
