"""Features in the six ``.mat`` files that the evaluation code of SYSU-MM01's authors reads.

``NAME_cam1.mat`` to ``NAME_cam6.mat``, a camera each, hold a cell array ``feature``; row i of cell k is the feature of
the i-th image of identity k, and identities that the camera did not see have an empty cell
(https://github.com/wuancong/SYSU-MM01, folder evaluation).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets_ext.errors import UserError
from datasets_ext.mat_files import read_variable
from datasets_ext.split_files import read_identities
from datasets_ext.sysu_mm01 import CAMERAS

from .images import Images, split_file

_NAME = re.compile(r"(.*)_cam[1-6]\.mat", re.DOTALL)


def find_camera_files(path: Path) -> list[Path] | None:
    """The six files, if ``path`` is one of them or what their names begin with; None if it is something else.

    Raises:
        UserError: another ``.mat`` file, or one of the six is missing.
    """
    match = _NAME.fullmatch(path.name)
    files = [path.parent / f"{match[1] if match else path.name}_cam{camera}.mat" for camera in CAMERAS]
    present = [file.is_file() for file in files]
    if not match and (path.is_file() or not any(present)):
        if path.suffix == ".mat":
            raise UserError(
                f"{path} is no feature file of SYSU-MM01's authors: these are NAME_cam1.mat to NAME_cam6.mat, give one"
            )
        return None
    if not all(present):
        raise UserError(f"{files[present.index(False)]} is missing: features of all six cameras are needed")
    return files


def read_camera_files(files: Sequence[Path], folder: Path | None) -> tuple[NDArray[np.float32], Images, int]:
    """Features float32 [N, D], their images, and how many identities were left out.

    The i-th image of identity k and camera c is called ``cam<c>/<k %04d>/<i %04d>.jpg``. Where the test identities are
    at hand, in ``test_id.txt`` or the authors' ``test_id.mat``, others are left out.

    Args:
        files: of the cameras 1 to 6.
        folder: the dataset's folder or that of its split files; None if there is none.

    Raises:
        UserError: a file is damaged or holds something else, or no image is left.
    """
    identities = None if folder is None else _test_identities(folder)
    parts: list[NDArray[Any]] = []
    labels: list[tuple[int, int, int]] = []
    left_out = set()
    for camera, file in zip(CAMERAS, files, strict=True):
        for pid, cell in enumerate(_read_cells(file), start=1):
            if cell.size == 0:
                continue
            if identities is not None and pid not in identities:
                left_out.add(pid)
                continue
            dimensions = parts[0].shape[1] if parts else None
            parts.append(_check_cell(f"{file}: feature{{{pid}}}", cell, dimensions))
            labels += [(camera, pid, image) for image in range(1, len(cell) + 1)]
    if not parts:
        raise UserError(f"no feature of a test identity in {files[0]} and the other five: check the files")
    features = np.empty((len(labels), parts[0].shape[1]), dtype=np.float32)  # MATLAB's columns would stay columns
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite or NaN, the evaluation refuses
        np.concatenate(parts, out=features, casting="same_kind")
    paths = [f"cam{camera}/{pid:04d}/{image:04d}.jpg" for camera, pid, image in labels]
    camids, pids, _ = np.array(labels, dtype=np.int64).T
    return features, Images(paths, pids, camids), len(left_out)


def _test_identities(folder: Path) -> set[int] | None:
    """The test identities by the split files in ``folder``; None without such a file."""
    text, matrix = (split_file(folder, "exp", f"test_id.{extension}") for extension in ("txt", "mat"))
    if text.is_file():
        return read_identities(text)
    if not matrix.is_file():
        return None
    values = read_variable(matrix, "id", "restore the file")
    whole = values.dtype != object and all(float(value).is_integer() and value > 0 for value in values.ravel())
    if not whole or values.size == 0:
        raise UserError(f"{matrix}: id is {values.dtype}{list(values.shape)}, no identities; restore the file")
    return {int(value) for value in values.ravel()}


def _read_cells(path: Path) -> NDArray[Any]:
    cells = read_variable(path, "feature", "save it again")
    if cells.dtype != object:
        raise UserError(f"{path}: feature is {cells.dtype}{list(cells.shape)}; save a cell array, a cell an identity")
    return cells.ravel()


def _check_cell(where: str, cell: NDArray[Any], dimensions: int | None) -> NDArray[Any]:
    if cell.ndim != 2 or cell.dtype.kind != "f":
        raise UserError(f"{where} is {cell.dtype}{list(cell.shape)}; save a matrix of single or double, a row an image")
    if dimensions is not None and cell.shape[1] != dimensions:
        raise UserError(f"{where} has {cell.shape[1]} dimensions, an earlier one {dimensions}; save all of one model")
    return cell
