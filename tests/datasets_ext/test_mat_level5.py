"""MATLAB files: what scipy reads from them, and no crash where scipy has one."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datasets_ext.mat_level5 import MatError, NewerMatError, find_variable

NUMBERS = hnp.arrays(
    st.sampled_from(["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]).map(np.dtype),
    hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=5),
)


def cells(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def filled(shape: tuple[int, int], content: list[Any]) -> Any:
        array = np.empty(len(content), dtype=object)
        for place, cell in enumerate(content):
            array[place] = cell
        return array.reshape(shape)

    shapes = st.tuples(st.integers(0, 3), st.integers(0, 3))
    return shapes.flatmap(
        lambda shape: st.lists(children, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]).map(
            lambda content: filled(shape, content)
        )
    )


ARRAYS = st.recursive(NUMBERS, cells, max_leaves=8)


def written(variables: dict[str, Any], compressed: bool = False) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables, do_compression=compressed)
    return file.getvalue()


def same(a: Any, b: Any) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype == object:
        return all(same(x, y) for x, y in zip(a.ravel(), b.ravel(), strict=True))
    return bool(a.tobytes() == b.tobytes())


@given(ARRAYS, st.text("abz", min_size=1, max_size=30), st.booleans())
@settings(max_examples=100, deadline=None)
def test_it_reads_what_scipy_writes_and_reads(array: Any, name: str, compressed: bool) -> None:
    content = written({name: array}, compressed)
    found = find_variable(content, name)
    assert found is not None and same(found, array)
    assert same(found, scipy.io.loadmat(io.BytesIO(content), mat_dtype=True)[name])


@pytest.mark.parametrize("compressed", [False, True])
def test_other_variables_are_passed_over(compressed: bool) -> None:
    others = {"text": "a", "table": {"x": 1.0}, "few": scipy.sparse.csc_matrix([[0, 1.0]]), "z": np.array([[1j]])}
    content = written({**others, "feature": np.eye(3), "after": "b"}, compressed)
    assert same(find_variable(content, "feature"), np.eye(3))
    assert find_variable(content, "features") is None
    for name, kind in {"text": "char", "table": "struct", "few": "sparse", "z": "complex numbers"}.items():
        with pytest.raises(MatError, match=f"it holds {kind}, not numbers or cells"):
            find_variable(content, name)


def element(order: str, kind: int, data: bytes) -> bytes:
    return struct.pack(f"{order}II", kind, len(data)) + data + bytes(-len(data) % 8)


def handmade(order: str, parts: bytes, version: int = 0x0100) -> bytes:
    mark = struct.pack(f"{order}H", int.from_bytes(b"MI", "big"))
    return b"MATLAB 5.0".ljust(124) + struct.pack(f"{order}H", version) + mark + element(order, 14, parts)


def double(order: str, dimensions: list[int], stored: int, data: bytes) -> bytes:
    """The parts of the array ``x`` of doubles, stored as type ``stored``."""
    sizes = struct.pack(f"{order}{len(dimensions)}i", *dimensions)
    head = element(order, 6, struct.pack(f"{order}II", 6, 0)) + element(order, 5, sizes)
    return head + element(order, 1, b"x") + element(order, stored, data)


@pytest.mark.parametrize("order", "<>")
def test_numbers_in_a_smaller_type_and_in_either_byte_order(order: str) -> None:
    """MATLAB stores doubles that are whole and small in a byte each; machines of the past had the other order."""
    content = handmade(order, double(order, [2, 3], 4, struct.pack(f"{order}6H", *range(1000, 1006))))
    expected = np.array([[1000, 1002, 1004], [1001, 1003, 1005]], dtype=np.float64)
    assert same(find_variable(content, "x"), expected)
    assert same(scipy.io.loadmat(io.BytesIO(content), mat_dtype=True)["x"].astype(np.float64), expected)


def test_a_cell_without_anything_is_empty() -> None:
    head = element("<", 6, struct.pack("<II", 1, 0)) + element("<", 5, struct.pack("<ii", 1, 1)) + element("<", 1, b"x")
    found = find_variable(handmade("<", head + element("<", 14, b"")), "x")
    assert found is not None and found.shape == (1, 1) and found[0, 0].shape == (0, 0)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (double("<", [2, 2], 2, b"123"), r"3 bytes of type 2 are not the numbers of an array \[2, 2\]"),
        (double("<", [2**31 - 1] * 3, 2, b"123"), "are not the numbers of an array"),
        (double("<", [0] + [2**31 - 1] * 4, 2, b""), "an array has the dimensions"),
        (double("<", [-1, -3], 2, b"123"), "an array has the dimensions"),
        (double("<", [3], 2, b"123"), "an array has the dimensions"),
        (double("<", [1] * 40, 2, b"1"), "an array has the dimensions"),
        (double("<", [1, 3], 18, b"123"), "3 bytes of type 18 are not the numbers"),
        (double("<", [1, 3], 2, b"123") + element("<", 2, b"4"), "more elements than it says"),
        (double("<", [1, 3], 2, b"123")[:-16], "ends before its numbers"),
        (double("<", [1, 3], 2, b"123")[:-10], "ends within an element"),
        (double("<", [1, 3], 2, b"123")[:-12] + b"\xff\xff\xff\x7f" + b"123".ljust(8), "an element is longer"),
        (element("<", 6, b""), "0 bytes of type 6 are no array flags"),
    ],
)
def test_parts_that_do_not_fit_together(parts: bytes, message: str) -> None:
    with pytest.raises(MatError, match=message):
        find_variable(handmade("<", parts), "x")


def test_cells_in_cells_without_end() -> None:
    head = element("<", 6, struct.pack("<II", 1, 0)) + element("<", 5, struct.pack("<ii", 1, 1)) + element("<", 1, b"x")
    parts = b""
    for _ in range(5000):
        parts = head + element("<", 14, parts)
    with pytest.raises(MatError, match="cells in cells"):
        find_variable(handmade("<", parts), "x")


def test_other_files() -> None:
    with pytest.raises(NewerMatError, match="7.3"):
        find_variable(handmade("<", b"", version=0x0200), "x")
    with pytest.raises(MatError, match="its version is 0x0400"):
        find_variable(handmade("<", b"", version=0x0400), "x")
    for content in (b"", b"PK\x03\x04" * 100, bytes(1000)):
        with pytest.raises(MatError, match="does not begin as a file of MATLAB"):
            find_variable(content, "x")


@given(st.integers(min_value=128), st.integers(1, 255))
@settings(max_examples=200, deadline=None)
def test_no_damaged_byte_of_a_compressed_variable_goes_unnoticed(place: int, change: int) -> None:
    array = np.arange(30.0).reshape(5, 6)
    content = bytearray(written({"x": array}, compressed=True))
    content[128 + place % (len(content) - 128)] ^= change
    try:
        found = find_variable(bytes(content), "x")
    except MatError:
        return
    assert found is not None and same(found, array)
