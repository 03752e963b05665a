"""Pictures of the page: what the model sees, and heat on it, as data that stands in the page itself."""

from __future__ import annotations

import base64
import io

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

_HEAT = matplotlib.colormaps["inferno"]  # its lightness rises with the value, to colour-blind readers as well
_SHARE = 0.6  # of the heat's colour; the rest is the image in grey


def picture(pixels: Tensor) -> Image.Image:
    """Pixels uint8 [3, H, W] as an image."""
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def heated(pixels: Tensor, heat: NDArray[np.float32]) -> Image.Image:
    """The image in grey under the colours of its heat, float32 [H, W] in 0..1."""
    grey = np.asarray(picture(pixels).convert("L").convert("RGB"), dtype=np.float32)
    colours = _HEAT(heat)[..., :3] * 255
    return Image.fromarray(np.uint8(_SHARE * colours + (1 - _SHARE) * grey))


def png(image: Image.Image) -> bytes:
    """The bytes of a PNG."""
    image.save(buffer := io.BytesIO(), "PNG")
    return buffer.getvalue()


def data_address(image: Image.Image) -> str:
    """A ``data:`` address that is the image."""
    return f"data:image/png;base64,{base64.b64encode(png(image)).decode()}"
