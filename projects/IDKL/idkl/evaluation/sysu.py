"""SYSU-MM01's official protocol (Wu et al., ICCV 2017): galleries from its own file of permutations.

Query: all infrared test images (cameras 3, 6). Gallery of trial t: for every visible camera of the mode and every
test identity seen there, the first 1 (single-shot) or 10 (multi-shot) images of row t of the permutation.
Cameras 2 and 3 look at one place, so a camera-3 query ignores camera-2 images.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

from datasets_ext.errors import UserError

from .metrics import IntArray
from .protocol import PROTOCOLS, Setting, Trial

INFRARED_CAMERAS = (3, 6)
MODE_CAMERAS = {"all": (1, 2, 4, 5), "indoor": (1, 2)}
SHOTS = (1, 10)
TRIALS = 10
PERMUTATION_FILE = "rand_perm_cam.mat"
_PERMUTATION_KEY = "rand_perm_cam"
_PATH = re.compile(r"cam([1-6])/(\d+)/[^/]+")
_RESTORE = "restore the file that came with the dataset"

# Test images of one visible camera and identity: feature rows in the order of their file names.
ImageGroups = dict[tuple[int, int], IntArray]


def sysu_settings(paths: Sequence[str], pids: IntArray, camids: IntArray, root: str | Path) -> list[Setting]:
    """All-search single-shot and multi-shot, then indoor-search single-shot and multi-shot; 10 trials each.

    Args:
        paths: str[N], the test images relative to the dataset's root, ``cam3/0006/0001.jpg``.
        pids, camids: int[N]; any numbering, one to one with the identities and cameras of the paths.
        root: the dataset's root, with ``exp/rand_perm_cam.mat``, or a folder with that file itself.

    Raises:
        UserError: a path, a label or the permutation file does not fit; the message names which.
    """
    cameras, identities = _parse_paths(paths)
    _check_labels("pid", pids, identities, paths)
    _check_labels("camid", camids, cameras, paths)
    query = np.flatnonzero(np.isin(cameras, INFRARED_CAMERAS))
    if len(query) == 0:
        raise UserError("no infrared test image (cam3, cam6) among the paths; SYSU-MM01 needs them as queries")
    groups = _group_images(paths, cameras, identities)
    permutations = read_permutations(_permutation_path(Path(root)), groups)
    query_keys = np.where(cameras[query] == 3, 2, -1)  # the camera whose images a query ignores
    settings = []
    for mode, mode_cameras in MODE_CAMERAS.items():
        chosen = sorted(key for key in groups if key[0] in mode_cameras)
        if not chosen:
            raise UserError(f"no visible test image of cameras {mode_cameras}, so no gallery for mode {mode}")
        for shots in SHOTS:
            trials = []
            for t in range(TRIALS):
                gallery = np.concatenate([groups[key][permutations[key][t, :shots] - 1] for key in chosen])
                trials.append(Trial(query, gallery, (query_keys, cameras[gallery])))
            settings.append(Setting("sysu", mode, shots, "infrared-to-visible", "official", True, tuple(trials)))
    return settings


def read_permutations(path: Path, groups: ImageGroups) -> dict[tuple[int, int], IntArray]:
    """Permutations int64[10, n] of 1..n for every (camera, identity) of ``groups``, n its number of images.

    The file holds one cell a camera (6), in it one cell an identity, in it a matrix [trials, n].

    Raises:
        UserError: the file is missing or damaged, or does not belong to these images.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing; it comes with SYSU-MM01 and decides the galleries, copy it there")
    try:
        content = scipy.io.loadmat(path, appendmat=False, variable_names=[_PERMUTATION_KEY])
    except Exception as error:  # a damaged file makes scipy raise almost anything
        raise UserError(f"{path} cannot be read as a MATLAB file ({type(error).__name__}); {_RESTORE}") from error
    cells = content.get(_PERMUTATION_KEY)
    if cells is None:
        raise UserError(f"{path} has no variable {_PERMUTATION_KEY}; {_RESTORE}")
    if cells.dtype != object or cells.size != 6:
        raise UserError(f"{path}: {_PERMUTATION_KEY} is {cells.dtype}{list(cells.shape)}, not 6 cells; {_RESTORE}")
    cells = cells.ravel()
    return {key: _permutation(path, cells[key[0] - 1], key, len(rows)) for key, rows in groups.items()}


def _permutation(path: Path, cell: NDArray[Any], key: tuple[int, int], images: int) -> IntArray:
    camera, identity = key
    where = f"{path}: camera {camera}, identity {identity}"
    if cell.dtype != object or not 1 <= identity <= cell.size:
        raise UserError(f"{where}: there is no permutation of this identity; {_RESTORE}")
    matrix = cell.ravel()[identity - 1]
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


def _permutation_path(root: Path) -> Path:
    beside = root / PERMUTATION_FILE
    return beside if beside.is_file() else root / "exp" / PERMUTATION_FILE


def _parse_paths(paths: Sequence[str]) -> tuple[IntArray, IntArray]:
    """Cameras int64[N] and identities int64[N] of distinct paths."""
    labels = np.empty((2, len(paths)), dtype=np.int64)
    first_row: dict[str, int] = {}
    for row, path in enumerate(paths):
        match = _PATH.fullmatch(path)
        if match is None:
            raise UserError(
                f"path {row}, {path!r}, is not like cam3/0006/0001.jpg; give it relative to SYSU-MM01's root"
            )
        if first_row.setdefault(path, row) != row:
            raise UserError(f"{path} is given twice, in rows {first_row[path]} and {row}; give every image once")
        labels[:, row] = int(match[1]), int(match[2])
    return labels[0], labels[1]


def _check_labels(name: str, given: IntArray, named: IntArray, paths: Sequence[str]) -> None:
    """``given`` int[N] must be a renumbering of ``named`` int64[N], or rows and paths do not belong together."""
    given = np.asarray(given)
    if given.shape != named.shape:
        raise UserError(f"{len(named)} paths but {name}s of shape {list(given.shape)}; give one {name} a path")
    for one, other in ((given, named), (named, given)):
        _, first, inverse = np.unique(one, return_index=True, return_inverse=True)
        wrong = np.flatnonzero(other != other[first[inverse]])
        if len(wrong):
            row, before = wrong[0], first[inverse[wrong[0]]]
            raise UserError(
                f"{name}s contradict the paths: row {row} ({paths[row]}) has {name} {given[row]}, row {before} "
                f"({paths[before]}) has {given[before]}; keep rows, paths and labels in one order"
            )


def _group_images(paths: Sequence[str], cameras: IntArray, identities: IntArray) -> ImageGroups:
    groups: dict[tuple[int, int], list[int]] = {}
    for row in sorted(range(len(paths)), key=lambda row: paths[row]):
        if cameras[row] not in INFRARED_CAMERAS:
            groups.setdefault((int(cameras[row]), int(identities[row])), []).append(row)
    return {key: np.array(rows) for key, rows in groups.items()}


PROTOCOLS["SYSU_MM01"] = sysu_settings
