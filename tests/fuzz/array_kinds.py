"""Features, permutations and search indexes: MATLAB files, npz files and faiss."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from datasets_ext.sysu_permutations import read_permutations
from idkl.evaluation.features import read_features, write_features
from idkl.evaluation.images import Images
from idkl.search.index import SearchIndex
from idkl.search.kinds import plan_index, train_index
from idkl.search.store import open_index, save_index, write_faiss
from tests.permutations import make_cells

from .kind import Kind

COUNTS = {(camera, pid): 2 + pid for camera in range(1, 7) for pid in (1, 3)}


def array_kinds(folder: Path) -> list[Kind]:
    return [*_permutations(folder), *_camera_files(folder), *_npz(folder), _index(folder)]


def _permutations(folder: Path) -> list[Kind]:
    kinds = []
    for compressed, says in ((True, None), (False, _as_scipy)):
        path = folder / f"rand_perm_cam-{compressed}.mat"
        scipy.io.savemat(path, {"rand_perm_cam": make_cells(COUNTS, 4)}, do_compression=compressed)
        name = f"permutations .mat, {'compressed' if compressed else 'plain'}"
        read = partial(read_permutations, path, COUNTS)
        kinds.append(Kind(name, [path], read) if says is None else Kind(name, [path], read, says))
    return kinds


def _as_scipy(value: Any, path: Path) -> bool:
    """Without a checksum: what scipy reads from the same damaged file, so far as scipy survives it."""
    name = "rand_perm_cam" if "rand_perm_cam" in path.name else "feature"
    found = _cells(value, path)
    child = os.fork()
    if child == 0:
        os._exit(0 if _scipy_has(path, name, found) else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _cells(value: Any, path: Path) -> dict[tuple[int, int], Any]:
    """The cells that the value has from this file, by camera (0: the file has one) and identity."""
    if isinstance(value, dict):
        return value
    features, images = value
    camera = int(path.stem[-1])
    return {
        (0, pid): features[(images.camids == camera) & (images.pids == pid)]
        for pid in set(images.pids[images.camids == camera])
    }


def _scipy_has(path: Path, name: str, found: dict[tuple[int, int], Any]) -> bool:
    try:
        cells = scipy.io.loadmat(path, variable_names=[name])[name].ravel()
    except BaseException:
        return False
    own = {}
    for camera, pid in found:
        with np.errstate(over="ignore"):
            own[camera, pid] = cells[camera - 1].ravel()[pid - 1] if camera else cells[pid - 1].astype(np.float32)
    return all(np.array_equal(found[key], own[key][: len(found[key])], equal_nan=True) for key in found)


def _camera_files(folder: Path) -> list[Kind]:
    kinds = []
    rng = np.random.default_rng(0)
    for compressed in (True, False):
        stem = folder / f"deep{compressed}"
        files = [folder / f"{stem.name}_cam{camera}.mat" for camera in range(1, 7)]
        for file in files:
            cells = np.empty((1, 3), dtype=object)
            for pid in range(3):
                cells[0, pid] = rng.normal(size=(pid, 4))
            scipy.io.savemat(file, {"feature": cells}, do_compression=compressed)
        name = f"features .mat, {'compressed' if compressed else 'plain'}"
        read = _features(stem)
        kinds.append(Kind(name, files, read) if compressed else Kind(name, files, read, _as_scipy))
    return kinds


def _features(path: Path) -> Callable[[], Any]:
    def read() -> Any:
        file = read_features(path)
        return file.features, _Comparable(file.images)

    return read


class _Comparable(Images):
    """Images that are equal when their labels are."""

    def __init__(self, images: Images) -> None:
        super().__init__(images.paths, images.pids, images.camids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Images) and all(
            np.array_equal(getattr(self, key), getattr(other, key)) for key in ("paths", "pids", "camids")
        )

    __hash__ = None  # type: ignore[assignment]


def _images(count: int) -> Images:
    rows = np.arange(count)
    return Images([f"cam{1 + row % 6}/{row // 6:04d}/{row:04d}.jpg" for row in rows], rows // 6, 1 + rows % 6)


def _npz(folder: Path) -> list[Kind]:
    features = np.random.default_rng(0).normal(size=(12, 6)).astype(np.float32)
    plain, compressed = folder / "features.npz", folder / "compressed.npz"
    write_features(plain, features, _images(12))
    with np.load(plain) as content:
        np.savez_compressed(compressed, **content)
    return [Kind(f"features .npz, {path.stem}", [path], _features(path)) for path in (plain, compressed)]


def _index(folder: Path) -> Kind:
    vectors = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    save_index(folder / "index", SearchIndex(train_index(plan_index("flat", 12, 4), vectors), _images(12)))

    def read() -> Any:
        index = open_index(folder / "index")
        content = io.BytesIO()
        write_faiss(index.faiss_index, content.write)
        return content.getvalue(), _Comparable(index.images)

    return Kind("search index", sorted((folder / "index").iterdir()), read)
