"""SYSU-MM01's official protocol on a small data set with a permutation file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from datasets_ext.errors import UserError
from idkl.evaluation.protocol import PROTOCOLS, Setting, Trial, evaluate
from idkl.evaluation.sysu import sysu_settings

# Images of every (camera, identity); identity 4 is missing in camera 1, identity 9 seen by camera 5 and infrared only.
IMAGES = {
    **{(camera, 2): n for camera, n in zip(range(1, 7), (12, 3, 4, 11, 1, 5), strict=True)},
    **{(camera, 4): n for camera, n in zip(range(2, 7), (15, 2, 2, 10, 3), strict=True)},
    (5, 9): 4,
    (6, 9): 2,
}


def make_cells() -> Any:
    rng = np.random.default_rng(0)
    cells = np.empty((6, 1), dtype=object)
    for camera in range(1, 7):
        cells[camera - 1, 0] = np.empty((9, 1), dtype=object)
        for pid in range(1, 10):
            count = IMAGES.get((camera, pid), 0)
            rows = [rng.permutation(count) + 1 for _ in range(10)]
            cells[camera - 1, 0][pid - 1, 0] = np.array(rows, dtype=np.uint8).reshape(10, count)
    return cells


def write(root: Path, cells: Any, key: str = "rand_perm_cam") -> None:
    (root / "exp").mkdir(exist_ok=True)
    scipy.io.savemat(root / "exp" / "rand_perm_cam.mat", {key: cells})


def make_paths() -> list[str]:
    paths = [f"cam{c}/{p:04d}/{i + 1:04d}.jpg" for (c, p), n in IMAGES.items() for i in range(n)]
    return [paths[i] for i in np.random.default_rng(1).permutation(len(paths))]  # rows in no particular order


PATHS = make_paths()
CAMIDS = np.array([int(path[3]) for path in PATHS])
PIDS = np.array([int(path[5:9]) for path in PATHS])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, make_cells())
    return tmp_path


def test_labels_and_their_order(root: Path) -> None:
    settings = PROTOCOLS["SYSU_MM01"](PATHS, PIDS, CAMIDS, root)
    assert [(s.mode, s.shots) for s in settings] == [("all", 1), ("all", 10), ("indoor", 1), ("indoor", 10)]
    assert {(s.protocol, s.direction, s.gallery, s.deduplicate, len(s.trials)) for s in settings} == {
        ("sysu", "infrared-to-visible", "official", True, 10)
    }


def test_queries_are_all_infrared_images(root: Path) -> None:
    infrared = {path for path in PATHS if path.startswith(("cam3", "cam6"))}
    for setting in sysu_settings(PATHS, PIDS, CAMIDS, root):
        for trial in setting.trials:
            query = [PATHS[row] for row in trial.query]
            assert set(query) == infrared and len(query) == len(infrared)


def test_galleries_follow_the_permutations(root: Path) -> None:
    cells = make_cells()
    for setting in sysu_settings(PATHS, PIDS, CAMIDS, root):
        for t, trial in enumerate(setting.trials):
            expected = []
            for camera in {"all": (1, 2, 4, 5), "indoor": (1, 2)}[setting.mode]:
                for pid in (2, 4, 9):
                    # The k-th image of a folder is named k, so an entry of the permutation is a file name.
                    names = cells[camera - 1, 0][pid - 1, 0][t, : setting.shots]
                    expected += [f"cam{camera}/{pid:04d}/{name:04d}.jpg" for name in names]
            assert [PATHS[row] for row in trial.gallery] == expected


def test_gallery_sizes(root: Path) -> None:
    # One of each (camera, identity): 3 + 4 outdoors and in. Ten: min(10, images) = 10+3+10+1 + 10+2+10 + 4.
    sizes = [[len(trial.gallery) for trial in s.trials] for s in sysu_settings(PATHS, PIDS, CAMIDS, root)]
    assert sizes == [[8] * 10, [50] * 10, [3] * 10, [23] * 10]


def test_file_names_need_not_be_numbers_in_a_row(root: Path) -> None:
    # The permutation counts files in sorted order: image 3 of (cam2, 2) is the third name, whatever it is.
    names = {"cam2/0002/0001.jpg": "cam2/0002/0005.jpg", "cam2/0002/0003.jpg": "cam2/0002/0400.png"}
    renamed = [names.get(path, path) for path in PATHS]
    order = ["cam2/0002/0002.jpg", "cam2/0002/0005.jpg", "cam2/0002/0400.png"]
    permutations = make_cells()[1, 0][1, 0]
    for t, trial in enumerate(sysu_settings(renamed, PIDS, CAMIDS, root)[3].trials):
        shown = [renamed[row] for row in trial.gallery if renamed[row] in order]
        assert shown == [order[k - 1] for k in permutations[t]]


def test_only_camera_3_ignores_only_camera_2(root: Path) -> None:
    for setting in sysu_settings(PATHS, PIDS, CAMIDS, root):
        for trial in setting.trials:
            mask = trial.ignore(slice(None), np.arange(len(trial.gallery)))
            for q, query in enumerate(trial.query):
                for g, gallery in enumerate(trial.gallery):
                    assert mask[q, g] == (PATHS[query].startswith("cam3") and PATHS[gallery].startswith("cam2"))


def test_camera_rule_by_hand(tmp_path: Path) -> None:
    # One image of identity 1 in cameras 2, 3, 5 and 6, one of identity 2 in cameras 1 and 6. On a line of angles:
    #   query cam3/1 at 0: cam2/1 at 1 degree is ignored, cam1/2 at 10, cam5/1 at 20 -> rank 2, AP = INP = 1/2.
    #   query cam6/1 at 0: cam2/1, cam1/2, cam5/1 -> rank 1, AP = (1/1 + 2/3) / 2 = 5/6, INP = 2/3.
    #   query cam6/2 at 0: the same ranking, its one match cam1/2 second; AP = INP = 1/2.
    # De-duplicated CMC: hits at 2, 1, 2.
    angles = {"cam3/0001": 0, "cam6/0001": 0, "cam6/0002": 0, "cam2/0001": 1, "cam1/0002": 10, "cam5/0001": 20}
    cells = np.empty((6, 1), dtype=object)
    for camera in range(1, 7):
        cells[camera - 1, 0] = np.empty((2, 1), dtype=object)
        for pid in (1, 2):
            cells[camera - 1, 0][pid - 1, 0] = np.ones((10, int(f"cam{camera}/000{pid}" in angles)), np.uint8)
    write(tmp_path, cells)
    paths = [f"{folder}/0001.jpg" for folder in angles]
    pids, camids = np.array([1, 1, 2, 1, 2, 1]), np.array([3, 6, 6, 2, 1, 5])
    radians = np.deg2rad(list(angles.values()))
    features = np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)
    row = evaluate(features, pids, sysu_settings(paths, pids, camids, tmp_path)[:1])[0]
    assert row["Rank-1"] == pytest.approx(100 / 3)
    assert row["Rank-5"] == 100
    assert row["mAP"] == pytest.approx(100 * (1 / 2 + 5 / 6 + 1 / 2) / 3)
    assert row["mINP"] == pytest.approx(100 * (1 / 2 + 2 / 3 + 1 / 2) / 3)
    assert max(row["std"].values()) < 1e-9  # the galleries of all trials are equal


def test_labels_may_be_numbered_otherwise(root: Path) -> None:
    features = np.random.default_rng(0).standard_normal((len(PATHS), 6)).astype(np.float32)
    expected = evaluate(features, PIDS, sysu_settings(PATHS, PIDS, CAMIDS, root))
    assert evaluate(features, 50 - PIDS, sysu_settings(PATHS, 50 - PIDS, CAMIDS - 1, root)) == expected


def test_the_file_may_lie_in_the_folder_itself(root: Path) -> None:
    expected = sysu_settings(PATHS, PIDS, CAMIDS, root)
    found = sysu_settings(PATHS, PIDS, CAMIDS, root / "exp")
    assert [t.gallery.tolist() for s in found for t in s.trials] == [
        t.gallery.tolist() for s in expected for t in s.trials
    ]


def test_settings_are_plain_data(root: Path) -> None:
    setting = sysu_settings(PATHS, PIDS, CAMIDS, root)[0]
    assert isinstance(setting, Setting) and isinstance(setting.trials[0], Trial)
    assert all(t.query is setting.trials[0].query for t in setting.trials)


def replace_cell(camera: int, pid: int, value: Any) -> Any:
    cells = make_cells()
    cells[camera - 1, 0][pid - 1, 0] = value
    return cells


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            replace_cell(2, 4, make_cells()[1, 0][3, 0][:, :14]),
            "camera 2, identity 4: permutations of 14 images, but 15",
        ),
        (replace_cell(1, 2, make_cells()[0, 0][1, 0][:9]), r"camera 1, identity 2: uint8\[9, 12\] is not 10"),
        (replace_cell(5, 9, np.tile([1, 2, 2, 4], (10, 1))), "camera 5, identity 9: the entries .* not 1 to 4"),
        (replace_cell(5, 9, np.array([[1, 2, 3, 4]] * 9 + [[1, 2, 3, 3]])), "camera 5, identity 9: the entries"),
        (replace_cell(5, 9, np.tile([0, 1, 2, 3], (10, 1))), "camera 5, identity 9: the entries"),
        (replace_cell(5, 9, np.tile([1, 2, 3, np.nan], (10, 1))), "camera 5, identity 9: the entries"),
        (replace_cell(4, 2, "text"), "camera 4, identity 2: .* is not 10"),
        (make_cells()[:5], r"object\[5, 1\], not 6 cells"),
        (np.ones((6, 1)), "not 6 cells"),
    ],
)
def test_bad_permutations_are_named(tmp_path: Path, cells: Any, message: str) -> None:
    write(tmp_path, cells)
    with pytest.raises(UserError, match=message) as error:
        sysu_settings(PATHS, PIDS, CAMIDS, tmp_path)
    assert "rand_perm_cam.mat" in str(error.value) and "\n" not in str(error.value)


def test_identity_beyond_the_file_is_named(root: Path) -> None:
    paths = [path.replace("/0009/", "/0010/") for path in PATHS]
    with pytest.raises(UserError, match="camera 5, identity 10: there is no permutation"):
        sysu_settings(paths, PIDS, CAMIDS, root)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"exp/rand_perm_cam\.mat is missing"):
        sysu_settings(PATHS, PIDS, CAMIDS, tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a MATLAB file", b"MATLAB 5.0 MAT-file" + b"\x00" * 500])
def test_file_of_another_kind_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rand_perm_cam.mat").write_bytes(content)
    with pytest.raises(UserError, match=r"rand_perm_cam\.mat (cannot be read|has no variable)"):
        sysu_settings(PATHS, PIDS, CAMIDS, tmp_path)


def test_cut_off_file_is_named(root: Path) -> None:
    path = root / "exp" / "rand_perm_cam.mat"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"rand_perm_cam\.mat cannot be read"):
        sysu_settings(PATHS, PIDS, CAMIDS, root)


def test_other_variable_is_named(tmp_path: Path) -> None:
    write(tmp_path, make_cells(), key="permutations")
    with pytest.raises(UserError, match="has no variable rand_perm_cam"):
        sysu_settings(PATHS, PIDS, CAMIDS, tmp_path)


def test_bad_paths_and_labels_are_named(root: Path) -> None:
    with pytest.raises(UserError, match=r"path 1, 'SYSU-MM01/cam1/0002/0001\.jpg'"):
        sysu_settings([PATHS[0], "SYSU-MM01/cam1/0002/0001.jpg"], PIDS[:2], CAMIDS[:2], root)
    with pytest.raises(UserError, match="given twice, in rows 0 and 1"):
        sysu_settings([PATHS[0], PATHS[0]], PIDS[:2], CAMIDS[:2], root)
    with pytest.raises(UserError, match="give one pid a path"):
        sysu_settings(PATHS, PIDS[1:], CAMIDS, root)
    with pytest.raises(UserError, match="pids contradict the paths"):
        sysu_settings(PATHS, np.roll(PIDS, 1), CAMIDS, root)
    with pytest.raises(UserError, match="camids contradict the paths"):
        sysu_settings(PATHS, PIDS, CAMIDS // 2, root)


@pytest.mark.parametrize(
    ("cameras", "message"),
    [((1, 2, 4, 5), "no infrared test image"), ((3, 4, 5, 6), r"no visible test image of cameras \(1, 2\)")],
)
def test_missing_side_is_named(root: Path, cameras: tuple[int, ...], message: str) -> None:
    rows = np.flatnonzero(np.isin(CAMIDS, cameras))
    with pytest.raises(UserError, match=message):
        sysu_settings([PATHS[row] for row in rows], PIDS[rows], CAMIDS[rows], root)
