"""Images as the loader reads them, and the cache of decoded ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torchvision import transforms as T

from datasets_ext.augmentation import to_pixels
from datasets_ext.cache import open_cache
from datasets_ext.image import read_image

from .kind import Kind, never

SIZE = 24, 12
RESIZE = T.Resize([*SIZE])


def image_kinds(folder: Path) -> list[Kind]:
    pixels = (np.add.outer(np.arange(40) * 3, np.arange(20) * 5)[..., None] + np.array([0, 40, 80])).astype(np.uint8)
    picture = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    saved: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "rgb.png": (picture, {}),
        "16-bit.png": (deep, {}),
        "palette.png": (picture.quantize(16), {"transparency": 3}),
        "turned.jpg": (picture, {"exif": exif, "quality": 90}),
        "progressive.jpg": (picture, {"progressive": True, "quality": 90}),
        "gray.bmp": (picture.convert("L"), {}),
        "rgb.bmp": (picture, {}),
    }
    paths = []
    for name, (image, options) in saved.items():
        image.save(folder / name, **options)
        paths.append(folder / name)
    images = [
        Kind(f"image, {path.name}", [path], _decoded(path), never if path.suffix == ".png" else _is_image)
        for path in paths
    ]
    return [*images, _cache(folder, paths)]


def _decoded(path: Path) -> Callable[[], Any]:
    return lambda: to_pixels(RESIZE(read_image(str(path))))


def _is_image(value: Any, path: Path) -> bool:
    """Other pixels of the size that the network takes: JPEG and BMP cannot tell whether they were meant, PNG has
    checksums."""
    return tuple(value.shape) == (3, *SIZE)


def _cache(folder: Path, images: list[Path]) -> Kind:
    own = folder / "cached"  # the cache's name follows from its images' times, and the others are written again
    own.mkdir()
    paths = [str(shutil.copy(path, own)) for path in images]

    def read() -> Any:
        cache, _ = open_cache(folder / "cache", own, paths, T.Compose([RESIZE]))
        return [cache.read(path) for path in paths]

    read()
    return Kind("image cache", list((folder / "cache").iterdir()), read)
