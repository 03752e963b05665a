"""MATLAB's level 5 files (``save`` with -v6 or -v7): arrays of numbers, and cells of them.

scipy reads much more, but ends the process on some damaged files (6 of 1,500 uncompressed ones with a flipped bit,
scipy 1.17). This reader looks at nothing beyond an element's own bytes, and checks their number and a compressed
variable's checksum. The format: MathWorks, "MAT-File Format", chapter 1.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADER = 128  # bytes; the last four are version and byte order
_LEVEL_5, _LEVEL_7_3 = 0x0100, 0x0200
_ORDERS = {b"IM": "<", b"MI": ">"}
_TEXTS = (1, 16)  # types of elements: 8-bit characters and UTF-8
_MATRIX, _COMPRESSED = 14, 15  # and those of numbers:
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CELL, _OPAQUE = 1, 17  # classes of arrays, those of numbers, and others by their names in MATLAB:
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_OTHERS = {2: "struct", 3: "object", 4: "char", 5: "sparse", 16: "function_handle", _OPAQUE: "object"}
_COMPLEX = 0x0800
_DEPTH = 8  # of cells in cells, so that no file ends in a recursion error
_DIMENSIONS = 32  # as many as every numpy takes

Element = tuple[int, memoryview]


class MatError(ValueError):
    """What is wrong with the file, in half a line."""


class NewerMatError(MatError):
    """The file is of version 7.3, which is HDF5."""


def find_variable(content: bytes, name: str) -> NDArray[Any] | None:
    """The array ``name`` of a level 5 file; None if the file has no such variable.

    Numbers come in the type that they have in MATLAB, whatever they are stored as; cells as an array of objects, which
    are such arrays. At least two dimensions.

    Raises:
        MatError: the file is damaged or of another level, or the variable has something else than numbers and cells.
    """
    order = _byte_order(content)
    for element in _elements(memoryview(content)[_HEADER:], order):
        kind, data = _inflate(element[1], order) if element[0] == _COMPRESSED else element
        if kind != _MATRIX:
            raise MatError(f"an element of type {kind} is no variable")
        found, array = _read_array(data, order, name.encode(), 0)
        if found:
            return array
    return None


def _byte_order(content: bytes) -> str:
    order = _ORDERS.get(content[126:_HEADER])
    if order is None:
        raise MatError("it does not begin as a file of MATLAB 5 or newer does")
    (version,) = struct.unpack_from(f"{order}H", content, 124)
    if version == _LEVEL_7_3:
        raise NewerMatError("it is of version 7.3")
    if version != _LEVEL_5:
        raise MatError(f"its version is {version:#06x}")
    return order


def _elements(data: memoryview, order: str) -> Iterator[Element]:
    """(type, bytes) of the elements that ``data`` consists of."""
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise MatError("it ends within an element")
        kind, size = struct.unpack_from(f"{order}II", data, at)
        if kind >> 16:  # up to four bytes stand in the place of their number
            kind, size, start, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            start = at + 8
            after = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > min(after, len(data)):
            raise MatError("an element is longer than what it is in")
        yield kind, data[start : start + size]
        at = after


def _inflate(data: memoryview, order: str) -> Element:
    """The one element that was compressed to ``data``."""
    stream = zlib.decompressobj()
    try:
        kind, size = struct.unpack(f"{order}II", stream.decompress(data, 8))
        inflated = stream.decompress(stream.unconsumed_tail, size + 1)
    except (zlib.error, struct.error) as error:
        raise MatError(f"a compressed variable is damaged: {error}") from None
    if len(inflated) != size or not stream.eof:  # its checksum stands at its end
        raise MatError("a compressed variable is not as long as it says")
    return kind, memoryview(inflated)


def _read_array(data: memoryview, order: str, name: bytes | None, depth: int) -> tuple[bool, NDArray[Any]]:
    """Whether the array in ``data`` is called ``name`` (None: any), and the array if so."""
    nothing = np.empty((0, 0))
    if not data:
        return name is None, nothing  # an empty cell may be without any element
    parts = _elements(data, order)
    flags = int(_integers(parts, order, "array flags", 2)[0])
    kind = flags & 0xFF
    if kind == _OPAQUE and name is not None:
        return False, nothing  # its elements are others
    dimensions = _integers(parts, order, "dimensions")
    text, own = _next(parts, "name")
    if text not in _TEXTS:
        raise MatError(f"an element of type {text} is no name")
    if name is not None and own.tobytes() != name:
        return False, nothing
    if len(dimensions) not in range(2, _DIMENSIONS + 1) or min(dimensions) < 0:
        raise MatError(f"an array has the dimensions {dimensions[:4]}")
    if kind == _CELL:
        array = _read_cells(parts, order, dimensions, depth)
    elif kind in _CLASSES and not flags & _COMPLEX:
        array = _read_numbers(parts, order, dimensions, _CLASSES[kind])
    else:
        raise MatError(f"it holds {_OTHERS.get(kind, 'complex numbers')}, not numbers or cells")
    if next(parts, None) is not None:
        raise MatError("an array has more elements than it says")
    return True, array


def _read_cells(parts: Iterator[Element], order: str, dimensions: list[int], depth: int) -> NDArray[Any]:
    if depth == _DEPTH:
        raise MatError(f"it holds cells in cells, over {_DEPTH} deep")
    cells = []
    for _ in range(math.prod(dimensions)):
        kind, data = _next(parts, "cell")
        if kind != _MATRIX:
            raise MatError(f"a cell is an element of type {kind}")
        cells.append(_read_array(data, order, None, depth + 1)[1])
    array = np.empty(len(cells), dtype=object)
    for place, cell in enumerate(cells):  # numpy would make one array of cells of one shape
        array[place] = cell
    return _shaped(array, dimensions)


def _read_numbers(parts: Iterator[Element], order: str, dimensions: list[int], dtype: str) -> NDArray[Any]:
    """Numbers of this type, which may be stored in a smaller one that holds them all."""
    kind, data = _next(parts, "numbers")
    stored = np.dtype(order + _NUMBERS[kind]) if kind in _NUMBERS else None
    if stored is None or len(data) != math.prod(dimensions) * stored.itemsize:
        raise MatError(f"{len(data)} bytes of type {kind} are not the numbers of an array {dimensions[:4]}")
    return _shaped(np.frombuffer(data, stored).astype(dtype), dimensions)


def _shaped(array: NDArray[Any], dimensions: list[int]) -> NDArray[Any]:
    try:
        return array.reshape(dimensions, order="F")
    except ValueError:  # an empty one may say that it has any size otherwise
        raise MatError(f"an array has the dimensions {dimensions[:4]}") from None


def _integers(parts: Iterator[Element], order: str, what: str, count: int | None = None) -> list[int]:
    kind, data = _next(parts, what)
    if kind not in (5, 6) or len(data) % 4 or count not in (None, len(data) // 4):
        raise MatError(f"{len(data)} bytes of type {kind} are no {what}")
    return np.frombuffer(data, order + _NUMBERS[kind]).tolist()


def _next(parts: Iterator[Element], what: str) -> Element:
    element = next(parts, None)
    if element is None:
        raise MatError(f"an array ends before its {what}")
    return element
