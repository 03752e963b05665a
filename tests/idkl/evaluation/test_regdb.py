"""RegDB's protocol on hand-made paths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datasets_ext.errors import UserError
from idkl.evaluation import Images, evaluate
from idkl.evaluation.regdb import both_directions

NOWHERE = Path("nowhere")  # RegDB's protocol reads no file


def make_images(paths: list[str], pids: list[int]) -> Images:
    return Images(paths, np.array(pids), np.array([1 if path.startswith("Visible") else 2 for path in paths]))


def test_both_directions_by_hand() -> None:
    # On a line of angles. Visible: person 1 at 0 and 50 degrees, person 2 at 20. Thermal: 1 at 5 and 40, 2 at 12.
    paths = [
        "Visible/1/a.bmp",
        "Thermal/1/a.png",
        "Visible/1/b.bmp",
        "Visible/2/a.bmp",
        "Thermal/1/b.bmp",
        "Thermal/2/a.bmp",
    ]
    images = make_images(paths, [0, 0, 0, 1, 0, 1])
    angles = np.deg2rad([0, 5, 50, 20, 40, 12])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    to_infrared, to_visible = evaluate(features, images, both_directions(images, NOWHERE))
    # 0: 1 (5), 2 (12), 1 (40): rank 1, AP = (1 + 2/3) / 2, INP = 2/3. 50: 1 (40), 2 (12), 1 (5): the same.
    # 20: 2 (12): rank 1, AP = INP = 1.
    assert to_infrared["Rank-1"] == 100 and to_infrared["direction"] == "visible-to-infrared"
    assert to_infrared["mAP"] == pytest.approx(100 * (5 / 6 + 5 / 6 + 1) / 3)
    assert to_infrared["mINP"] == pytest.approx(100 * (2 / 3 + 2 / 3 + 1) / 3)
    # 5: 1 (0), 2 (20), 1 (50): AP 5/6, INP 2/3. 40: 1 (50), 2 (20), 1 (0): the same. 12: 2 (20): 1.
    assert to_visible["Rank-1"] == 100 and to_visible["direction"] == "infrared-to-visible"
    assert to_visible["mAP"] == pytest.approx(100 * (5 / 6 + 5 / 6 + 1) / 3)


def test_cmc_is_not_deduplicated() -> None:
    # Two images of person 2 come before the one of person 1: plain rank 3, not 2.
    paths = ["Visible/1/a.bmp", "Thermal/2/a.bmp", "Thermal/2/b.bmp", "Thermal/1/a.bmp"]
    images = make_images(paths, [0, 1, 1, 0])
    angles = np.deg2rad([0, 1, 2, 3])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    setting = both_directions(images, NOWHERE)[0]
    assert not setting.deduplicate and setting.ignore is None
    row = evaluate(features, images, [setting])[0]
    assert (row["Rank-1"], row["Rank-5"], row["mAP"]) == (0, 100, pytest.approx(100 / 3))


def test_labels_of_the_rows_and_all_images_take_part() -> None:
    paths = ["Thermal/4/x.jpg", "Visible/4/deep/er/x.jpg", "Thermal/9/x.jpg"]
    settings = both_directions(make_images(paths, [0, 0, 1]), NOWHERE)
    assert [(s.protocol, s.mode, s.shots, s.direction, s.gallery) for s in settings] == [
        ("regdb", None, None, "visible-to-infrared", None),
        ("regdb", None, None, "infrared-to-visible", None),
    ]
    assert [(t.query.tolist(), t.gallery.tolist()) for s in settings for t in s.trials] == [
        ([1], [0, 2]),
        ([0, 2], [1]),
    ]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["Visible/1/a.bmp", "RegDB/Thermal/1/a.bmp"], r"path 1, 'RegDB/Thermal/1/a\.bmp', is not like Visible/12"),
        (["Visible/1/a.bmp", "Visible/1/b.bmp"], "no test image under Thermal/"),
        (["Thermal/1/a.bmp"], "no test image under Visible/"),
        ([], "no test image under Visible/"),
    ],
)
def test_bad_paths_are_named(paths: list[str], message: str) -> None:
    images = Images(paths, np.zeros(len(paths), int), np.zeros(len(paths), int))
    with pytest.raises(UserError, match=message):
        both_directions(images, NOWHERE)
