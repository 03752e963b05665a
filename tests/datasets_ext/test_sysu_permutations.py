"""The permutation file of SYSU-MM01: what is read, what is accepted, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_ext.errors import UserError
from datasets_ext.sysu_permutations import read_permutations
from tests.permutations import make_cells, write_cells

# Images of (camera, identity); identity 4 is missing in camera 1.
COUNTS = {(1, 2): 12, (2, 2): 3, (2, 4): 15, (3, 2): 4, (3, 4): 2, (4, 2): 11, (5, 4): 4, (6, 2): 5, (6, 4): 3}


def cells_of(**changes: Any) -> Any:
    """The file of ``COUNTS`` with some cells replaced: ``c3p2=value`` for camera 3, identity 2."""
    cells = make_cells(COUNTS, identities=4)
    for name, value in changes.items():
        cells[int(name[1]) - 1, 0][int(name[3]) - 1, 0] = value
    return cells


def test_rows_are_those_of_the_file(tmp_path: Path) -> None:
    cells = cells_of()
    found = read_permutations(write_cells(tmp_path, cells), COUNTS)
    assert found.keys() == COUNTS.keys()
    for (camera, pid), rows in found.items():
        assert rows.dtype == np.int64
        assert rows.tolist() == cells[camera - 1, 0][pid - 1, 0].tolist()


@given(st.dictionaries(st.tuples(st.integers(1, 6), st.integers(1, 5)), st.integers(0, 6), max_size=12))
@settings(max_examples=25, deadline=None)
def test_a_file_fits_its_own_images(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[tuple[int, int], int]
) -> None:
    path = write_cells(tmp_path_factory.mktemp("own"), make_cells(counts, identities=5))
    found = read_permutations(path, counts)
    assert {key: rows.shape for key, rows in found.items()} == {key: (10, n) for key, n in counts.items() if n}


@pytest.mark.parametrize("empty", [np.empty((10, 0)), np.empty((0, 0)), np.empty((0, 4), np.uint8)])
@pytest.mark.parametrize("camera", [3, 6])
def test_an_empty_infrared_cell_is_accepted_and_left_out(tmp_path: Path, camera: int, empty: Any) -> None:
    path = write_cells(tmp_path, cells_of(**{f"c{camera}p2": empty}))
    assert read_permutations(path, COUNTS).keys() == COUNTS.keys() - {(camera, 2)}


def test_absent_infrared_cells_are_accepted(tmp_path: Path) -> None:
    cells = cells_of()
    cells[2, 0] = cells[2, 0][:3]  # identity 4 is beyond camera 3's cells
    cells[5, 0] = np.empty((0, 0))  # and camera 6 has none at all
    found = read_permutations(write_cells(tmp_path, cells), COUNTS)
    assert found.keys() == COUNTS.keys() - {(3, 4), (6, 2), (6, 4)}


@pytest.mark.parametrize("camera", [1, 5])
def test_an_empty_visible_cell_is_refused(tmp_path: Path, camera: int) -> None:
    path = write_cells(tmp_path, cells_of(**{f"c{camera}p4": np.empty((10, 0))}))
    with pytest.raises(UserError, match=f"camera {camera}, identity 4: permutations of 0 images, but 4 are given"):
        read_permutations(path, {**COUNTS, (camera, 4): 4})


def test_identities_without_images_need_no_cell(tmp_path: Path) -> None:
    path = write_cells(tmp_path, cells_of())
    assert read_permutations(path, {(1, 4): 0, (1, 99): 0, (6, 1): 0}) == {}
    with pytest.raises(UserError, match="camera 1, identity 2: permutations of 12 images, but 0 are given"):
        read_permutations(path, {(1, 2): 0})


def test_identity_beyond_the_file_is_named(tmp_path: Path) -> None:
    path = write_cells(tmp_path, cells_of())
    with pytest.raises(UserError, match="camera 5, identity 10: there is no permutation"):
        read_permutations(path, {(5, 10): 4})


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (cells_of(c2p4=cells_of()[1, 0][3, 0][:, :14]), "camera 2, identity 4: permutations of 14 images, but 15"),
        (cells_of(c3p2=cells_of()[2, 0][1, 0][:, :3]), "camera 3, identity 2: permutations of 3 images, but 4"),
        (cells_of(c6p4=np.tile([1, 2, 2], (10, 1))), "camera 6, identity 4: the entries .* not 1 to 3"),
        (cells_of(c1p2=cells_of()[0, 0][1, 0][:9]), r"camera 1, identity 2: uint8\[9, 12\] is not 10"),
        (cells_of(c5p4=np.tile([1, 2, 2, 4], (10, 1))), "camera 5, identity 4: the entries .* not 1 to 4"),
        (cells_of(c5p4=np.array([[1, 2, 3, 4]] * 9 + [[1, 2, 3, 3]])), "camera 5, identity 4: the entries"),
        (cells_of(c5p4=np.tile([0, 1, 2, 3], (10, 1))), "camera 5, identity 4: the entries"),
        (cells_of(c5p4=np.tile([1, 2, 3, np.nan], (10, 1))), "camera 5, identity 4: the entries"),
        (cells_of(c4p2="text"), "it holds char, not numbers or cells"),
        (cells_of()[:5], r"object\[5, 1\], not 6 cells"),
        (np.ones((6, 1)), "not 6 cells"),
    ],
)
def test_bad_permutations_are_named(tmp_path: Path, cells: Any, message: str) -> None:
    path = write_cells(tmp_path, cells)
    with pytest.raises(UserError, match=message) as error:
        read_permutations(path, COUNTS)
    assert "rand_perm_cam.mat" in str(error.value) and "\n" not in str(error.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"rand_perm_cam\.mat is missing"):
        read_permutations(tmp_path / "rand_perm_cam.mat", COUNTS)


@pytest.mark.parametrize("content", [b"", b"not a MATLAB file", b"MATLAB 5.0 MAT-file" + b"\x00" * 500])
def test_file_of_another_kind_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rand_perm_cam.mat"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"rand_perm_cam\.mat (cannot be read|has no array)"):
        read_permutations(path, COUNTS)


def test_cut_off_file_is_named(tmp_path: Path) -> None:
    path = write_cells(tmp_path, cells_of())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"rand_perm_cam\.mat cannot be read"):
        read_permutations(path, COUNTS)


def test_other_variable_is_named(tmp_path: Path) -> None:
    path = write_cells(tmp_path, cells_of(), key="permutations")
    with pytest.raises(UserError, match="has no array named rand_perm_cam"):
        read_permutations(path, COUNTS)
