"""SYSU-MM01's layout: what is read, and what is said when it is not as it should be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from datasets_ext import INFRARED, UserError
from datasets_ext.sysu_mm01 import SYSU_MM01


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Identities 1, 2 (train), 3 (val), 4, 5 (test); two images each in cameras 1 and 6, one of identity 4 in 3."""
    folder = tmp_path / "SYSU-MM01"
    for camera, pid, number in [(c, p, n) for c in (1, 6) for p in range(1, 6) for n in (1, 2)] + [(3, 4, 1)]:
        path = folder / f"cam{camera}" / f"{pid:04d}" / f"{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 8)).save(path)
    (folder / "exp").mkdir()
    for name, ids in (("train", "1,2"), ("val", "3"), ("test", "4,5")):
        (folder / "exp" / f"{name}_id.txt").write_text(f"{ids}\n")
    return tmp_path


def test_sides_cameras_and_modalities(root: Path) -> None:
    data = SYSU_MM01(root=str(root))
    assert {record[1] for record in data.train} == {1, 2, 3} and len(data.train) == 12
    assert len(data.query) == 5 and {record.modality for record in data.query} == {1}
    assert len(data.gallery) == 4 and {record[2] for record in data.gallery} == {1}
    assert all((record.modality == INFRARED) == (record[2] in (3, 6)) for record in data.train)
    assert data.split is None
    assert data.query[0] == (str(root / "SYSU-MM01" / "cam3" / "0004" / "0001.jpg"), 4, 3)


def test_combineall_adds_the_test_images_with_their_modality(root: Path) -> None:
    data = SYSU_MM01(root=str(root), combineall=True)
    assert len(data.train) == 21 and sum(record.modality for record in data.train) == 11
    assert sorted({record[1] for record in data.train}) == [1, 2, 3, 8, 9]  # 4 and 5 follow after 3
    assert {record[1] for record in data.query} == {4, 5}


def test_missing_dataset(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"SYSU_MM01 is not at .*set FASTREID_DATASETS"):
        SYSU_MM01(root=str(tmp_path))


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_missing_split_file(root: Path, name: str) -> None:
    (root / "SYSU-MM01" / "exp" / f"{name}_id.txt").unlink()
    with pytest.raises(UserError, match=rf"{name}_id.txt is missing: it comes with SYSU-MM01, in its exp folder"):
        SYSU_MM01(root=str(root))


def test_overlapping_sides(root: Path) -> None:
    (root / "SYSU-MM01" / "exp" / "test_id.txt").write_text("3,4")
    with pytest.raises(UserError, match=r"identities \[3\] both train and test"):
        SYSU_MM01(root=str(root))


def test_a_side_without_a_modality(root: Path) -> None:
    shutil.rmtree(root / "SYSU-MM01" / "cam6")
    with pytest.raises(UserError, match="no infrared training image"):
        SYSU_MM01(root=str(root))
