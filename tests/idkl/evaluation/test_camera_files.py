"""Features in the files of SYSU-MM01's authors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from datasets_ext.errors import UserError
from idkl.evaluation.camera_files import find_camera_files
from idkl.evaluation.features import read_features

# Images of each (camera, identity) of 4; identity 3 has none, and cameras 2 and 5 saw nobody.
COUNTS = {(1, 1): 2, (1, 4): 1, (3, 1): 1, (3, 2): 3, (4, 2): 12, (6, 4): 1}


def feature(camera: int, pid: int, image: int) -> list[float]:
    return [camera, pid + image / 16]


def make_cells(counts: Mapping[tuple[int, int], int], camera: int, identities: int) -> Any:
    cells = np.empty((1, identities), dtype=object)
    for pid in range(1, identities + 1):
        rows = [feature(camera, pid, image) for image in range(1, counts.get((camera, pid), 0) + 1)]
        cells[0, pid - 1] = np.array(rows, dtype=np.float64).reshape(len(rows), 2 if rows else 0)
    return cells


def write_files(
    folder: Path, name: str = "deep", counts: Mapping[tuple[int, int], int] = COUNTS, identities: int = 4
) -> Path:
    for camera in range(1, 7):
        content = {"feature": make_cells(counts, camera, identities), "note": "of a model"}
        scipy.io.savemat(folder / f"{name}_cam{camera}.mat", content, do_compression=camera % 2 == 0)
    return folder / name


def expected(identities: tuple[int, ...] = (1, 2, 3, 4)) -> dict[str, list[float]]:
    return {
        f"cam{camera}/{pid:04d}/{image:04d}.jpg": feature(camera, pid, image)
        for (camera, pid), count in COUNTS.items()
        if pid in identities
        for image in range(1, count + 1)
    }


@pytest.mark.parametrize("name", ["deep", "", "a_cam1.mat_b"])
def test_by_one_of_the_files_or_by_their_beginning(tmp_path: Path, name: str) -> None:
    write_files(tmp_path, name)
    given = [tmp_path / f"{name}_cam{camera}.mat" for camera in (1, 5)]
    for path in given + [tmp_path / name] * bool(name):
        found = read_features(path)
        assert dict(zip(found.images.paths, found.features.tolist(), strict=True)) == expected()
        assert list(found.images.paths) == sorted(expected()) and found.left_out == 0
        assert found.features.dtype == np.float32 and found.features.flags.c_contiguous
        for image, pid, camid in zip(found.images.paths, found.images.pids, found.images.camids, strict=True):
            assert image.startswith(f"cam{camid}/{pid:04d}/")


@pytest.mark.parametrize("kind", ["txt", "mat"])
@pytest.mark.parametrize("subfolder", ["", "exp"])
def test_other_than_test_identities_are_left_out(tmp_path: Path, kind: str, subfolder: str) -> None:
    prefix, splits = write_files(tmp_path), tmp_path / "splits" / subfolder
    splits.mkdir(parents=True)
    if kind == "txt":
        (splits / "test_id.txt").write_text("2,3\n")
    else:
        scipy.io.savemat(splits / "test_id.mat", {"id": np.array([[2, 3]], dtype=np.uint16)})
    found = read_features(prefix, tmp_path / "splits")
    assert dict(zip(found.images.paths, found.features.tolist(), strict=True)) == expected((2,))
    assert found.left_out == 2  # 1 and 4; 3 has no image


def test_a_folder_without_test_identities_leaves_all_in(tmp_path: Path) -> None:
    assert len(read_features(write_files(tmp_path), tmp_path).images.paths) == 20


def test_other_files_are_none_of_them(tmp_path: Path) -> None:
    write_files(tmp_path)
    (tmp_path / "deep").write_bytes(b"")  # an .npz under another name, beside the six
    for name in ("deep", "features.npz", "de", ".", "..", "none/deep"):
        assert find_camera_files(tmp_path / name) is None
    assert find_camera_files(Path("/")) is None


def test_the_six_belong_together(tmp_path: Path) -> None:
    prefix = write_files(tmp_path)
    (tmp_path / "deep_cam4.mat").unlink()
    for path in (prefix, tmp_path / "deep_cam1.mat", tmp_path / "deep_cam4.mat"):
        with pytest.raises(UserError, match=r"deep_cam4\.mat is missing: features of all six cameras"):
            read_features(path)
    for name in ("deep.mat", "deep_cam7.mat"):
        with pytest.raises(UserError, match=f"{name} is no feature file of SYSU-MM01's authors"):
            read_features(tmp_path / name)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"feat": make_cells(COUNTS, 3, 4)}, "deep_cam3.mat has no array named feature"),
        ({"feature": np.ones((4, 2))}, r"feature is float64\[4, 2\]; save a cell array"),
        ({"feature": [np.ones((2, 3)), np.ones(0)]}, r"feature\{1\} has 3 dimensions, an earlier one 2"),
        ({"feature": [np.ones(0), np.ones((1, 2), np.int16)]}, r"deep_cam3\.mat: feature\{2\} is int16\[1, 2\]; save"),
        ({"feature": [np.ones((1, 2, 2)), np.ones(0)]}, r"feature\{1\} is float64\[1, 2, 2\]; save a matrix"),
        (
            {"feature": [scipy.sparse.csc_matrix([[1.0, 2]]), "text"]},
            r"deep_cam3\.mat .*\(it holds sparse, not numbers",
        ),
    ],
)
def test_other_contents_are_named(tmp_path: Path, cells: dict[str, Any], message: str) -> None:
    prefix = write_files(tmp_path)
    for key, value in cells.items():
        if isinstance(value, list):
            cells = {key: np.empty((2, 1), dtype=object)}
            cells[key][:, 0] = value
    scipy.io.savemat(tmp_path / "deep_cam3.mat", cells)
    with pytest.raises(UserError, match=message) as error:
        read_features(prefix)
    assert len(str(error.value).splitlines()) == 1


def test_damaged_files_are_named(tmp_path: Path) -> None:
    prefix, path = write_files(tmp_path), tmp_path / "deep_cam3.mat"
    whole = path.read_bytes()
    for content in (b"", b"text" * 40, whole[:150], whole[:200]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"deep_cam3\.mat (cannot be read as a MATLAB file|has no array)"):
            read_features(prefix)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(UserError, match=r"deep_cam3\.mat is a MATLAB file of version 7\.3: save it again"):
        read_features(prefix)


def test_nothing_left_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_id.txt").write_text("3")
    with pytest.raises(UserError, match=r"no feature of a test identity in .*deep_cam1\.mat"):
        read_features(write_files(tmp_path), tmp_path)
    scipy.io.savemat(tmp_path / "test_id.mat", {"id": "people"})
    (tmp_path / "test_id.txt").unlink()
    with pytest.raises(UserError, match=r"test_id\.mat .*\(it holds char, not numbers"):
        read_features(tmp_path / "deep", tmp_path)
    scipy.io.savemat(tmp_path / "test_id.mat", {"id": np.array([2, np.nan])})
    with pytest.raises(UserError, match=r"test_id\.mat: id is float64\[1, 2\], no identities"):
        read_features(tmp_path / "deep", tmp_path)
