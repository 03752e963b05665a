"""The viewer's values and the hardest people, on images that are a colour each."""

from __future__ import annotations

import base64
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets_ext import UserError
from idkl.evaluation.images import Images
from idkl.report import viewer
from idkl.report.hardest import hardest_people
from idkl.report.viewer import Thumbnails, build_viewer
from idkl.visualization.embedded import Embedded
from idkl.visualization.ranks import RankList

# Rows 0 to 5 are infrared queries of the people 1, 1, 2, 2, 3, 4; rows 6 to 9 one visible image of each person.
PIDS = np.array([1, 1, 2, 2, 3, 4, 1, 2, 3, 4])
CAMERAS = np.array([3, 6, 3, 6, 3, 6, 1, 1, 2, 4])
ORDERS = ([6, 7, 8, 9], [7, 6, 8, 9], [8, 7, 6, 9], [8, 9, 7, 6], [8, 6, 7, 9], [6, 7, 8])


@pytest.fixture
def embedded(tmp_path: Path) -> Embedded:
    for row in range(len(PIDS)):
        Image.new("RGB", (100, 300), (20 * row, 0, 0)).save(tmp_path / f"{row}.png")
    images = Images([f"{row}.png" for row in range(len(PIDS))], PIDS, CAMERAS)
    modalities = np.array([1] * 6 + [0] * 4)
    return Embedded("a", np.eye(len(PIDS), dtype=np.float32), images, modalities, tmp_path, [])


def ranked(query: int, order: list[int]) -> RankList:
    correct = PIDS[order] == PIDS[query]
    first = int(np.flatnonzero(correct)[0]) + 1 if correct.any() else 0
    cosines = np.linspace(0.9, 0.1, len(order), dtype=np.float32)
    ap = 1 / first if first else math.nan
    return RankList(query, np.array(order), cosines, correct, np.array([9] * (query == 5)), first, ap)


@pytest.fixture
def lists() -> list[RankList]:
    return [ranked(query, order) for query, order in enumerate(ORDERS)]


def test_every_persons_hardest_query_comes_first_and_one_without_a_match_not_at_all(
    embedded: Embedded, lists: list[RankList]
) -> None:
    thumbnails = Thumbnails()
    built = build_viewer({"a": (embedded, lists)}, thumbnails)
    queries = built["queries"]
    assert built["runs"] == ["a"] and built["total"] == 6
    assert [(q["pid"], q["camera"], q["results"][0]["ap"]) for q in queries] == [
        (2, 6, 33.3),
        (1, 6, 50.0),
        (3, 3, 100.0),
        (2, 3, 50.0),
        (1, 3, 100.0),
    ]
    first = queries[0]["results"][0]
    assert (first["first"], first["hidden"]) == (3, 0)
    assert [(f["pid"], f["right"], f["cosine"], f["modality"]) for f in first["found"]] == [
        (3, False, 0.9, "visible"),
        (4, False, 0.633, "visible"),
        (2, True, 0.367, "visible"),
        (1, False, 0.1, "visible"),
    ]
    assert len(thumbnails.uris) == 9  # every image once
    assert json.loads(json.dumps(built, allow_nan=False)) == built


def test_a_thumbnail_is_the_image(embedded: Embedded) -> None:
    thumbnails = Thumbnails()
    assert [thumbnails.number(str(embedded.root / name)) for name in ("9.png", "0.png", "9.png")] == [0, 1, 0]
    kind, _, content = thumbnails.uris[0].partition(";base64,")
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        assert kind == "data:image/jpeg" and image.size == (43, 128)  # the height decides
        assert np.abs(np.asarray(image).astype(int) - [180, 0, 0]).max() <= 3


def test_runs_share_queries_and_one_that_was_not_tested_on_a_query_says_so(
    embedded: Embedded, lists: list[RankList]
) -> None:
    other = replace(embedded, name="b")
    built = build_viewer({"a": (embedded, lists[:2]), "b": (other, lists[1:3])}, Thumbnails())
    known = {(q["pid"], q["camera"]): [result is not None for result in q["results"]] for q in built["queries"]}
    assert known == {(1, 3): [True, False], (1, 6): [True, True], (2, 3): [False, True]}


def test_a_large_test_set_is_cut_to_a_share_of_everybody(
    embedded: Embedded, lists: list[RankList], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer, "MOST_QUERIES", 3)
    built = build_viewer({"a": (embedded, lists)}, Thumbnails())
    assert [q["pid"] for q in built["queries"]] == [2, 1, 3] and built["total"] == 6
    first = Thumbnails()
    build_viewer({"a": (embedded, lists[:1])}, first)  # a query and its four images
    monkeypatch.setattr(viewer, "MOST_BYTES", first.size - 1)
    thumbnails = Thumbnails()
    assert len(build_viewer({"a": (embedded, lists)}, thumbnails)["queries"]) == 1 and len(thumbnails.uris) == 5


def test_an_image_that_is_gone_is_named(embedded: Embedded, lists: list[RankList]) -> None:
    (embedded.root / "8.png").unlink()
    with pytest.raises(UserError, match=r"8\.png is gone"):
        build_viewer({"a": (embedded, lists)}, Thumbnails())


def test_the_hardest_people_and_whom_they_are_taken_for(embedded: Embedded, lists: list[RankList]) -> None:
    thumbnails = Thumbnails()
    people = hardest_people(embedded, lists, thumbnails)
    assert [(p.pid, p.queries, round(p.ap, 1), p.rank_1, p.taken_for) for p in people] == [
        (2, 2, 41.7, 0.0, 3),
        (1, 2, 75.0, 50.0, 2),
        (3, 1, 100.0, 100.0, None),
    ]
    assert people[0].image == thumbnails.number(str(embedded.root / "3.png"))
    assert people[0].taken_for_image == thumbnails.number(str(embedded.root / "8.png"))
    assert people[2].taken_for_image is None
