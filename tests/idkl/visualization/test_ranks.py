"""Rank lists against a slow recomputation, and their picture."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from datasets_ext import UserError
from idkl.visualization.canvas import RIGHT, WRONG, encode_figure
from idkl.visualization.embedded import Embedded
from idkl.visualization.rank_figure import rank_figure
from idkl.visualization.ranks import RankList, choose_queries, describe_setting, rank_lists
from tests.idkl.evaluation.naive import query_scores
from tests.idkl.visualization.made import make_embedded


@pytest.mark.parametrize("setting", [0, 1])
def test_lists_and_scores_are_those_of_the_definition(setting: int) -> None:
    made = make_embedded(spread=1.5)
    pids, cameras = made.images.pids, made.images.camids
    trial = made.settings[setting].trials[0]
    lists = rank_lists(made, 4, setting)
    assert [entry.query for entry in lists] == trial.query.tolist()
    features = made.features.astype(np.float64)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    gallery = sorted(trial.gallery.tolist())
    for entry in lists:
        cosines = [float(features[entry.query] @ features[row]) for row in gallery]
        seen = [row for row in gallery if cameras[row] != 2]  # every query is of camera 3
        nearest = sorted(seen, key=lambda row: -cosines[gallery.index(row)])[:4]
        assert entry.gallery.tolist() == nearest
        assert entry.cosines == pytest.approx([cosines[gallery.index(row)] for row in nearest], abs=1e-6)
        assert entry.correct.tolist() == [pids[row] == pids[entry.query] for row in nearest]
        assert entry.ignored.tolist() == [row for row in gallery if cameras[row] == 2]
        ignored = [cameras[row] == 2 for row in gallery]
        expected = query_scores(
            [-c for c in cosines], pids[entry.query], [int(pids[row]) for row in gallery], ignored, True
        )
        if expected is None:
            assert pids[entry.query] == 0 and entry.first_rank == 0 and math.isnan(entry.ap)
        else:
            assert entry.first_rank == expected[0] and entry.ap == pytest.approx(expected[1])
    assert len({entry.ap for entry in lists}) > 3


def test_a_list_ends_with_the_gallery_and_begins_with_one() -> None:
    made = make_embedded()
    whole = rank_lists(made, 1000)[0]
    assert len(whole.gallery) + len(whole.ignored) == len(made.settings[0].trials[0].gallery)
    with pytest.raises(UserError, match="--top 0: a rank list has 1 image or more"):
        rank_lists(made, 0)


def test_equal_cosines_rank_in_the_order_of_the_rows() -> None:
    made = make_embedded()
    alike = dataclasses.replace(made, features=np.ones_like(made.features))
    assert all((np.diff(entry.gallery) > 0).all() for entry in rank_lists(alike, 50))


def test_chosen_queries_are_the_worst_the_best_and_repeatable_ones() -> None:
    made = make_embedded(identities=8, spread=2.0)
    lists, pids = rank_lists(made), made.images.pids
    chosen = choose_queries(lists, pids, 3)
    valid = [entry for entry in lists if not math.isnan(entry.ap)]
    assert chosen["worst"][0].ap == min(entry.ap for entry in valid)
    assert chosen["best"][0].ap == max(entry.ap for entry in valid)
    for entries in chosen.values():
        assert len({pids[entry.query] for entry in entries}) == 3 and all(entry in valid for entry in entries)
    assert [e.query for e in choose_queries(lists, pids, 3)["random"]] == [e.query for e in chosen["random"]]
    others = [[e.query for e in choose_queries(lists, pids, 3, seed)["random"]] for seed in range(1, 6)]
    assert any(other != [e.query for e in chosen["random"]] for other in others)
    with pytest.raises(UserError, match="no query has a match"):
        choose_queries([entry for entry in lists if entry not in valid], pids, 1)


def frames(entries: list[RankList], embedded: Embedded) -> list[tuple[str, str]]:
    """Colour and line style of every frame of the picture."""
    figure = rank_figure(embedded, {"some": entries})
    patches = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    found = [(to_hex(patch.get_edgecolor()).upper(), str(patch.get_linestyle())) for patch in patches]
    return [frame for frame in found if frame[0] != "#FFFFFF"]


def test_right_and_wrong_differ_in_colour_line_and_mark(embedded: Embedded) -> None:
    lists = rank_lists(embedded, 5)[:3]
    marked = [bool(right) for entry in lists for right in entry.correct]
    found = frames(lists, embedded)
    assert [color == RIGHT for color, _ in found] == marked and [color == WRONG for color, _ in found] != marked
    assert (
        len({style for color, style in found if color == RIGHT} & {style for color, style in found if color == WRONG})
        == 0
    )
    figure = rank_figure(embedded, {"some": lists})
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("\N{CHECK MARK}") == sum(marked) and texts.count("\N{BALLOT X}") == len(marked) - sum(marked)
    camera = embedded.images.camids[lists[0].query]
    assert f"\N{WHITE UP-POINTING TRIANGLE} c{camera}" in texts  # queries are infrared
    assert f"identity {embedded.images.pids[lists[0].query]}\nAP {100 * lists[0].ap:.1f} %" in "\n".join(texts)
    assert describe_setting(embedded.settings[0]) == "sysu, all-search, 1-shot, infrared to visible, official gallery"


def test_the_same_picture_has_the_same_bytes(embedded: Embedded) -> None:
    once, twice = (rank_figure(embedded, {"some": rank_lists(embedded, 2)[:1]}) for _ in range(2))
    for kind, start in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
        content = encode_figure(once, kind)
        assert content == encode_figure(twice, kind) and content.startswith(start)
        assert b"Date" not in content and b"matplotlib" not in content.lower()


def test_a_lost_image_is_named(embedded: Embedded) -> None:
    lost = dataclasses.replace(embedded, root=Path("gone"))
    with pytest.raises(UserError, match=r"image gone/cam\d.* is gone"):
        rank_figure(lost, {"some": rank_lists(lost, 1)[:1]})
