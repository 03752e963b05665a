"""An index comes back from the disk as it was, is replaced at once, and is refused when anything is wrong with it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from datasets_ext import UserError
from idkl.search import KINDS, SearchIndex, open_index, save_index
from idkl.search.bench import clustered_vectors
from tests.idkl.search.made import SMALL, index_of


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(
    kind: str,
    indexes: Mapping[str, SearchIndex],
    vectors: tuple[NDArray[np.float32], NDArray[np.float32]],
    tmp_path: Path,
) -> None:
    save_index(tmp_path / "new" / "index", indexes[kind])
    opened = open_index(tmp_path / "new" / "index")
    for top in (1, 10):
        found, expected = opened.search(vectors[1], top), indexes[kind].search(vectors[1], top)
        assert np.array_equal(found.rows, expected.rows) and np.array_equal(found.cosines, expected.cosines)
    shown = indexes[kind].images
    assert list(opened.images.paths) == shown.paths
    assert np.array_equal(opened.images.pids, shown.pids) and np.array_equal(opened.images.camids, shown.camids)


def test_the_head_says_what_the_index_is(indexes: Mapping[str, SearchIndex], tmp_path: Path) -> None:
    save_index(tmp_path, indexes["ivfpq"])
    head = json.loads((tmp_path / "index.json").read_text())
    for key, ending in (("faiss_sha256", "faiss"), ("images_sha256", "npz")):
        file = tmp_path / f"{head[key][:16]}.{ending}"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == head.pop(key)
    sizes = {"dimensions": 16, "entries": 10000, "lists": 256, "probes": 32, "code_bytes": 4}
    assert head == {"format": 1, "metric": "cosine", "kind": "ivfpq", **sizes}
    assert len(os.listdir(tmp_path)) == 3


def test_the_same_vectors_give_the_same_files(tmp_path: Path) -> None:
    vectors = clustered_vectors(10000, 4)[0]
    for name in "ab":
        save_index(tmp_path / name, index_of(vectors, "ivfpq"))
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_an_index_is_replaced_and_leaves_nothing(tmp_path: Path) -> None:
    save_index(tmp_path, index_of(SMALL))
    (tmp_path / f".{'0' * 16}.faiss.{'1' * 32}.tmp").touch()  # of a writer that was killed
    for count in (5, 5, 4):
        save_index(tmp_path, index_of(SMALL[:count]))
        assert open_index(tmp_path).faiss_index.ntotal == count and len(os.listdir(tmp_path)) == 4


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_full_disk_leaves_the_old_index(fails: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_index(tmp_path, index_of(SMALL))
    before, calls = content(tmp_path), []

    def full_disk(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == fails:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(UserError, match="cannot write .*No space left on device"):
        save_index(tmp_path, index_of(SMALL[:3]))
    assert content(tmp_path) == before and open_index(tmp_path).faiss_index.ntotal == 6


def test_a_folder_of_other_things_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"holds 'notes\.txt', which is no part of an index: give another --index"):
        save_index(tmp_path, index_of(SMALL))
    with pytest.raises(UserError, match="cannot write"):
        save_index(tmp_path / "notes.txt", index_of(SMALL))
    assert os.listdir(tmp_path) == ["notes.txt"]


def change_head(**values: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        head = json.loads((folder / "index.json").read_text()) | values
        (folder / "index.json").write_text(json.dumps(head))

    return change


def put(key: str, ending: str, data: bytes) -> Callable[[Path], object]:
    """Another file, with its checksum in the head."""

    def change(folder: Path) -> None:
        checksum = hashlib.sha256(data).hexdigest()
        (folder / f"{checksum[:16]}.{ending}").write_bytes(data)
        change_head(**{key: checksum})(folder)

    return change


def put_faiss(index: faiss.Index) -> Callable[[Path], object]:
    return put("faiss_sha256", "faiss", faiss.serialize_index(index).tobytes())


def other_images(folder: Path) -> None:
    save_index(folder.parent / "other", index_of(SMALL[:3]))
    head = json.loads((folder.parent / "other" / "index.json").read_text())
    data = (folder.parent / "other" / f"{head['images_sha256'][:16]}.npz").read_bytes()
    put("images_sha256", "npz", data)(folder)


def truncate(ending: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        (file,) = folder.glob(f"*.{ending}")
        file.write_bytes(file.read_bytes()[:-7])

    return change


def remove(pattern: str) -> Callable[[Path], object]:
    return lambda folder: [file.unlink() for file in folder.glob(pattern)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("index.json"), "is no index: index.json cannot be read (No such file or directory)"),
        (lambda folder: (folder / "index.json").write_text("{"), "index.json is not JSON"),
        (lambda folder: (folder / "index.json").write_bytes(b"\xff"), "index.json is not JSON"),
        (lambda folder: (folder / "index.json").write_text("[1]"), "index.json is not an index's"),
        (lambda folder: (folder / "index.json").write_text("{}"), "is of format None, this program reads 1"),
        (change_head(format=2), "is of format 2, this program reads 1"),
        (change_head(faiss_sha256="../../x"), "index.json has no faiss_sha256"),
        (change_head(images_sha256=3), "index.json has no images_sha256"),
        (change_head(entries=7), "index.json and its files differ in entries"),
        (change_head(dimensions="5"), "index.json and its files differ in dimensions"),
        (change_head(kind="ivf", lists=4), "index.json and its files differ in kind, lists"),
        (change_head(metric="L2"), "index.json and its files differ in metric"),
        (remove("*.faiss"), ".faiss cannot be read (No such file or directory)"),
        (remove("*.npz"), ".npz cannot be read (No such file or directory)"),
        (truncate("faiss"), ".faiss is damaged, its checksum is not that of index.json"),
        (truncate("npz"), ".npz is damaged, its checksum is not that of index.json"),
        (put("faiss_sha256", "faiss", b"something else"), ".faiss is not what index.json says (RuntimeError)"),
        (put("images_sha256", "npz", b"something else"), ".npz is not what index.json says (ValueError)"),
        (put_faiss(faiss.IndexFlatL2(5)), "index.json and its files differ in entries, kind"),
        (put_faiss(faiss.IndexLSH(5, 8)), "index.json and its files differ in entries, kind"),
        (put_faiss(index_of(SMALL[:, :4]).faiss_index), "index.json and its files differ in dimensions"),
        (other_images, "index.json and its files differ in entries"),
    ],
)
def test_what_is_wrong_with_an_index_is_one_line(
    change: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    save_index(tmp_path / "index", index_of(SMALL))
    change(tmp_path / "index")
    with pytest.raises(UserError) as error:
        open_index(tmp_path / "index")
    text = str(error.value)
    assert message in text and text.endswith("build it again with tools/search.py build") and "\n" not in text
    save_index(tmp_path / "index", index_of(SMALL))
    assert open_index(tmp_path / "index").faiss_index.ntotal == 6
