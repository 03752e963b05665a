"""What Milvus cannot do, does not have or does not answer is one line, before anything is written."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets_ext import UserError
from idkl.evaluation.images import Images
from idkl.search import MilvusGallery, milvus, plan_index
from tests.idkl.search.made import SMALL, images, local_gallery, write_gallery
from tests.idkl.search.standin import SERVER


@pytest.mark.parametrize(
    ("uri", "name", "message"),
    [
        ("localhost:19530", "a", "is no server (http://host:19530) and no local file that ends in .db"),
        ("ftp://localhost", "a", "is no server"),
        ("http://localhost:port", "a", "is no server"),
        ("http://", "a", "is no server"),
        ("gallery", "a", "no local file that ends in .db"),
        ("http://me:secret@localhost", "a", "give it in the environment variable MILVUS_TOKEN"),
        ("a.db", "1a", "--collection 1a: take letters, digits and _"),
        ("a.db", "a-b", "--collection a-b"),
        ("a.db", "", "--collection : take letters"),
        ("a.db", "a" * 241, "take letters"),
    ],
)
def test_addresses_and_names_are_checked(uri: str, name: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        MilvusGallery(uri, name)
    assert message in str(error.value) and "secret" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("uri", "kind", "message"),
    [
        ("a.db", "ivf", "milvus-lite has no kind ivf; choose flat"),
        (SERVER, "pq", "Milvus has no kind pq; choose flat or ivf or ivfpq"),
    ],
)
def test_kinds_that_the_database_has_not(uri: str, kind: str, message: str) -> None:
    plan = plan_index(kind, 10_000, 8)
    with pytest.raises(UserError, match=message):
        MilvusGallery(uri, "gallery").write(SMALL, images(6), plan)


def test_what_cannot_be_written_or_asked_for_is_refused(pymilvus: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gallery\.db is missing: build it with tools/search.py build"):
        local_gallery(tmp_path).find(SMALL, 1)
    with pytest.raises(UserError, match="path 'a.udc80.jpg' is no text, which Milvus needs: rename the image"):
        nameless = Images(["a\udc80.jpg"], np.array([1]), np.array([1]))
        local_gallery(tmp_path).write(SMALL[:1], nameless, plan_index("flat", 1, 5))
    write_gallery(local_gallery(tmp_path), SMALL)
    for gallery, top, dimensions, message in (
        (local_gallery(tmp_path, "other"), 1, 5, "has no gallery other: build it with tools/search.py build"),
        (local_gallery(tmp_path), 0, 5, "--top 0: the index has 6 entries; give 1 to 6"),
        (local_gallery(tmp_path), 7, 5, "--top 7: the index has 6 entries"),
        (local_gallery(tmp_path), 1, 4, "queries of 4 dimensions in an index of 5: give one model's"),
    ):
        with pytest.raises(UserError, match=message):
            gallery.find(SMALL[:, :dimensions], top)


def test_more_than_milvus_finds_is_refused(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus, "_MOST", 5)
    gallery = MilvusGallery(SERVER, "gallery")
    write_gallery(gallery, SMALL)
    assert len(gallery.find(SMALL[:1], 5)[0]) == 5
    with pytest.raises(UserError, match="--top 6: Milvus finds at most 5"):
        gallery.find(SMALL[:1], 6)


def test_a_server_that_does_not_answer_is_one_line(pymilvus: Any, capfd: pytest.CaptureFixture[str]) -> None:
    uri = "http://127.0.0.1:1"
    with pytest.raises(UserError, match=f"^{uri}: Fail connecting .*; are --uri and MILVUS_TOKEN right\\?$"):
        MilvusGallery(uri, "gallery").find(SMALL, 1)
    assert capfd.readouterr() == ("", "")
    assert not logging.getLogger("pymilvus.decorators").isEnabledFor(logging.CRITICAL)


def test_a_folder_that_cannot_be_made_is_one_line(pymilvus: Any, tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(UserError, match="data/gallery.db: .* is it a gallery file, and closed\\?$"):
        write_gallery(local_gallery(tmp_path), SMALL)


@pytest.mark.parametrize(
    ("missing", "message"),
    [("pymilvus", "pip install 'idkl-fastreid[milvus]'"), ("milvus_lite", "pip install --no-deps 'milvus-lite>=3.2'")],
)
def test_packages_that_are_missing_are_named(
    missing: str, message: str, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UserError) as error:
        write_gallery(local_gallery(tmp_path), SMALL)
    assert message in str(error.value)


def test_an_older_milvus_is_named(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise server.MilvusException("<RPC terminated with: UNIMPLEMENTED>")

    monkeypatch.setattr(server.MilvusClient, "list_aliases", unknown)
    with pytest.raises(UserError, match="an older Milvus, without aliases: 2.4, of milvus-lite 3.2, or a later one"):
        write_gallery(MilvusGallery(SERVER, "gallery"), SMALL)
