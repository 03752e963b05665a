"""LLCM's protocols: the rules by hand, the drawn and the full galleries, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datasets_ext.errors import UserError
from idkl.evaluation import Images, evaluate
from idkl.evaluation.llcm import agw, full
from tests.idkl.evaluation import made, naive

PATHS = made.llcm_paths()
IMAGES = made.images(PATHS)


def chosen(rows: np.ndarray, paths: list[str] = PATHS) -> list[str]:
    return [paths[row] for row in rows]


def on_a_line(angles: dict[str, float]) -> tuple[np.ndarray, Images]:
    """Features at these angles (degrees) and the images; a nearer angle is a nearer image."""
    radians = np.deg2rad(list(angles.values()))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1), made.images(list(angles))


def test_own_identity_and_camera_is_ignored_by_hand() -> None:
    # Query: identity 1 in visible camera 1, at 0 degrees. Near infrared: itself in camera 1 at 1 (own identity, own
    # camera: ignored), 2 in camera 1 at 2 (other identity: stays), 2 in camera 4 at 3, 1 in camera 4 at 4.
    features, images = on_a_line(
        {
            "test_vis/cam1/0001/a.jpg": 0,
            "test_nir/cam1/0001/a.jpg": 1,
            "test_nir/cam1/0002/a.jpg": 2,
            "test_nir/cam4/0002/a.jpg": 3,
            "test_nir/cam4/0001/a.jpg": 4,
        }
    )
    drawn, _ = evaluate(features, images, agw(images, None))
    # Left: 2, 2, 1. De-duplicated rank 2; the match is the third image, AP = INP = 1/3. Every gallery is the same.
    assert (drawn["Rank-1"], drawn["Rank-5"], drawn["trials"]) == (0, 100, 10)
    assert (drawn["mAP"], drawn["mINP"]) == pytest.approx((100 / 3, 100 / 3))
    assert max(drawn["std"].values()) < 1e-9
    # Full: 1, 2, 2, 1. Nothing is ignored: rank 1, AP = (1 + 2/4) / 2, INP = 2/4.
    whole, _ = evaluate(features, images, full(images, None))
    assert (whole["Rank-1"], whole["trials"]) == (100, 1)
    assert (whole["mAP"], whole["mINP"]) == pytest.approx((75, 50))


def test_the_rule_is_by_camera_number_in_both_directions() -> None:
    for setting in agw(IMAGES, None):
        query_keys, gallery_keys = setting.ignore
        for trial in setting.trials[:2]:
            for q in trial.query:
                for g in trial.gallery:
                    same = naive.same_person_and_camera(PATHS[q], PATHS[g])
                    assert (query_keys[q] == gallery_keys[g]) == same


@pytest.mark.parametrize(("build", "loops"), [(agw, naive.llcm_agw), (full, naive.llcm_full)])
def test_labels_queries_and_galleries(build: object, loops: object) -> None:
    settings = build(IMAGES, None)
    for setting, line in zip(settings, loops(PATHS), strict=True):
        assert setting.protocol == "llcm" and setting.deduplicate == line.deduplicate
        assert (setting.mode, setting.shots, setting.direction, setting.gallery) == line.labels
        for trial, (query, gallery) in zip(setting.trials, line.trials, strict=True):
            assert sorted(chosen(trial.query)) == sorted(query)
            assert sorted(chosen(trial.gallery)) == sorted(gallery)


def test_full_takes_every_image_and_ignores_none() -> None:
    for setting in full(IMAGES, None):
        (trial,) = setting.trials
        assert len(trial.query) + len(trial.gallery) == len(PATHS)
        assert setting.ignore is None


def test_one_image_of_each_identity_and_camera() -> None:
    for setting in agw(IMAGES, None):
        side = "test_nir" if setting.direction == "visible-to-infrared" else "test_vis"
        folders = {path.rpartition("/")[0] for path in PATHS if path.startswith(side)}
        galleries = [chosen(trial.gallery) for trial in setting.trials]
        for gallery in galleries:
            assert sorted(path.rpartition("/")[0] for path in gallery) == sorted(folders)
        assert len({tuple(gallery) for gallery in galleries}) > 1


def test_order_of_the_rows_changes_no_gallery() -> None:
    paths = made.shuffled(PATHS, seed=8)
    for one, other in zip(agw(IMAGES, None), agw(made.images(paths), None), strict=True):
        for trial, again in zip(one.trials, other.trials, strict=True):
            assert sorted(chosen(trial.gallery)) == sorted(chosen(again.gallery, paths))


def test_labels_may_be_numbered_otherwise() -> None:
    features = np.random.default_rng(0).standard_normal((len(PATHS), 6))
    apart = np.array([10 * path.startswith("test_nir") for path in PATHS])  # a camera's infrared images for themselves
    for camids in (IMAGES.camids - 1, IMAGES.camids + apart):
        renumbered = Images(PATHS, 2 * IMAGES.pids + 5, camids)
        assert evaluate(features, renumbered, agw(renumbered, None)) == evaluate(features, IMAGES, agw(IMAGES, None))


def test_identities_are_held_against_the_test_file(tmp_path: Path) -> None:
    assert len(agw(IMAGES, tmp_path)) == 2  # no file there
    (tmp_path / "idx").mkdir()
    (tmp_path / "idx" / "test_id.txt").write_text("3,7,20,351,400\n")
    assert len(agw(IMAGES, tmp_path)) == 2
    (tmp_path / "idx" / "test_id.txt").write_text("3,7,400\n")
    for build, folder in ((agw, tmp_path), (full, tmp_path / "idx")):
        with pytest.raises(UserError, match="2 identities of the images, such as 20, are no test identities by"):
            build(IMAGES, folder)


@pytest.mark.parametrize("build", [agw, full])
def test_bad_paths_and_labels_are_named(build: object) -> None:
    def refused(paths: list[str], pids: np.ndarray, camids: np.ndarray, message: str) -> None:
        with pytest.raises(UserError, match=message):
            build(Images(paths, pids, camids), None)

    pids, camids = IMAGES.pids, IMAGES.camids
    refused([PATHS[0], "vis/cam1/0006/x.jpg"], pids[:2], camids[:2], r"path 1, 'vis/cam1/0006/x\.jpg', is not like")
    refused(PATHS, np.roll(pids, 1), camids, "pids contradict the paths")
    refused(PATHS, pids, camids // 2, "camids contradict the paths")
    for side in ("vis", "nir"):
        rows = [i for i, path in enumerate(PATHS) if side not in path.split("/")[0]]
        refused(chosen(np.array(rows)), pids[rows], camids[rows], f"no image under test_{side}/ among the paths")


@pytest.mark.parametrize(
    "folder", ["test_nir/cam3/0007", "test_vis/cam12/0007", "test_vis/cam0/0007", "test_vis/cam1/07a"]
)
def test_a_folder_that_llcm_does_not_have_is_refused(folder: str) -> None:
    with pytest.raises(UserError, match=rf"^path 1, '{folder}/x\.jpg', is not like"):
        agw(Images([PATHS[0], f"{folder}/x.jpg"], np.array([1, 2]), np.array([1, 2])), None)
