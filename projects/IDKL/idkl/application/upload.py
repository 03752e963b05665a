"""An uploaded file as an image, or one line that says why not."""

from __future__ import annotations

import io

from PIL import Image, UnidentifiedImageError

from datasets_ext.errors import UserError
from datasets_ext.image import to_rgb

MAX_BYTES = 20 * 2**20  # of a file
MAX_PIXELS = 40_000_000  # of an image: 120 MB once it is decoded
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")  # Pillow knows others, of which some start other programs


def read_upload(content: bytes, name: str) -> Image.Image:
    """Decode an image as :func:`datasets_ext.image.read_image` does, such as a 16-bit infrared PNG.

    The size is read from the file's head and refused before a pixel is decoded.

    Raises:
        UserError: there is no file, it is too big, of no known format, damaged, or has too many pixels.
    """
    name = name[-80:]
    if not content:
        raise UserError("There is no file, or it is empty: choose an image.")
    if len(content) > MAX_BYTES:
        raise UserError(f"{name} is too big: a file may have {MAX_BYTES // 2**20} MB.")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise UserError(_too_many_pixels(name))
            return to_rgb(opened)
    except Image.DecompressionBombError:
        raise UserError(_too_many_pixels(name)) from None
    except UnidentifiedImageError:
        raise UserError(f"{name} is not an image of a known format: give one of {', '.join(FORMATS)}.") from None
    except UserError:
        raise
    except Exception as error:  # a damaged file makes decoders raise almost anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{name} is a damaged image ({reason}): save it again.") from None


def _too_many_pixels(name: str) -> str:
    return f"{name} has too many pixels: an image may have {MAX_PIXELS // 10**6} million."
