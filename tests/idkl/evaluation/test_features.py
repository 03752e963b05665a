"""Files of features: what goes round, what is taken, what is refused, and files damaged in any way."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_ext.errors import UserError
from idkl.evaluation.features import KEYS, FeatureFile, read_features, write_features
from idkl.evaluation.images import Images

PATHS = ["cam3/0002/0001.jpg", "cam1/0001/0001.jpg", "cam1/0002/Bücher.jpg"]
FEATURES = np.array([[1.5, -2], [3, 4e-30], [5, 6]], dtype=np.float32)
ARRAYS: dict[str, Any] = {
    "features": FEATURES,
    "pids": np.array([2, 1, 2]),
    "camids": np.array([3, 1, 1]),
    "paths": np.array(PATHS),
}


def save(folder: Path, **changes: Any) -> Path:
    path = folder / "a.npz"
    np.savez(path, **{key: value for key, value in {**ARRAYS, **changes}.items() if value is not None})
    return path


def assert_same(found: FeatureFile) -> None:
    """``found`` is :data:`ARRAYS`, sorted by path: camera 1 first."""
    assert found.features.dtype == np.float32 and found.features.flags.c_contiguous
    assert found.features.tolist() == FEATURES[[1, 2, 0]].tolist()
    assert list(found.images.paths) == [PATHS[1], PATHS[2], PATHS[0]] and found.left_out == 0
    assert found.images.pids.tolist() == [1, 2, 2] and found.images.camids.tolist() == [1, 1, 3]


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.npz"
    write_features(path, FEATURES, Images(PATHS, ARRAYS["pids"].astype(np.uint8), ARRAYS["camids"]))
    assert_same(read_features(path))
    assert os.listdir(path.parent) == ["a.npz"]
    with np.load(path) as stored:
        assert list(stored) == list(KEYS)
        assert [stored[key].dtype.str for key in ("features", "pids", "camids")] == ["<f4", "<i8", "<i8"]
        assert stored["features"].tolist() == FEATURES.tolist() and stored["paths"].tolist() == PATHS


def test_a_failed_write_keeps_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path)

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(UserError, match=r"cannot write .*a\.npz: No space left"):
        write_features(path, FEATURES * 2, Images(PATHS, ARRAYS["pids"], ARRAYS["camids"]))
    assert_same(read_features(path))
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"features": FEATURES.astype(np.float64)},
        {"features": FEATURES.astype(">f4")},
        {"features": np.asfortranarray(FEATURES)},
        {"pids": ARRAYS["pids"].astype(np.uint16), "camids": ARRAYS["camids"].astype(">i4")},
        {"paths": np.array([path.encode() for path in PATHS])},
        {"paths": np.array(PATHS).astype(np.array(PATHS).dtype.newbyteorder(">"))},
        {"paths": np.array([path.replace("/", "\\") for path in PATHS])},
        {"paths": np.array([f"./{path}" for path in PATHS])},
        {"more": np.array([{"an": "object"}], dtype=object)},
    ],
)
def test_other_ways_to_say_the_same(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert_same(read_features(save(tmp_path, **changes)))


def test_half_precision_and_compressed(tmp_path: Path) -> None:
    half = np.float16([[0.1, 1], [2, 3], [4, 5]])
    np.savez_compressed(tmp_path / "a.npz", **{**ARRAYS, "features": half})
    found = read_features(tmp_path / "a.npz")
    assert found.features.dtype == np.float32 and found.features[2].tolist() == half[0].tolist()


def test_the_order_in_the_file_does_not_matter(tmp_path: Path) -> None:
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        assert_same(read_features(save(tmp_path, **{key: array[order] for key, array in ARRAYS.items()})))


@pytest.mark.filterwarnings("error")
def test_what_float32_cannot_hold_becomes_infinite(tmp_path: Path) -> None:
    assert read_features(save(tmp_path, features=np.full((3, 2), -1e300))).features.tolist() == [[-np.inf] * 2] * 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pids": None}, r"a\.npz has no pids: write an \.npz with np\.savez, features float32\[images, dim"),
        ({"features": None, "paths": None}, "has no features, paths: "),
        ({"features": FEATURES[0]}, r"features are float32\[2\]; give float32\[images, dimensions\]"),
        ({"features": FEATURES.astype(int)}, r"features are int64\[3, 2\]"),
        ({"features": FEATURES.astype(complex)}, r"features are complex128\[3, 2\]"),
        ({"features": FEATURES[:, :0]}, r"features are float32\[3, 0\]; .* at least one image and dimension"),
        ({"features": FEATURES[:0]}, r"features are float32\[0, 2\]"),
        ({"features": FEATURES[:2]}, r"pids are int64\[3\]; .*, one for each of the 2 rows of features"),
        ({"features": FEATURES.astype(object)}, "features cannot be read .*Object arrays.*: save float32"),
        ({"paths": np.array(PATHS, dtype=object)}, r"paths cannot be read .*: save strings\[images\], relative"),
        ({"pids": np.array([1.0, 2, 3])}, r"pids are float64\[3\]; give int64\[images\]"),
        ({"camids": np.array([True, False, True])}, r"camids are bool\[3\]"),
        ({"camids": np.array([[1], [2], [3]])}, r"camids are int64\[3, 1\]"),
        ({"paths": np.array([1, 2, 3])}, r"paths are int64\[3\]; give strings\[images\]"),
        ({"paths": np.array(PATHS[:2])}, r"paths are <U\d+\[2\]"),
        ({"paths": np.array([b"a", b"b", b"\xff"])}, "paths are no valid text"),
        ({"paths": np.array([0x110000, 97, 98], dtype=np.uint32).view("<U1")}, "paths are no valid text"),
        ({"paths": np.array(["", "", ""])}, "path 0 is ''"),
        ({"paths": np.array(["a", "./b", "b"])}, r"a\.npz: b is given twice, in rows 1 and 2"),
        *(
            ({"paths": np.array(["a", "b", wrong])}, "path 2 is .*: give image paths relative to the dataset's folder")
            for wrong in ("/data/a.jpg", "C:\\a.jpg", "\\\\host\\share\\a", "a/../../b", "", ".", "a\nb", "a\u2028b")
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = save(tmp_path, **changes)
    with pytest.raises(UserError, match=message) as error:
        read_features(path)
    assert str(error.value).startswith(str(path)) and len(str(error.value).splitlines()) == 1


def test_files_of_another_kind_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", FEATURES)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text.npz").write_text("features, pids")
    (tmp_path / "cut.npz").write_bytes(save(tmp_path).read_bytes()[:-40])
    (tmp_path / "pickle.npz").write_bytes(b"\x80\x04N.")
    os.mkfifo(tmp_path / "pipe")
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as file:
        for key in KEYS:
            file.writestr(f"{key}.npy", b"no array")
    for name, message in (
        ("none.npz", r"features file .*none\.npz is missing: give an \.npz with features float32"),
        ("", "features file .* is not a file"),
        ("pipe", "features file .* is not a file"),
        ("one.npy", r"is a single array \(\.npy\): write an \.npz"),
        ("empty", "cannot be read as an .npz"),
        ("text.npz", "cannot be read as an .npz"),
        ("cut.npz", "cannot be read as an .npz"),
        ("pickle.npz", "cannot be read as an .npz"),
        ("other.npz", r"other\.npz: features cannot be read \(ValueError: the magic string .*: save float32"),
    ):
        with pytest.raises(UserError, match=message) as error:
            read_features(tmp_path / name)
        assert len(str(error.value).splitlines()) == 1


MEMBERS: dict[str, bytes] = {}
for _key, _array in ARRAYS.items():
    _file = io.BytesIO()
    np.save(_file, _array)
    MEMBERS[f"{_key}.npy"] = _file.getvalue()


def packed(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An .npz with bytes changed, put in or cut out: of the archive, or of an array behind a right checksum."""

    def change(content: bytes, most: int) -> bytes:
        changed = bytearray(content)
        for _ in range(draw(st.integers(1, 4))):
            position = draw(st.integers(0, min(len(changed), most) - 1))
            kind = draw(st.sampled_from(["set", "set", "insert", "cut"]))
            if kind == "cut":
                del changed[position : position + draw(st.integers(1, 20))]
            else:
                changed[position : position + (kind == "set")] = draw(st.binary(min_size=1, max_size=1))
            changed = changed or bytearray(b"0")
        return bytes(changed)

    if draw(st.booleans()):
        return change(packed(MEMBERS), 10_000)
    name = draw(st.sampled_from(sorted(MEMBERS)))
    return packed({**MEMBERS, name: change(MEMBERS[name], draw(st.sampled_from([100, 10_000])))})


@settings(max_examples=400, deadline=None)
@given(content=damaged())
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_read_or_refused_in_one_line(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(content)
    try:
        found = read_features(path)
    except UserError as error:
        assert len(str(error).splitlines()) == 1 and str(path) in str(error)
    else:
        assert found.features.dtype == np.float32 and found.features.ndim == 2
        assert len(found.features) == len(found.images.paths) == len(found.images.pids) == len(found.images.camids)
        assert sorted(found.images.paths) == list(found.images.paths)


def test_a_damaged_shape_is_told_by_the_checksum(tmp_path: Path) -> None:
    """numpy reads as much as the shape says, and may never come to the end, where the checksum is."""
    rows = np.arange(3000)
    paths = [f"cam1/0001/{row:04d}.jpg" for row in rows]
    write_features(tmp_path / "whole.npz", np.ones((3000, 64), np.float32), Images(paths, rows, rows))
    content = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "damaged.npz").write_bytes(content.replace(b"(3000, 64)", b"(3000, 14)"))
    with pytest.raises(UserError, match=r"damaged\.npz: features cannot be read \(BadZipFile: Bad CRC-32"):
        read_features(tmp_path / "damaged.npz")
