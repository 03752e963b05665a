from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets_ext import UserError
from datasets_ext.image import read_image


def save(tmp_path: Path, image: Image.Image, name: str) -> str:
    path = tmp_path / name
    image.save(path)
    return str(path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    image = read_image(save(tmp_path, Image.new("RGB", (3, 2), (255, 255, 255)).convert(mode), "a.png"))
    assert image.mode == "RGB" and image.size == (3, 2) and np.asarray(image).min() == 255


def test_16_bit_infrared_is_scaled_to_8(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16)
    image = read_image(save(tmp_path, Image.fromarray(values), "a.png"))
    assert np.asarray(image)[0].tolist() == [[v, v, v] for v in (0, 0, 1, 128, 255)]


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 2))
    exif = picture.getexif()
    exif[0x0112] = 6  # turned by 90 degrees
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(str(tmp_path / "a.jpg")).size == (2, 4)


@pytest.mark.parametrize("content", [b"", b"not an image", "half"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes | str) -> None:
    path = save(tmp_path, Image.effect_noise((64, 64), 50), "a.jpg")
    broken = Path(path).read_bytes()[:900] if content == "half" else content
    assert isinstance(broken, bytes)
    Path(path).write_bytes(broken)
    with pytest.raises(UserError, match=r"a\.jpg cannot be read .*: replace it"):
        read_image(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"b\.jpg is gone"):
        read_image(str(tmp_path / "b.jpg"))


def test_no_damaged_byte_of_a_png_goes_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 10, 3)).save(path)
    content = path.read_bytes()
    expected = np.asarray(read_image(str(path)))
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        try:
            found = np.asarray(read_image(str(path)))
        except UserError:
            continue
        assert np.array_equal(found, expected)
