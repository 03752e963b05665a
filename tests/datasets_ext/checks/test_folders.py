"""What is found below a dataset's folders."""

from __future__ import annotations

from pathlib import Path

from datasets_ext.checks.findings import Level
from datasets_ext.checks.folders import folder_findings, person_records, scan_folders, unlisted_files
from datasets_ext.records import INFRARED, VISIBLE

CAMERAS = [("cam1", 1, VISIBLE), ("cam3", 3, INFRARED)]


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")


def test_files_empty_and_missing_folders(tmp_path: Path) -> None:
    make(tmp_path, "cam1/0001/0001.jpg", "cam1/Thumbs.db", "exp/test_id.txt")
    (tmp_path / "cam1" / "0002").mkdir()
    (tmp_path / "cam2").mkdir()
    folders = scan_folders(tmp_path, ("cam1", "cam2", "cam3"))
    assert folders.files == {"cam1/0001/0001.jpg", "cam1/Thumbs.db"}
    tops, empty = folder_findings(folders)
    assert (tops.level, tops.items) == (Level.PROBLEM, ("cam2", "cam3"))
    assert (empty.level, empty.items) == (Level.NOTE, ("cam1/0002",))


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    make(tmp_path, "cam1")
    folders = scan_folders(tmp_path, ("cam1",))
    assert folders.files == frozenset() and len(folders.unreadable) == 1
    assert [f.level for f in folder_findings(folders)] == [Level.PROBLEM, Level.PROBLEM, Level.OK]


def test_links_are_followed_and_a_loop_ends(tmp_path: Path) -> None:
    make(tmp_path, "store/0001/0001.jpg")
    (tmp_path / "cam1").symlink_to("store")
    (tmp_path / "store" / "loop").symlink_to(tmp_path / "store")
    files = scan_folders(tmp_path, ("cam1",)).files
    assert "cam1/0001/0001.jpg" in files
    assert all(path.count("/") <= 3 for path in files)


def test_records_are_those_of_the_identities_in_order(tmp_path: Path) -> None:
    names = ("0002.jpg", "0001.PNG", "note.txt")
    make(tmp_path, *[f"cam{c}/{pid:04d}/{name}" for c in (1, 3) for pid in (2, 7, 12) for name in names])
    records = person_records(scan_folders(tmp_path, ("cam1", "cam3")), CAMERAS, {12, 2, 5})
    assert records == [
        (f"cam{c}/{pid:04d}/{name}", pid, c) for c in (1, 3) for pid in (2, 12) for name in ("0001.PNG", "0002.jpg")
    ]
    assert all((record.modality == INFRARED) == record[0].startswith("cam3") for record in records)


def test_unlisted_files_are_a_note(tmp_path: Path) -> None:
    make(tmp_path, "cam1/0001/0001.jpg", "cam1/0001/0002.jpg", "cam1/.DS_Store")
    found = unlisted_files(scan_folders(tmp_path, ("cam1",)), {"cam1/0001/0002.jpg", "cam3/0001/0001.jpg"})
    assert (found.level, found.items) == (Level.NOTE, ("cam1/.DS_Store", "cam1/0001/0001.jpg"))
