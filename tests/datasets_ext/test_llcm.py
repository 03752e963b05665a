"""LLCM's layout: what is read, and what is said when it is not as it should be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from datasets_ext import INFRARED, VISIBLE, UserError
from datasets_ext.llcm import INFRARED_CAMERAS, LLCM, VISIBLE_CAMERAS

TRAIN = {
    "train_vis": {"vis/0007/0007_c09_s1_f2_vis.jpg": 0, "vis/0003/0003_c01_s1_f9_vis.jpg": 1},
    "train_nir": {"nir/0007/0007_c01_s1_f2_nir.jpg": 0, "nir/0003/0003_c01_s1_f2_nir.jpg": 1},
}


def touch(root: Path, name: str) -> None:
    path = root / "LLCM" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Identities 7, 3 train; 12 and 5 test: in camera 1 of both modalities, 12 also in visible 3, 5 in infrared 9."""
    (tmp_path / "LLCM" / "idx").mkdir(parents=True)
    for name, images in TRAIN.items():
        for image in images:
            touch(tmp_path, image)
        lines = "".join(f"{image} {label}\n" for image, label in images.items())
        (tmp_path / "LLCM" / "idx" / f"{name}.txt").write_text(lines)
    (tmp_path / "LLCM" / "idx" / "test_id.txt").write_text("12,5\n")
    for place in ("vis/cam1/0012", "vis/cam1/0005", "vis/cam3/0012", "nir/cam1/0012", "nir/cam1/0005", "nir/cam9/0005"):
        for number in (2, 1):
            touch(tmp_path, f"test_{place}/{number}.jpg")
    touch(tmp_path, "test_vis/cam1/0007/1.jpg")  # no test identity
    touch(tmp_path, "test_nir/cam3/0012/1.jpg")  # no such camera
    touch(tmp_path, "test_nir/cam1/0012/Thumbs.db")  # no image
    return tmp_path


def shown(root: Path, records: list) -> list[tuple[str, int, int, int]]:
    return [(str(Path(r[0]).relative_to(root / "LLCM")), r[1], r[2], r.modality) for r in records]


def test_cameras() -> None:
    assert tuple(range(1, 10)) == VISIBLE_CAMERAS
    assert set(VISIBLE_CAMERAS) - set(INFRARED_CAMERAS) == {3} and sorted(INFRARED_CAMERAS) == list(INFRARED_CAMERAS)


def test_training_images_by_the_lists(root: Path) -> None:
    data = LLCM(root=str(root))
    assert shown(root, data.train) == [
        ("nir/0007/0007_c01_s1_f2_nir.jpg", 0, 1, INFRARED),
        ("nir/0003/0003_c01_s1_f2_nir.jpg", 1, 1, INFRARED),
        ("vis/0003/0003_c01_s1_f9_vis.jpg", 1, 1, VISIBLE),
        ("vis/0007/0007_c09_s1_f2_vis.jpg", 0, 9, VISIBLE),
    ]
    assert data.split is None and LLCM(root=str(root), split=4).split is None


def test_test_images_by_camera_then_identity_then_name(root: Path) -> None:
    data = LLCM(root=str(root))
    expected = {
        "query": [(1, 5), (1, 12), (9, 5)],
        "gallery": [(1, 5), (1, 12), (3, 12)],
    }
    for side, folder, modality in (("query", "test_nir", INFRARED), ("gallery", "test_vis", VISIBLE)):
        assert shown(root, getattr(data, side)) == [
            (f"{folder}/cam{camera}/{pid:04d}/{number}.jpg", pid, camera, modality)
            for camera, pid in expected[side]
            for number in (1, 2)
        ]


def test_combineall_keeps_the_people_of_both_sides_apart(root: Path) -> None:
    (root / "LLCM" / "idx" / "test_id.txt").write_text("1,12,5")
    for modality in ("vis", "nir"):
        touch(root, f"test_{modality}/cam2/0001/1.jpg")  # identity 1, as the label 1 of person 3
    data = LLCM(root=str(root), combineall=True)
    people: dict[int, set[str]] = {}
    for record in data.train:
        people.setdefault(record.pid, set()).add(Path(record[0]).parent.name)
    assert people == {0: {"0007"}, 1: {"0003"}, 3: {"0001"}, 7: {"0005"}, 14: {"0012"}}
    assert len(data.train) == 4 + len(data.query) + len(data.gallery)


def test_a_camera_is_in_the_file_name_only(root: Path) -> None:
    with (root / "LLCM" / "idx" / "train_vis.txt").open("a") as file:
        file.write("vis/a_c05_b/0003_s1.jpg 1\n")
    touch(root, "vis/a_c05_b/0003_s1.jpg")
    with pytest.raises(UserError, match=r"train_vis.txt, line 'vis/a_c05_b/0003_s1.jpg 1': .* tells no camera"):
        LLCM(root=str(root))


def test_missing_dataset(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"LLCM is not at .*set FASTREID_DATASETS"):
        LLCM(root=str(tmp_path))


@pytest.mark.parametrize("name", ["train_vis", "train_nir", "test_id"])
def test_missing_split_file(root: Path, name: str) -> None:
    assert f"idx/{name}.txt" in LLCM.split_files and len(LLCM.split_files) == 3
    (root / "LLCM" / "idx" / f"{name}.txt").unlink()
    with pytest.raises(UserError, match=rf"{name}.txt is missing: it comes with LLCM, in its idx folder"):
        LLCM(root=str(root))


def test_missing_images(root: Path) -> None:
    shutil.rmtree(root / "LLCM" / "nir" / "0003")
    with pytest.raises(UserError, match=r"1 of the 4 images listed .* the first is .*nir/0003/0003_c01_s1_f2_nir.jpg"):
        LLCM(root=str(root))


def test_an_image_in_both_lists(root: Path) -> None:
    with (root / "LLCM" / "idx" / "train_nir.txt").open("a") as file:
        file.write("vis/0007/0007_c09_s1_f2_vis.jpg 0\n")
    with pytest.raises(UserError, match="is in both train_vis.txt and train_nir.txt"):
        LLCM(root=str(root))


@pytest.mark.parametrize(("folder", "name"), [("test_vis", "visible"), ("test_nir", "infrared")])
def test_a_test_side_without_a_modality(root: Path, folder: str, name: str) -> None:
    shutil.rmtree(root / "LLCM" / folder)
    with pytest.raises(UserError, match=f"no {name} test image in .*: expected test_vis and test_nir"):
        LLCM(root=str(root))
