"""A gallery in Milvus finds what one in a folder finds, is replaced at once, and fails in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets_ext import UserError
from idkl.search import FolderGallery, MilvusGallery, collection, milvus
from idkl.search.bench import clustered_vectors
from idkl.search.gallery import Gallery
from tests.idkl.search.made import SMALL, local_gallery, unit, write_gallery
from tests.idkl.search.standin import SERVER

GALLERY, QUERIES = clustered_vectors(300, 12)


def collections(pymilvus: Any, gallery: MilvusGallery) -> list[str]:
    client = pymilvus.MilvusClient(gallery.uri, token="", timeout=5)
    names = sorted(client.list_collections())
    client.close()
    return names


@pytest.mark.parametrize("top", [1, 10, 300])
def test_it_finds_what_a_folder_finds(top: int, pymilvus: Any, tmp_path: Path) -> None:
    galleries: list[Gallery] = [local_gallery(tmp_path), FolderGallery(tmp_path / "index", "cpu")]
    for gallery in galleries:
        write_gallery(gallery, GALLERY)
    found, expected = (gallery.find(QUERIES[:50], top) for gallery in galleries)
    for ours, theirs in zip(found, expected, strict=True):
        assert [(m.row, m.path, m.pid, m.camid) for m in ours] == [(m.row, m.path, m.pid, m.camid) for m in theirs]
        assert np.allclose([m.cosine for m in ours], [m.cosine for m in theirs], rtol=0, atol=1e-6)


def test_equal_entries_come_in_the_order_of_their_rows(pymilvus: Any, tmp_path: Path) -> None:
    write_gallery(local_gallery(tmp_path), np.repeat(GALLERY[:40], 3, axis=0))
    for number, matches in enumerate(local_gallery(tmp_path).find(unit(GALLERY[:40]), 2)):
        assert [match.row for match in matches] == [3 * number, 3 * number + 1]


def test_batches_do_not_change_what_is_found(pymilvus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gallery(local_gallery(tmp_path), GALLERY)
    expected = local_gallery(tmp_path).find(QUERIES[:50], 10)
    monkeypatch.setattr(collection, "_BATCH_BYTES", 1000)  # 20 entities
    monkeypatch.setattr(collection, "_BATCH_HITS", 60)  # 3 queries
    write_gallery(local_gallery(tmp_path, "other"), GALLERY)
    for name in ("gallery", "other"):
        found = local_gallery(tmp_path, name).find(QUERIES[:50], 10)
        assert [[match.row for match in matches] for matches in found] == [[m.row for m in ms] for ms in expected]


def test_a_build_replaces_the_one_before_and_nothing_else(pymilvus: Any, tmp_path: Path) -> None:
    write_gallery(local_gallery(tmp_path, "other"), SMALL[:4])
    write_gallery(local_gallery(tmp_path), SMALL)
    before = collections(pymilvus, local_gallery(tmp_path))
    write_gallery(local_gallery(tmp_path), SMALL[:4, :3], folder="cam4")
    assert local_gallery(tmp_path).find(SMALL[:1, :3], 4)[0][0].path == "cam4/000000.jpg"
    assert local_gallery(tmp_path, "other").find(SMALL[:1], 4)[0][0].path == "cam1/000000.jpg"
    after = collections(pymilvus, local_gallery(tmp_path))
    assert len(before) == len(after) == 2 and len({*before, *after}) == 3


@pytest.mark.parametrize("method", ["insert", "flush", "create_index", "load_collection", "alter_alias"])
@pytest.mark.parametrize("error", ["MilvusException", "KeyboardInterrupt"])
def test_a_failed_build_leaves_the_one_before(
    method: str, error: str, pymilvus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_gallery(local_gallery(tmp_path), SMALL)
    before = collections(pymilvus, local_gallery(tmp_path))
    raised = KeyboardInterrupt() if error == "KeyboardInterrupt" else pymilvus.MilvusException(message="no\nroom")
    expected = KeyboardInterrupt if error == "KeyboardInterrupt" else UserError

    def fail(*args: object, **kwargs: object) -> None:
        raise raised

    with monkeypatch.context() as patch:
        patch.setattr(pymilvus.MilvusClient, method, fail)
        with pytest.raises(expected) as caught:
            write_gallery(local_gallery(tmp_path), SMALL[:3])
    if expected is UserError:
        assert str(caught.value).startswith(f"{local_gallery(tmp_path).uri}: no room; ")
    assert collections(pymilvus, local_gallery(tmp_path)) == before
    assert len(local_gallery(tmp_path).find(SMALL[:1], 6)[0]) == 6


def test_a_build_counts_what_arrived(pymilvus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = pymilvus.MilvusClient.insert
    monkeypatch.setattr(
        pymilvus.MilvusClient, "insert", lambda self, name, data, **kw: insert(self, name, data[1:], **kw)
    )
    with pytest.raises(UserError, match="Milvus has 5 of 6 entries: build again"):
        write_gallery(local_gallery(tmp_path), SMALL)
    assert collections(pymilvus, local_gallery(tmp_path)) == []


def test_the_collections_of_others_are_left_alone(pymilvus: Any, tmp_path: Path) -> None:
    write_gallery(local_gallery(tmp_path), SMALL)
    (built,) = collections(pymilvus, local_gallery(tmp_path))
    client = pymilvus.MilvusClient(local_gallery(tmp_path).uri, token="", timeout=5)
    client.create_alias(built, "theirs", timeout=5)
    client.close()
    for name, what in ((built, "a collection"), ("theirs", f"an alias of {built}")):
        for call in (lambda g: write_gallery(g, SMALL[:3]), lambda g: g.find(SMALL[:1], 1)):
            with pytest.raises(UserError, match=f"{name} is {what} that no build made: give another --collection"):
                call(local_gallery(tmp_path, name))
    assert (
        collections(pymilvus, local_gallery(tmp_path)) == [built]
        and len(local_gallery(tmp_path).find(SMALL[:1], 6)[0]) == 6
    )


def test_lists_that_hold_too_few_are_not_all_that_is_looked_into(
    pymilvus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus, "_LOCAL_KINDS", ("ivf",))
    write_gallery(local_gallery(tmp_path), GALLERY, "ivf")
    for top in (10, 300):
        found = local_gallery(tmp_path).find(QUERIES[:5], top)
        assert [len({match.row for match in matches}) for matches in found] == [top] * 5
        assert all(np.diff([match.cosine for match in matches]).max() <= 0 for matches in found)


@pytest.mark.parametrize(
    ("kind", "entries", "index", "probes"),
    [
        ("flat", 300, {"index_type": "FLAT", "params": {}}, None),
        ("ivf", 300, {"index_type": "IVF_FLAT", "params": {"nlist": 7}}, 5),
        ("ivfpq", 9984, {"index_type": "IVF_PQ", "params": {"nlist": 256, "m": 3, "nbits": 8}}, 32),
    ],
)
def test_a_server_gets_the_parameters_of_our_rule(
    kind: str, entries: int, index: dict[str, Any], probes: int | None, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []
    search = server.MilvusClient.search

    def watch(self: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(kwargs["search_params"]["params"].get("nprobe"))
        return search(self, *args, **kwargs)

    monkeypatch.setattr(server.MilvusClient, "search", watch)
    monkeypatch.setenv("MILVUS_TOKEN", "root:secret")
    gallery = MilvusGallery(SERVER, "gallery")
    write_gallery(gallery, clustered_vectors(entries, 12)[0], kind)
    gallery.find(QUERIES[:4], 3)
    (made,) = server.MilvusClient.databases[SERVER][0].values()
    assert made.index == {"metric_type": "IP", **index} and asked == [probes]
    assert set(server.MilvusClient.tokens) == {"root:secret"}
