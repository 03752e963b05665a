"""A file of images of one size: a ``.npy`` of their pixels, and behind it a checksum of each.

It is read row by row, not mapped into memory: a file that is cut off or a disk that fails is then an error, where it
would end the process. All processes still share the system's copy of its pages.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

SUM = np.dtype("<u4")  # CRC-32


class PixelFile:
    """The images of a file, as :func:`write_pixels` wrote it.

    Args:
        path: the file.
        shape: N, H, W.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not whole, or of another shape.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        self._file = path.open("rb", buffering=0)
        self._shape = (*shape[1:], 3)
        self._bytes = int(np.prod(self._shape))
        header = _header(shape)
        self._first = len(header)
        images = shape[0]
        sums = self._first + images * self._bytes
        if self._file.read(self._first) != header:
            raise ValueError(f"it does not begin as a file of {images} images of {shape[1]}x{shape[2]} does")
        if os.fstat(self._file.fileno()).st_size != sums + images * SUM.itemsize:
            raise ValueError("it is not as long as its images and their checksums")
        self._file.seek(sums)
        self._sums = np.frombuffer(self._file.read(), SUM)
        self._checked = np.zeros(images, dtype=bool)

    def read(self, row: int) -> NDArray[np.uint8]:
        """The image uint8 ``[H, W, 3]``, its checksum looked at when it is read for the first time.

        Raises:
            OSError: the disk fails.
            ValueError: the file was cut off, or the image is damaged.
        """
        image = np.empty(self._shape, dtype=np.uint8)
        if os.preadv(self._file.fileno(), [image.data], self._first + row * self._bytes) != self._bytes:
            raise ValueError("the file ends before it")
        if not self._checked[row]:
            if zlib.crc32(image.data) != self._sums[row]:
                raise ValueError("its checksum is another")
            self._checked[row] = True
        return image


def write_pixels(file: BinaryIO, shape: tuple[int, int, int], images: Iterable[NDArray[np.uint8]]) -> None:
    """Write the N ``images``, ``[H, W, 3]`` each, to ``file``, as they come.

    As a stream: on a full disk that is an error, where a memory-mapped file would end the process.
    """
    file.write(_header(shape))
    sums = []
    for image in images:
        pixels = np.ascontiguousarray(image)
        file.write(pixels.data)
        sums.append(zlib.crc32(pixels.data))
    file.write(np.array(sums, SUM).tobytes())


def _header(shape: tuple[int, int, int]) -> bytes:
    content = io.BytesIO()
    described = {"descr": "|u1", "fortran_order": False, "shape": (*map(int, shape), 3)}
    np.lib.format.write_array_header_1_0(content, described)
    return content.getvalue()
