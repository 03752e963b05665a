"""Generated RegDB and LLCM: their layout on disk, and that the datasets read them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datasets_ext.generated import LAYOUTS, generate_llcm, generate_regdb
from datasets_ext.generated.cameras import LLCM_CAMERAS, Band
from datasets_ext.generated.llcm import cameras_of
from datasets_ext.generated.work import halves
from datasets_ext.llcm import INFRARED_CAMERAS, LLCM, VISIBLE_CAMERAS
from datasets_ext.regdb import RegDB, available_splits
from datasets_ext.split_files import read_identities, read_image_list
from tools.generate_dataset import main

IDS, IMAGES, SEED = 9, 3, 5


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layouts")
    generate_regdb(folder / "RegDB", IDS, IMAGES, SEED)
    generate_llcm(folder / "LLCM", IDS, IMAGES, SEED)
    return folder


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def paths(records: list) -> set[str]:
    return {record[0] for record in records}


def pixels(path: str) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


@given(st.integers(4, 300), st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_halves_part_everybody(ids: int, entropy: list[int]) -> None:
    train, test = halves(ids, entropy)
    assert sorted(train + test) == list(range(1, ids + 1))
    assert len(test) == ids // 2


def test_regdb_has_the_images_of_everybody_and_ten_splits(root: Path) -> None:
    images = {
        f"{folder}/{pid}/person_{letter}_{pid:05d}_{index}.bmp"
        for folder, letter in (("Visible", "v"), ("Thermal", "t"))
        for pid in range(1, IDS + 1)
        for index in range(1, IMAGES + 1)
    }
    lists = {
        f"idx/{side}_{modality}_{split}.txt"
        for side in ("train", "test")
        for modality in ("visible", "thermal")
        for split in range(1, 11)
    }
    assert set(contents(root / "RegDB")) == images | lists | {"generated.json"}
    assert available_splits(root / "RegDB") == list(range(1, 11))


@pytest.mark.parametrize("split", range(1, 11))
def test_each_regdb_split_parts_all_images_in_halves(root: Path, split: int) -> None:
    data = RegDB(root=str(root), split=split)
    every = [*data.train, *data.query, *data.gallery]
    assert len(paths(every)) == len(every) == 2 * IDS * IMAGES
    assert {record.pid for record in data.train} == set(range(IDS - IDS // 2))
    assert {record.pid for record in data.query} == {record.pid for record in data.gallery} == set(range(IDS // 2))
    for side in (data.train, data.query + data.gallery):
        people = {(record.pid, Path(record[0]).parent.name) for record in side}
        assert len(people) == len({pid for pid, _ in people})  # one label, one person, in both modalities
        assert set(Counter((record.pid, record.modality) for record in side).values()) == {IMAGES}


def test_regdb_splits_differ(root: Path) -> None:
    sides = {frozenset(paths(RegDB(root=str(root), split=split).query)) for split in range(1, 11)}
    assert len(sides) >= 8


def test_regdb_images_are_small_and_thermal_bodies_are_warm(root: Path) -> None:
    data = RegDB(root=str(root))
    for record in data.query:
        picture = pixels(record[0])
        assert picture.shape == (128, 64, 3) and np.ptp(picture, axis=2).mean() > 5
    bodies, airs = [], []
    for record in data.gallery:
        picture = pixels(record[0])
        assert picture.shape == (128, 64, 3) and np.ptp(picture, axis=2).max() == 0
        air = np.concatenate([picture[5:30, :8], picture[5:30, -8:]]).mean()  # beside the head
        assert np.percentile(picture, 98) > air + 25  # bare skin
        bodies.append(picture[35:100, 24:40].mean())
        airs.append(air)
    assert np.mean(bodies) > np.mean(airs) + 35


def test_llcm_images_follow_the_layout(root: Path) -> None:
    data = LLCM(root=str(root))
    test = read_identities(root / "LLCM" / "idx" / "test_id.txt")
    assert len(test) == IDS // 2
    for record in data.train:
        modality, folder, name = Path(record[0]).relative_to(root / "LLCM").parts
        assert modality == ("nir" if record.modality else "vis") and int(folder) not in test
        assert name.startswith(f"{folder}_c{record[2]:02d}_s") and name.endswith(f"_{modality}.jpg")
    assert {record.pid for record in data.train} == set(range(IDS - IDS // 2))
    for records, cameras in ((data.query, INFRARED_CAMERAS), (data.gallery, VISIBLE_CAMERAS)):
        assert {record.pid for record in records} == test
        assert {record[2] for record in records} <= set(cameras)
    read = paths([*data.train, *data.query, *data.gallery])
    lists = {"idx/train_vis.txt", "idx/train_nir.txt", "idx/test_id.txt", "generated.json"}
    assert {str(Path(path).relative_to(root / "LLCM")) for path in read} == set(contents(root / "LLCM")) - lists
    counts = Counter((record.pid, record[2], record.modality) for record in data.train)
    assert set(counts.values()) == {IMAGES}


def test_llcm_cameras_are_those_of_the_dataset() -> None:
    for infrared, numbers in ((False, VISIBLE_CAMERAS), (True, INFRARED_CAMERAS)):
        assert tuple(camera.number for camera in LLCM_CAMERAS if camera.infrared == infrared) == numbers


@given(st.integers(1, 9999), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_everybody_passes_two_cameras_of_each_modality(pid: int, seed: int) -> None:
    passed = Counter(camera.band for camera in cameras_of(pid, seed))
    assert set(passed) == {Band.VISIBLE, Band.NEAR_INFRARED} and min(passed.values()) >= 2
    assert len(set(cameras_of(pid, seed))) == sum(passed.values())


def test_llcm_is_dark_by_day_and_gray_by_night(root: Path) -> None:
    data = LLCM(root=str(root))
    assert all(np.ptp(pixels(record[0]), axis=2).max() == 0 for record in data.query)
    regdb = np.mean([pixels(record[0]).mean() for record in RegDB(root=str(root)).query])
    assert np.mean([pixels(record[0]).mean() for record in data.gallery]) < 0.65 * regdb


@pytest.mark.parametrize("layout", ["regdb", "llcm"])
def test_same_bytes_whatever_the_number_of_processes(layout: str, tmp_path: Path) -> None:
    assert LAYOUTS[layout](tmp_path / "one", 5, 1, SEED) and LAYOUTS[layout](tmp_path / "three", 5, 1, SEED, workers=3)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    assert LAYOUTS[layout](tmp_path / "other", 5, 1, SEED + 1)
    images = {name: data for name, data in contents(tmp_path / "one").items() if name.endswith((".jpg", ".bmp"))}
    others = set(contents(tmp_path / "other").values())
    assert images and others.isdisjoint(images.values())


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_the_program_counts_the_images(layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    main(["--layout", layout, "--root", str(folder), *["--ids", "4", "--images", "2", "--seed", "1", "--workers", "1"]])
    written = sum(name.endswith((".jpg", ".bmp")) for name in contents(folder))
    said = capsys.readouterr().out
    assert written >= 16 and f"wrote {written} images of 4 people in the layout '{layout}'" in said
    assert f"drew 4 of 4 people, {written} images" in said


def test_lists_end_their_lines(root: Path) -> None:
    path = root / "LLCM" / "idx" / "train_nir.txt"
    assert path.read_text().endswith("\n") and len(read_image_list(path)) == path.read_text().count("\n")
