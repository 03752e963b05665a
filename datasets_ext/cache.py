"""Images decoded and resized once, in one file for each list of images and size."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from fastreid.utils import comm
from numpy.typing import NDArray
from PIL import Image
from torchvision import transforms as T
from tqdm import tqdm

from .augmentation import to_pixels
from .errors import UserError
from .files import write_atomically
from .image import read_image
from .pixel_file import PixelFile, write_pixels

logger = logging.getLogger(__name__)

FORMAT = 2  # raised when the same images would have to be stored otherwise
CHUNK = 256  # images that are decoded before they are written: more would fill the memory when the disk is slow
LINES = 4  # of progress, where no terminal shows a bar
STALE = 3600.0  # seconds after which a temporary file that nobody writes to is one of an interrupted build


class ImageCache:
    """The images of a cache file, as :func:`open_cache` gives it.

    Sent to a worker, it carries the file's name and not its pixels; all processes share the pages of the one file.

    Args:
        path: the file.
        paths: the image files of its N images.
        size: H, W in pixels.

    Raises:
        UserError: the file is missing, or is not whole.
    """

    def __init__(self, path: Path, paths: Sequence[str], size: tuple[int, int]) -> None:
        self._arguments = path, paths, size
        self._path = path
        self._rows = {image: row for row, image in enumerate(paths)}
        try:
            self._images = PixelFile(path, (len(paths), *size))
        except (OSError, ValueError) as error:
            raise UserError(
                f"image cache {path} cannot be read ({_first_line(error)}): give a folder that all processes read from"
            ) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return ImageCache, self._arguments

    def read(self, path: str) -> NDArray[np.uint8]:
        """The resized image RGB ``[H, W, 3]`` of this image file; UserError if the cache file is damaged there."""
        try:
            return self._images.read(self._rows[path])
        except (OSError, ValueError) as error:
            raise UserError(
                f"image cache {self._path} is damaged at {path}: {_first_line(error)}; delete it, it is made again"
            ) from None


def open_cache(folder: Path, root: Path, paths: Sequence[str], transform: T.Compose) -> tuple[ImageCache, T.Compose]:
    """The images as the transform's first step, a resize, leaves them, from a cache file that is made if need be.

    The file's name has a hash of all that its pixels follow from: size, interpolation, Pillow's version, and each
    image's path, file size and time of change. Any other file in the folder stays as it is. The main process makes
    it, with a thread a core, while the others wait; a file that is not whole is made again.

    Args:
        folder: of cache files, made if need be.
        root: the dataset's folder, which the hashed paths are relative to.
        paths: the image files, in any order.
        transform: of a PIL image.

    Returns:
        The cache and the transform's other steps: ``rest(cache.read(path))`` is ``transform(read_image(path))``.

    Raises:
        UserError: the transform does not begin with a resize to height and width, an image cannot be read, or the
            file cannot be written or read.
    """
    resize, *rest = transform.transforms
    if not isinstance(resize, T.Resize) or isinstance(resize.size, int):
        raise UserError(
            "DATALOADER.CACHE keeps images resized to one height and width, but the transforms do not begin with that: "
            'set it to "", or INPUT.AUTOAUG.ENABLED to False and INPUT.SIZE_TRAIN, SIZE_TEST to [height, width]'
        )
    height, width = resize.size
    paths = sorted(set(paths))
    path = folder / f"images-{height}x{width}-{_key(paths, root, resize)}.npy"
    if comm.is_main_process():
        try:
            if not os.path.exists(path) or _is_damaged(path, (len(paths), height, width)):
                _build(path, paths, resize)
        except UserError:
            comm.synchronize()  # the others find no file then, and end, too
            raise
        logger.info("Images come decoded and resized from %s", path)
    comm.synchronize()
    if rest != [to_pixels]:  # which takes an array as it is
        rest.insert(0, Image.fromarray)
    return ImageCache(path, paths, (height, width)), T.Compose(rest)


def _is_damaged(path: Path, shape: tuple[int, int, int]) -> bool:
    """Whether the file's header or its length is wrong; its pixels are looked at when they are read."""
    try:
        PixelFile(path, shape)
    except ValueError as error:
        logger.warning("Image cache %s is damaged (%s): it is made again", path, _first_line(error))
        return True
    except OSError:
        return False  # not to be read, and not ours to replace: opening it will say why
    return False


def _key(paths: Sequence[str], root: Path, resize: T.Resize) -> str:
    """16 hexadecimal digits."""
    files = [(os.path.relpath(path, root), *_size_and_time(path)) for path in paths]
    parts = [FORMAT, PIL.__version__, *resize.size, resize.interpolation.value, sorted(files)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _size_and_time(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0  # no file has this time and size: decoding comes, and says what is wrong with the image
    return status.st_size, status.st_mtime_ns


def _build(path: Path, paths: Sequence[str], resize: T.Resize) -> None:
    """Write the cache file ``path``, whole or not at all; two builds at once write a file each."""
    for temporary in path.parent.glob(".images-*.tmp"):
        with suppress(OSError):  # its own build has just ended, or the folder is read-only: writing will tell
            if time.time() - temporary.stat().st_mtime > STALE:
                temporary.unlink()
    height, width = resize.size
    megabytes = 3.0 * len(paths) * height * width / 1e6
    logger.info("Decoding %d images once into %s, %.1f MB", len(paths), path, megabytes)
    write_atomically(path, lambda file: write_pixels(file, (len(paths), height, width), _decode(paths, resize)))


def _decode(paths: Sequence[str], resize: T.Resize) -> Iterator[NDArray[np.uint8]]:
    """Each image's pixels in order, with a bar on a terminal, else a few lines."""

    def decode(path: str) -> NDArray[np.uint8]:
        return np.asarray(resize(read_image(path)))

    terminal = sys.stderr.isatty()
    total = len(paths)
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,  # Pillow decodes without the interpreter's lock
        tqdm(total=total, unit="image", disable=not terminal) as bar,
    ):
        for start in range(0, total, CHUNK):
            for done, pixels in enumerate(pool.map(decode, paths[start : start + CHUNK]), start + 1):
                yield pixels
                bar.update()
                if not terminal and done * LINES // total > (done - 1) * LINES // total:
                    logger.info("decoded %d of %d images", done, total)


def _first_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return str(text).partition("\n")[0]
