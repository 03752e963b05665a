"""Files of features, of any method: one row an image, with its identity, camera and path."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets_ext.errors import UserError
from datasets_ext.files import write_atomically

from .camera_files import find_camera_files, read_camera_files
from .images import Images

# The arrays of an .npz and what they are, as errors say it.
KEYS = {
    "features": "float32[images, dimensions]",
    "pids": "int64[images]",
    "camids": "int64[images]",
    "paths": "strings[images], relative to the dataset's folder",
}
_FORMAT = "; ".join(f"{key} {kind}" for key, kind in KEYS.items())


@dataclass(frozen=True)
class FeatureFile:
    """Features float32 [N, D] as a model gave them, and their images, row by row, in the order of the paths.

    ``left_out``: how many identities of the file were left out because they are not for testing.
    """

    features: NDArray[np.float32]
    images: Images
    left_out: int = 0


def read_features(path: Path, folder: Path | None = None) -> FeatureFile:
    """Read a file of features.

    Args:
        path: an ``.npz`` as :func:`write_features` writes it (features of float16 or float64 and byte strings in UTF-8
            are taken, too, and paths with backslashes or a leading ``./``), or the ``.mat`` files of SYSU-MM01's
            authors: one of the six, or what their names begin with (see :mod:`.camera_files`).
        folder: the dataset's folder or that of its split files, which say the test identities of ``.mat`` files.

    Returns:
        Rows sorted by path: a result does not depend on their order in the file.

    Raises:
        UserError: the file is missing or damaged, or an array is missing or not as it must be.
    """
    files = find_camera_files(path)
    if files is not None:
        features, images, left_out = read_camera_files(files, folder)
    else:
        features, images = _read_npz(path)
        left_out = 0
    order = sorted(range(len(images.paths)), key=lambda row: images.paths[row])
    if order != list(range(len(order))):
        features = features[order]
        images = Images([images.paths[row] for row in order], images.pids[order], images.camids[order])
    return FeatureFile(features, images, left_out)


def write_features(path: Path, features: NDArray[np.float32], images: Images) -> None:
    """Write ``path``, an ``.npz`` of the arrays of :data:`KEYS`, whole or not at all.

    Args:
        features: float32 [N, D].
        images: the N images; paths relative to the dataset's folder.

    Raises:
        UserError: ``path`` cannot be written.
    """
    pids, camids = images.pids.astype(np.int64), images.camids.astype(np.int64)
    paths = np.array(images.paths, dtype=np.str_)
    write_atomically(path, lambda file: np.savez(file, features=features, pids=pids, camids=camids, paths=paths))


def _read_npz(path: Path) -> tuple[NDArray[np.float32], Images]:
    arrays = _read_arrays(path)
    features, paths = arrays["features"], arrays["paths"]
    if features.ndim != 2 or 0 in features.shape or features.dtype.kind != "f":
        raise _wrong(path, "features", features, "at least one image and dimension, float16, float32 or float64")
    expected = f"one for each of the {len(features)} rows of features"
    for key, kinds in (("pids", "iu"), ("camids", "iu"), ("paths", "US")):
        if arrays[key].shape != (len(features),) or arrays[key].dtype.kind not in kinds:
            raise _wrong(path, key, arrays[key], expected)
    relative = [_relative(name, f"{path}: path {row}") for row, name in enumerate(_names(path, paths))]
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite or NaN, the evaluation refuses
        single = np.ascontiguousarray(features, dtype=np.float32)
    try:
        return single, Images(relative, arrays["pids"].astype(np.int64), arrays["camids"].astype(np.int64))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _read_arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """The four arrays, whatever they are."""
    if not path.is_file():
        state = "is not a file" if path.exists() else "is missing"
        raise UserError(f"features file {path} {state}: give an .npz with {_FORMAT}")
    try:
        content = np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged file makes numpy raise almost anything
        raise UserError(f"{path} cannot be read as an .npz ({_reason(error)}): write it again with np.savez") from error
    if not isinstance(content, np.lib.npyio.NpzFile):
        raise UserError(f"{path} is a single array (.npy): write an .npz with np.savez, {_FORMAT}")
    with content:
        missing = [key for key in KEYS if key not in content.files]
        if missing:
            raise UserError(f"{path} has no {', '.join(missing)}: write an .npz with np.savez, {_FORMAT}")
        return {key: _read_array(content, path, key) for key in KEYS}


def _read_array(content: np.lib.npyio.NpzFile, path: Path, key: str) -> NDArray[Any]:
    """One array, its checksum looked at: that is at the end of its part, where numpy does not always come."""
    archive: zipfile.ZipFile = content.zip  # type: ignore[assignment]  # None once it is closed
    try:
        with archive.open(f"{key}.npy") as part:
            array = np.lib.format.read_array(part, allow_pickle=False)
            rest = part.read()
    except Exception as error:  # as above; also an array of objects, which only unpickling could read
        raise UserError(f"{path}: {key} cannot be read ({_reason(error)}): save {KEYS[key]}") from error
    if rest:
        raise UserError(f"{path}: {len(rest)} bytes follow after {key}: write the file again with np.savez")
    return array


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:120]


def _wrong(path: Path, key: str, array: NDArray[Any], expected: str) -> UserError:
    return UserError(f"{path}: {key} are {array.dtype}{list(array.shape)}; give {KEYS[key]}, {expected}")


def _names(path: Path, paths: NDArray[Any]) -> list[str]:
    try:
        if paths.dtype.kind == "S":
            return np.char.decode(paths, "utf-8").tolist()
        # numpy makes strings of any numbers, and Python fails on those that are no characters.
        numbers = np.frombuffer(paths.astype(paths.dtype.newbyteorder("=")).tobytes(), dtype=np.uint32)
        if numbers.max() <= sys.maxunicode:
            return paths.tolist()
    except ValueError:
        pass
    raise UserError(f"{path}: paths are no valid text; save them as strings, or as bytes in UTF-8")


def _relative(name: str, where: str) -> str:
    """A path with slashes, without ``./``; refused if it leads out of the dataset's folder."""
    image = PureWindowsPath(name)  # knows slashes, backslashes and drives
    if image.anchor or not image.parts or ".." in image.parts or name.splitlines() != [name]:
        raise UserError(f"{where} is {name[:80]!r}: give image paths relative to the dataset's folder")
    return image.as_posix()
