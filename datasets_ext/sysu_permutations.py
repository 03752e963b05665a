"""SYSU-MM01's ``rand_perm_cam.mat``: the permutations of every identity's images that decide the official galleries.

The file comes with the dataset (https://github.com/wuancong/SYSU-MM01). It holds one cell a camera (6), in it one
cell an identity, in it a matrix [trials, n]: row t is trial t's order of the identity's n images in that camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UserError
from .mat_files import read_variable
from .sysu_mm01 import CAMERAS, INFRARED_CAMERAS

PERMUTATION_FILE = "rand_perm_cam.mat"
TRIALS = 10
_VARIABLE = "rand_perm_cam"
_RESTORE = "restore the file that came with the dataset"

Permutations = dict[tuple[int, int], NDArray[np.int64]]


def read_permutations(path: Path, counts: Mapping[tuple[int, int], int]) -> Permutations:
    """Permutations int64[10, n] of 1..n for every (camera, identity) of ``counts``, n its number of images.

    Galleries are drawn from the visible cameras. An infrared permutation is checked like theirs where the file has
    one, but may be empty or absent; it is then left out of the result.

    Raises:
        UserError: the file is missing or damaged, or does not belong to these images.
    """
    cells = read_permutation_cells(path)
    found = {key: check_permutation(path, cells, key, images) for key, images in counts.items()}
    return {key: permutation for key, permutation in found.items() if permutation is not None}


def read_permutation_cells(path: Path) -> NDArray[Any]:
    """The file's six cells, object[6], a camera each. Raises UserError if it is missing or has another structure."""
    if not path.is_file():
        raise UserError(f"{path} is missing; it comes with SYSU-MM01 and decides the galleries, copy it there")
    cells = read_variable(path, _VARIABLE, _RESTORE)
    if cells.dtype != object or cells.size != len(CAMERAS):
        raise UserError(f"{path}: {_VARIABLE} is {cells.dtype}{list(cells.shape)}, not 6 cells; {_RESTORE}")
    return cells.ravel()


def check_permutation(path: Path, cells: NDArray[Any], key: tuple[int, int], images: int) -> NDArray[np.int64] | None:
    """The permutations int64[10, ``images``] of one (camera, identity); None where none is there and none is needed.

    None is needed in an infrared camera, and where the identity has no images. Raises UserError if they are missing
    otherwise, or are not permutations of 1..``images``.
    """
    camera, identity = key
    where = f"{path}: camera {camera}, identity {identity}"
    cell = cells[camera - 1]
    matrix = cell.ravel()[identity - 1] if cell.dtype == object and 1 <= identity <= cell.size else None
    if (matrix is None or matrix.size == 0) and (camera in INFRARED_CAMERAS or images == 0):
        return None
    if matrix is None:
        raise UserError(f"{where}: there is no permutation of this identity; {_RESTORE}")
    if matrix.dtype.kind not in "iuf" or matrix.ndim != 2 or len(matrix) < TRIALS:
        raise UserError(f"{where}: {matrix.dtype}{list(matrix.shape)} is not {TRIALS} or more trials; {_RESTORE}")
    if matrix.shape[1] != images:
        raise UserError(
            f"{where}: permutations of {matrix.shape[1]} images, but {images} are given; give every test image of the "
            "dataset that the file belongs to, and no other"
        )
    if not (np.sort(matrix[:TRIALS], axis=1) == np.arange(1, images + 1)).all():
        raise UserError(f"{where}: the entries of a trial are not 1 to {images}, each once; {_RESTORE}")
    return matrix[:TRIALS].astype(np.int64)
