"""The fingerprint of a dataset: what changes it, and what does not."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from datasets_ext import UserError
from datasets_ext.fingerprint import file_sha256, fingerprint_images


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for number in range(4):
        path = root / f"cam{number % 2}" / f"{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(10 + number))
    return root


def fingerprint(root: Path) -> dict[str, Any]:
    return fingerprint_images(root, [str(path) for path in root.rglob("*.jpg")])


def test_it_is_the_hash_of_sorted_names_and_sizes(root: Path) -> None:
    sizes = {"cam0/0000.jpg": 10, "cam0/0002.jpg": 12, "cam1/0001.jpg": 11, "cam1/0003.jpg": 13}
    lines = "".join(f"{name}\x00{size}\n" for name, size in sizes.items())
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert fingerprint(root) == {"images": 4, "bytes": 46, "sha256": expected}


def _remove(root: Path) -> None:
    (root / "cam0" / "0000.jpg").unlink()


def _add(root: Path) -> None:
    (root / "cam0" / "0009.jpg").touch()


def _rename(root: Path) -> None:
    (root / "cam0" / "0000.jpg").rename(root / "cam1" / "0000.jpg")


def _grow(root: Path) -> None:
    (root / "cam0" / "0000.jpg").write_bytes(bytes(11))


def _swap(root: Path) -> None:
    (root / "cam0" / "0000.jpg").write_bytes(bytes(12))
    (root / "cam0" / "0002.jpg").write_bytes(bytes(10))


@pytest.mark.parametrize("change", [_remove, _add, _rename, _grow, _swap])
def test_it_changes_with_the_images(root: Path, change: Any) -> None:
    before = fingerprint(root)["sha256"]
    change(root)
    assert fingerprint(root)["sha256"] != before


def test_time_place_and_order_make_no_difference(root: Path, tmp_path: Path) -> None:
    before = fingerprint(root)
    os.utime(root / "cam0" / "0000.jpg", (1, 1))
    assert fingerprint(root) == before
    moved = shutil.copytree(root, tmp_path / "elsewhere" / "copy")
    assert fingerprint(moved) == before
    paths = sorted((str(path) for path in root.rglob("*.jpg")), reverse=True)
    assert fingerprint_images(root, [*paths, paths[0]]) == before


def test_an_image_that_is_gone_is_one_line(root: Path) -> None:
    with pytest.raises(UserError, match=r"^image .*/none.jpg is gone .*restore it.*$"):
        fingerprint_images(root, [str(root / "none.jpg")])


def test_the_hash_of_a_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than one chunk
    (tmp_path / "file").write_bytes(content)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()
    with pytest.raises(UserError, match="cannot be read .No such file"):
        file_sha256(tmp_path / "none")
    with pytest.raises(UserError, match="cannot be read .Is a directory"):
        file_sha256(tmp_path)
