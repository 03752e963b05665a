"""Image files: those of a folder, and one of them as 8-bit RGB, whatever it holds."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from .errors import UserError

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp")


def list_images(folder: Path) -> list[str]:
    """The images of one folder in sorted order; none where the folder does not exist."""
    if not folder.is_dir():
        return []
    return sorted(entry.path for entry in os.scandir(folder) if entry.name.lower().endswith(IMAGE_EXTENSIONS))


def read_image(path: str) -> Image.Image:
    """Read an image as RGB, as :func:`to_rgb` says.

    Raises:
        UserError: the file is missing, unreadable, truncated or not an image.
    """
    try:
        with _open(path) as opened:
            return to_rgb(opened)
    except FileNotFoundError:
        raise UserError(f"image {path} is gone: restore it, or take it out of the split files") from None
    except Exception as error:  # a damaged file makes decoders raise almost anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"image {path} cannot be read ({reason}): replace it, or take it out") from None


def to_rgb(opened: Image.Image) -> Image.Image:
    """Decode an opened image as RGB, its EXIF rotation applied. A damaged one raises almost anything.

    A 16-bit image (infrared PNG, PIL modes ``I;16*`` and ``I``) is scaled from 0..65535 to 0..255; an alpha channel
    is dropped; a gray, palette or 1-bit image is expanded. fast-reid's own reader fails on the first and keeps the
    second.
    """
    image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image, dtype=np.int64) >> 8).clip(0, 255).astype(np.uint8))
    return image.convert("RGB")


def _open(path: str) -> Image.Image:
    """The image, not decoded yet; a PNG's checksums are looked at, which Pillow passes over when it decodes."""
    image = Image.open(path)
    if image.format == "PNG":
        with image:
            image.verify()
        image = Image.open(path)
    return image
