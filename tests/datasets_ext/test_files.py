"""Files written whole or not at all, and the check that they can be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from datasets_ext import UserError
from datasets_ext.files import check_writable, write_atomically


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.bin"
    write_atomically(path, lambda file: file.write(b"first"))
    assert path.read_bytes() == b"first"
    write_atomically(path, lambda file: file.write(b"second"))
    assert path.read_bytes() == b"second" and os.listdir(path.parent) == ["a.bin"]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("a defect"), KeyboardInterrupt()]
)
def test_the_older_file_stays_whole(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"older")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise error

    expected = UserError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected) as caught:
        write_atomically(path, fail)
    if expected is UserError:
        assert (
            str(caught.value)
            == f"cannot write {path}: No space left on device; free space, or give a path that can be written"
        )
    assert path.read_bytes() == b"older" and os.listdir(tmp_path) == ["a.bin"]


def test_a_link_keeps_pointing_at_the_file(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    write_atomically(link, lambda file: file.write(b"new"))
    assert link.is_symlink() and target.read_bytes() == b"new"


def test_the_check_leaves_everything_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    check_writable(path)
    assert os.listdir(tmp_path) == []
    path.write_bytes(b"older")
    check_writable(path)
    assert path.read_bytes() == b"older" and os.listdir(tmp_path) == ["a.bin"]


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "file" / "a", tmp_path / "loop" / "a", tmp_path / ("x" * 300)):
        for use in (check_writable, lambda path: write_atomically(path, lambda file: None)):
            with pytest.raises(UserError, match=f"cannot write {path}: ") as error:
                use(path)
            assert "\n" not in str(error.value)
    assert sorted(os.listdir(tmp_path)) == ["file", "loop"]
