"""Split files: what is read from them, and the line that is said of a broken one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_ext import UserError
from datasets_ext.split_files import missing_files, read_identities, read_image_list, read_image_lists


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A list that is not there yet, in its place in a dataset named LLCM."""
    folder = tmp_path / "LLCM" / "idx"
    folder.mkdir(parents=True)
    return folder / "list.txt"


@pytest.mark.parametrize("text", ["", "1,x", "1;2", "1,,2", "1.5", "\u0661", "-1", "9" * 5000])
def test_malformed_identities(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"list.txt holds .* expected one line such as 1,2,4"):
        read_identities(path)


def test_identities_as_published(path: Path) -> None:
    path.write_text("6, 10,17,\n")
    assert read_identities(path) == {6, 10, 17}


@pytest.mark.parametrize("read", [read_identities, read_image_list])
def test_a_missing_or_unreadable_file_names_the_dataset_it_comes_with(
    path: Path, read: Callable[[Path], object]
) -> None:
    with pytest.raises(UserError, match=r"list.txt is missing: it comes with LLCM, in its idx folder"):
        read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"list.txt cannot be read \(.*\): take it again from LLCM"):
        read(path)


def test_images_and_labels_in_order(path: Path) -> None:
    path.write_text("Visible/9/b 1.bmp 3\n\n  ./Visible/9//a.bmp\t0  \nx.jpg 12")
    assert read_image_list(path) == [("Visible/9/b 1.bmp", 3), ("Visible/9/a.bmp", 0), ("x.jpg", 12)]


def test_a_list_written_on_windows(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbfvis\\1\\a.jpg 0\r\nvis\\1\\b.jpg 0\r\n\r\n")
    assert read_image_list(path) == [("vis/1/a.jpg", 0), ("vis/1/b.jpg", 0)]


NAMES = st.lists(st.text("abcXYZ019 ._-", min_size=1, max_size=8).filter(lambda name: name.strip(" .")), min_size=1)


@given(st.lists(NAMES.map(lambda parts: "/".join(f"d{part}e" for part in parts)), min_size=1, unique=True), st.data())
@settings(max_examples=50, deadline=None)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], data: st.DataObject
) -> None:
    labels = [data.draw(st.integers(0, 999_999_999)) for _ in names]
    path = tmp_path_factory.mktemp("list") / "list.txt"
    separator, end = data.draw(st.sampled_from([" ", "\t", "  "])), data.draw(st.sampled_from(["\n", "\r\n"]))
    lines = (f"{name}{separator}{label}{end}" for name, label in zip(names, labels, strict=True))
    path.write_bytes("".join(lines).encode())
    assert read_image_list(path) == list(zip(names, labels, strict=True))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg", "'a.jpg' is no image path and whole number"),
        ("5", "'5' is no image path and whole number"),
        ("a.jpg x", "'a.jpg x' is no image path and whole number"),
        ("a.jpg 1.0", "no image path and whole number"),
        ("a.jpg -1", "no image path and whole number"),
        ("a.jpg \u0661", "no image path and whole number"),
        ("a.jpg " + "9" * 5000, "no image path and whole number"),
        ("/data/a.jpg 1", "'/data/a.jpg' must be a path inside"),
        ("C:\\data\\a.jpg 1", "must be a path inside"),
        ("vis/../../a.jpg 1", "must be a path inside"),
        ("ok//1.jpg 4", "ok/1.jpg stands in an earlier line already"),
    ],
)
def test_a_wrong_line_is_named(path: Path, line: str, message: str) -> None:
    path.write_text(f"ok/1.jpg 0\n\n{line}\nok/2.jpg 0\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 3: ") as caught:
        read_image_list(path)
    assert message in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_list(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(UserError, match="list.txt is empty: take it again from LLCM"):
        read_image_list(path)


def write(root: Path, **lists: str) -> None:
    for name, text in lists.items():
        (root / "idx" / f"{name}.txt").write_text(text)


def test_several_lists_are_read_in_the_order_asked_for(path: Path) -> None:
    root = path.parents[1]
    for name in ("a/1.jpg", "a/2.jpg", "b/1.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    write(root, first="a/1.jpg 0\na/2.jpg 0", second="b/1.png 7")
    assert read_image_lists(root, ["second", "first"]) == [[("b/1.png", 7)], [("a/1.jpg", 0), ("a/2.jpg", 0)]]


def test_an_image_in_two_lists_is_refused(path: Path) -> None:
    root = path.parents[1]
    write(root, first="a/1.jpg 0\na/2.jpg 0", second="b/1.jpg 0\na\\2.jpg 1")
    with pytest.raises(UserError, match=r"a/2.jpg is in both first.txt and second.txt of .*idx"):
        read_image_lists(root, ["first", "second"])


def test_missing_images_are_counted_and_the_first_is_named(path: Path) -> None:
    root = path.parents[1]
    (root / "a").mkdir()
    (root / "a" / "1.jpg").touch()
    write(root, first="a/1.jpg 0\na/2.jpg 0", second="b/1.jpg 0")
    with pytest.raises(UserError, match=rf"2 of the 3 images .* missing, the first is {root}/a/2.jpg: restore"):
        read_image_lists(root, ["first", "second"])


def test_missing_files_reads_each_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    for name in ("top", "a/1", "a/2", "a/3"):
        (tmp_path / name).touch()
    read = []
    real = os.listdir
    monkeypatch.setattr("os.listdir", lambda folder: read.append(str(folder)) or real(folder))
    names = ["a/2", "a/1", "a/0", "top", "none", "top/1", "a/\0", "c/1"]
    assert missing_files(tmp_path, names) == ["a/0", "none", "top/1", "a/\0", "c/1"]
    assert sorted(read) == sorted(str(tmp_path / folder) for folder in ("", "a", "c", "top"))
    assert missing_files(tmp_path, ["a\0/1"]) == ["a\0/1"]


@pytest.mark.parametrize("read", [read_identities, read_image_list])
@pytest.mark.parametrize("odd", ["\x1f", "\x00", "\x85", "\u2028", "\ufeff"])
def test_control_characters_are_no_space(path: Path, read: Callable[[Path], object], odd: str) -> None:
    """``"10,\\x1f2"`` was ``10,12`` before a byte of it was damaged."""
    path.write_text(f"10,{odd}2" if read is read_identities else f"Visible/1/a.bmp{odd} 2", encoding="utf-8")
    with pytest.raises(UserError, match="list.txt holds control characters, it is damaged") as error:
        read(path)
    assert len(str(error.value).splitlines()) == 1
