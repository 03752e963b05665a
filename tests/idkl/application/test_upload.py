"""Uploaded files: what is an image is read as the datasets' images are, anything else is one line."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from datasets_ext import UserError
from idkl.application.upload import MAX_BYTES, read_upload


def encode(image: Image.Image, kind: str = "PNG") -> bytes:
    image.save(buffer := io.BytesIO(), kind)
    return buffer.getvalue()


def png_head(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return head + struct.pack(">I", 9) + b"IDAT"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_known_formats_are_read(kind: str) -> None:
    image = read_upload(encode(Image.new("RGB", (8, 16), (200, 100, 50)), kind), "a")
    assert image.size == (8, 16) and np.abs(np.array(image)[8, 4].astype(int) - [200, 100, 50]).max() <= 3


def test_sixteen_bits_are_scaled_to_eight() -> None:
    values = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    image = read_upload(encode(Image.fromarray(values)), "thermal.png")
    assert np.array_equal(np.array(image), np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "There is no file"),
        (b"hello", "notes.png is not an image of a known format: give one of PNG, JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image of a known format"),
        (encode(Image.new("RGB", (9, 9)), "GIF"), "not an image of a known format"),
        (encode(Image.effect_noise((90, 90), 9))[:-4000], "notes.png is a damaged image"),
        (bytes(MAX_BYTES + 1), "too big: a file may have 20 MB"),
        (png_head(8000, 8000), "too many pixels: an image may have 40 million"),
        (png_head(60000, 60000), "too many pixels: an image may have 40 million"),
    ],
)
def test_anything_else_is_one_line(content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        read_upload(content, "notes.png")
    assert len(str(error.value).splitlines()) == 1


def test_whatever_a_decoder_raises_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Image.Image) -> Image.Image:
        raise IndexError("out of\nrange")

    monkeypatch.setattr("idkl.application.upload.to_rgb", fail)
    with pytest.raises(UserError, match=r"^a\.png is a damaged image \(out of range\): save it again\.$"):
        read_upload(encode(Image.new("RGB", (9, 9))), "a.png")
