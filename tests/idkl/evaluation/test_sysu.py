"""SYSU-MM01's protocols on a small data set with a permutation file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets_ext.errors import UserError
from idkl.evaluation import Images, evaluate
from idkl.evaluation.protocol import Setting
from idkl.evaluation.sysu import agw, official
from tests.idkl.evaluation import made, naive
from tests.permutations import make_cells, write_cells

PATHS = made.sysu_paths()
IMAGES = made.images(PATHS)


def cells(counts: Any = made.SYSU) -> Any:
    return make_cells(counts, made.SYSU_IDENTITIES)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_cells(tmp_path, cells())
    return tmp_path


def galleries(settings: list[Setting], paths: list[str] = PATHS) -> list[list[str]]:
    return [[paths[row] for row in trial.gallery] for setting in settings for trial in setting.trials]


def test_official_settings_and_their_order(root: Path) -> None:
    settings = official(IMAGES, root)
    assert [(s.mode, s.shots) for s in settings] == [("all", 1), ("all", 10), ("indoor", 1), ("indoor", 10)]
    assert {(s.protocol, s.direction, s.gallery, s.deduplicate, len(s.trials)) for s in settings} == {
        ("sysu", "infrared-to-visible", "official", True, 10)
    }


def test_agw_settings_and_their_order() -> None:
    settings = agw(IMAGES, None)
    assert [(s.mode, s.shots) for s in settings] == [("all", 1), ("indoor", 1)]
    assert {(s.protocol, s.direction, s.gallery, s.deduplicate, len(s.trials)) for s in settings} == {
        ("sysu", "infrared-to-visible", "agw", True, 10)
    }


def test_queries_are_all_infrared_images(root: Path) -> None:
    infrared = {path for path in PATHS if path.startswith(("cam3", "cam6"))}
    for setting in official(IMAGES, root) + agw(IMAGES, root):
        for trial in setting.trials:
            query = [PATHS[row] for row in trial.query]
            assert set(query) == infrared and len(query) == len(infrared)


def test_official_galleries_follow_the_permutations(root: Path) -> None:
    file = cells()
    for setting in official(IMAGES, root):
        for t, trial in enumerate(setting.trials):
            expected = []
            for camera in {"all": (1, 2, 4, 5), "indoor": (1, 2)}[setting.mode]:
                for pid in (2, 4, 9):
                    names = file[camera - 1, 0][pid - 1, 0][t, : setting.shots]
                    expected += [f"cam{camera}/{pid:04d}/{name:04d}.jpg" for name in names]
            assert sorted(PATHS[row] for row in trial.gallery) == sorted(expected)


def test_official_gallery_sizes(root: Path) -> None:
    # One of each (camera, identity): 3 + 4 outdoors and in. Ten: min(10, images) = 10+3+10+1 + 10+2+10 + 4.
    sizes = [[len(trial.gallery) for trial in s.trials] for s in official(IMAGES, root)]
    assert sizes == [[8] * 10, [50] * 10, [3] * 10, [23] * 10]


def test_agw_galleries_are_drawn_with_the_trials_number(root: Path) -> None:
    expected = [sorted(gallery) for line in naive.sysu_agw(PATHS) for _, gallery in line.trials]
    assert [sorted(gallery) for gallery in galleries(agw(IMAGES, root))] == expected
    assert len({tuple(gallery) for gallery in expected}) > 10


def test_file_names_need_not_be_numbers_in_a_row(root: Path) -> None:
    # The permutation counts files in sorted order: image 3 of (cam2, 2) is the third name, whatever it is.
    names = {"cam2/0002/0001.jpg": "cam2/0002/0005.jpg", "cam2/0002/0003.jpg": "cam2/0002/0400.png"}
    renamed = [names.get(path, path) for path in PATHS]
    order = ["cam2/0002/0002.jpg", "cam2/0002/0005.jpg", "cam2/0002/0400.png"]
    permutation = made.sysu_permutations()[2, 2]
    settings = official(made.images(renamed), root)[3:]
    for t, gallery in enumerate(galleries(settings, renamed)):
        assert [path for path in gallery if path in order] == [order[k - 1] for k in permutation[t]]


def test_only_camera_3_ignores_only_camera_2(root: Path) -> None:
    for setting in official(IMAGES, root) + agw(IMAGES, root):
        query_keys, gallery_keys = setting.ignore
        for q in setting.trials[0].query:
            for g in np.unique(np.concatenate([trial.gallery for trial in setting.trials])):
                assert (query_keys[q] == gallery_keys[g]) == naive.camera_3_ignores_2(PATHS[q], PATHS[g])


@pytest.mark.parametrize("rule", [official, agw])
def test_camera_rule_by_hand(tmp_path: Path, rule: Any) -> None:
    # One image of identity 1 in cameras 2, 3, 5 and 6, one of identity 2 in cameras 1 and 6. On a line of angles:
    #   query cam3/1 at 0: cam2/1 at 1 degree is ignored, cam1/2 at 10, cam5/1 at 20 -> rank 2, AP = INP = 1/2.
    #   query cam6/1 at 0: cam2/1, cam1/2, cam5/1 -> rank 1, AP = (1/1 + 2/3) / 2 = 5/6, INP = 2/3.
    #   query cam6/2 at 0: the same ranking, its one match cam1/2 second; AP = INP = 1/2.
    # De-duplicated CMC: hits at 2, 1, 2.
    angles = {"cam3/0001": 0, "cam6/0001": 0, "cam6/0002": 0, "cam2/0001": 1, "cam1/0002": 10, "cam5/0001": 20}
    write_cells(tmp_path, make_cells({(int(name[3]), int(name[-1])): 1 for name in angles}, 2))
    images = made.images([f"{folder}/0001.jpg" for folder in angles])
    radians = np.deg2rad(list(angles.values()))
    features = np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)
    row = evaluate(features, images, rule(images, tmp_path)[:1])[0]
    assert row["Rank-1"] == pytest.approx(100 / 3)
    assert row["Rank-5"] == 100
    assert row["mAP"] == pytest.approx(100 * (1 / 2 + 5 / 6 + 1 / 2) / 3)
    assert row["mINP"] == pytest.approx(100 * (1 / 2 + 2 / 3 + 1 / 2) / 3)
    assert max(row["std"].values()) < 1e-9  # the galleries of all trials are equal


@pytest.mark.parametrize("rule", [official, agw])
def test_labels_may_be_numbered_otherwise(root: Path, rule: Any) -> None:
    features = np.random.default_rng(0).standard_normal((len(PATHS), 6)).astype(np.float32)
    renumbered = Images(PATHS, IMAGES.pids * 3 + 50, IMAGES.camids - 1)
    assert evaluate(features, renumbered, rule(renumbered, root)) == evaluate(features, IMAGES, rule(IMAGES, root))


def test_the_file_may_lie_in_the_folder_itself(root: Path) -> None:
    assert galleries(official(IMAGES, root / "exp")) == galleries(official(IMAGES, root))


@pytest.mark.parametrize("camera", [5, 6])
def test_a_file_of_other_images_is_refused(tmp_path: Path, camera: int) -> None:
    write_cells(tmp_path, cells({**made.SYSU, (camera, 9): 7}))
    with pytest.raises(UserError, match=f"camera {camera}, identity 9: permutations of 7 images, but"):
        official(IMAGES, tmp_path)


def test_infrared_permutations_may_be_left_out(root: Path, tmp_path: Path) -> None:
    expected = galleries(official(IMAGES, root))
    file, nothing = cells(), cells({})
    for camera in (3, 6):
        file[camera - 1, 0] = nothing[camera - 1, 0]
    write_cells(tmp_path, file)
    assert galleries(official(IMAGES, tmp_path)) == expected


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"exp/rand_perm_cam\.mat is missing"):
        official(IMAGES, tmp_path)
    with pytest.raises(UserError, match=r"rand_perm_cam\.mat is needed: add --split-dir"):
        official(IMAGES, None)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b"no MATLAB file"), "cannot be read as a MATLAB file"),
        (lambda path: path.write_bytes(path.read_bytes()[:300]), "cannot be read as a MATLAB file"),
        (lambda path: write_cells(path.parents[1], cells(), key="other"), "has no array named rand_perm_cam"),
        (lambda path: write_cells(path.parents[1], cells()[:5]), "not 6 cells"),
        (lambda path: write_cells(path.parents[1], make_cells(made.SYSU, 4)), "identity 9: there is no permutation"),
    ],
)
def test_a_damaged_permutation_file_is_refused(root: Path, damage: Any, message: str) -> None:
    damage(root / "exp" / "rand_perm_cam.mat")
    with pytest.raises(UserError, match=message) as error:
        official(IMAGES, root)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rule", [official, agw])
def test_identities_that_are_no_test_identities_are_refused(root: Path, rule: Any) -> None:
    (root / "exp" / "test_id.txt").write_text("2,4,9,10\n")
    assert rule(IMAGES, root)[0].mode == "all"
    (root / "exp" / "test_id.txt").write_text("2,10\n")
    with pytest.raises(UserError, match=r"2 identities of the images, such as 4, are no test identities by .*test_id"):
        rule(IMAGES, root)


@pytest.mark.parametrize("rule", [official, agw])
def test_bad_paths_and_labels_are_named(root: Path, rule: Any) -> None:
    pids, camids = IMAGES.pids, IMAGES.camids
    with pytest.raises(UserError, match=r"path 1, 'SYSU-MM01/cam1/0002/0001\.jpg'"):
        rule(Images([PATHS[0], "SYSU-MM01/cam1/0002/0001.jpg"], pids[:2], camids[:2]), root)
    with pytest.raises(UserError, match=r"path 0, 'cam7/0002/0001\.jpg'"):
        rule(Images(["cam7/0002/0001.jpg"], pids[:1], camids[:1]), root)
    with pytest.raises(UserError, match="pids contradict the paths"):
        rule(Images(PATHS, np.roll(pids, 1), camids), root)
    with pytest.raises(UserError, match="camids contradict the paths"):
        rule(Images(PATHS, pids, camids // 2), root)


@pytest.mark.parametrize(
    ("cameras", "message"),
    [((1, 2, 4, 5), "no infrared test image"), ((3, 4, 5, 6), r"no visible test image of cameras \(1, 2\)")],
)
def test_missing_side_is_named(root: Path, cameras: tuple[int, ...], message: str) -> None:
    images = made.images([path for path in PATHS if int(path[3]) in cameras])
    with pytest.raises(UserError, match=message):
        official(images, root)
