"""RegDB's layout: what a split holds, and what is said when it is not as it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasets_ext import INFRARED, VISIBLE, UserError
from datasets_ext.regdb import RegDB, available_splits


def add(root: Path, list_name: str, name: str, label: int) -> None:
    """One image, and its line in a list."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    (root / "idx").mkdir(exist_ok=True)
    with (root / "idx" / f"{list_name}.txt").open("a") as file:
        file.write(f"{name} {label}\n")


@pytest.fixture
def datasets_folder(tmp_path: Path) -> Path:
    """Two splits; people 30, 4 train and 11, 2 test in the first and the other way round in the second."""
    root = tmp_path / "RegDB"
    for split, sides in ((1, {"train": (30, 4), "test": (11, 2)}), (2, {"train": (11, 2), "test": (30, 4)})):
        for side, people in sides.items():
            for label, person in enumerate(people):
                for number in (2, 1):
                    add(root, f"{side}_visible_{split}", f"Visible/{person}/a_v_{number}.bmp", label)
                    add(root, f"{side}_thermal_{split}", f"Thermal/{person}/a_t_{number}.png", label)
    return tmp_path


def shown(root: Path, records: list) -> list[tuple[str, int, int, int]]:
    return [(str(Path(r[0]).relative_to(root / "RegDB")), r[1], r[2], r.modality) for r in records]


def test_a_split_by_its_lists(datasets_folder: Path) -> None:
    data = RegDB(root=str(datasets_folder))
    assert data.split == 1 and data.dataset_root == datasets_folder / "RegDB"
    assert shown(datasets_folder, data.query) == [
        ("Visible/11/a_v_1.bmp", 0, 1, VISIBLE),
        ("Visible/11/a_v_2.bmp", 0, 1, VISIBLE),
        ("Visible/2/a_v_1.bmp", 1, 1, VISIBLE),
        ("Visible/2/a_v_2.bmp", 1, 1, VISIBLE),
    ]
    assert [path for path, *_ in shown(datasets_folder, data.gallery)] == [
        f"Thermal/{person}/a_t_{number}.png" for person in (11, 2) for number in (1, 2)
    ]
    assert {(record[2], record.modality) for record in data.gallery} == {(2, INFRARED)}
    assert shown(datasets_folder, data.train)[::2] == [
        ("Visible/30/a_v_1.bmp", 0, 1, VISIBLE),
        ("Visible/4/a_v_1.bmp", 1, 1, VISIBLE),
        ("Thermal/30/a_t_1.png", 0, 2, INFRARED),
        ("Thermal/4/a_t_1.png", 1, 2, INFRARED),
    ]


def test_the_split_files_are_those_of_its_split(datasets_folder: Path) -> None:
    names = {f"idx/{side}_{kind}_2.txt" for side in ("train", "test") for kind in ("visible", "thermal")}
    data = RegDB(root=str(datasets_folder), split=2)
    assert set(data.split_files) == names and all((data.dataset_root / name).is_file() for name in names)


def test_another_split_trains_on_others(datasets_folder: Path) -> None:
    first, second = RegDB(root=str(datasets_folder), split=1), RegDB(root=str(datasets_folder), split=2)
    assert second.split == 2
    assert {record[0] for record in second.train} == {record[0] for record in (*first.query, *first.gallery)}


def test_combineall_keeps_the_people_of_both_sides_apart(datasets_folder: Path) -> None:
    plain, data = RegDB(root=str(datasets_folder)), RegDB(root=str(datasets_folder), combineall=True)
    assert data.train[: len(plain.train)] == plain.train
    people: dict[int, set[str]] = {}
    for record in data.train:
        people.setdefault(record.pid, set()).add(Path(record[0]).parent.name)
    assert people == {0: {"30"}, 1: {"4"}, 2: {"11"}, 3: {"2"}}
    assert data.query == plain.query and sum(record.modality for record in data.train) == 8


@pytest.mark.parametrize("split", [3, 11, 0, -1])
def test_a_split_that_is_not_there(datasets_folder: Path, split: int) -> None:
    with pytest.raises(UserError, match=rf"idx has no split {split}: it has 1, 2, see DATASETS.SPLIT"):
        RegDB(root=str(datasets_folder), split=split)


def test_splits_are_told_by_the_names_of_lists(datasets_folder: Path) -> None:
    for name in ("train_visible_10.txt", "train_visible_0.txt", "test_thermal_x.txt", "train_visible_7.txt.bak"):
        (datasets_folder / "RegDB" / "idx" / name).touch()
    assert available_splits(datasets_folder / "RegDB") == [1, 2, 10]


def test_no_lists_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"RegDB is not at .*set FASTREID_DATASETS"):
        RegDB(root=str(tmp_path))
    (tmp_path / "RegDB").mkdir()
    with pytest.raises(UserError, match="idx has no split 1: its lists come with RegDB"):
        RegDB(root=str(tmp_path))


@pytest.mark.parametrize("name", ["train_visible", "train_thermal", "test_visible", "test_thermal"])
def test_a_missing_list(datasets_folder: Path, name: str) -> None:
    (datasets_folder / "RegDB" / "idx" / f"{name}_2.txt").unlink()
    with pytest.raises(UserError, match=rf"{name}_2.txt is missing: it comes with RegDB, in its idx folder"):
        RegDB(root=str(datasets_folder), split=2)


@pytest.mark.parametrize("other", ["test_visible_1", "train_thermal_1", "test_thermal_1"])
def test_a_file_in_two_lists(datasets_folder: Path, other: str) -> None:
    add(datasets_folder / "RegDB", other, "Visible/30/a_v_1.bmp", 0)
    with pytest.raises(UserError, match=rf"Visible/30/a_v_1.bmp is in both train_visible_1.txt and {other}.txt"):
        RegDB(root=str(datasets_folder))
    assert RegDB(root=str(datasets_folder), split=2).split == 2


def test_missing_images(datasets_folder: Path) -> None:
    (datasets_folder / "RegDB" / "Thermal" / "30" / "a_t_2.png").unlink()
    (datasets_folder / "RegDB" / "Visible" / "2" / "a_v_1.bmp").unlink()
    with pytest.raises(UserError, match=r"2 of the 16 images listed in .* missing, the first is .*30/a_t_2.png"):
        RegDB(root=str(datasets_folder))


def test_people_without_one_modality_are_not_refused(datasets_folder: Path) -> None:
    add(datasets_folder / "RegDB", "test_visible_1", "Visible/99/x.bmp", 2)
    data = RegDB(root=str(datasets_folder))
    assert {record.pid for record in data.query} == {0, 1, 2} and {record.pid for record in data.gallery} == {0, 1}


def test_a_link_to_the_dataset(datasets_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "RegDB").symlink_to(datasets_folder / "RegDB", target_is_directory=True)
    assert len(RegDB(root=str(tmp_path / "other")).train) == 8
