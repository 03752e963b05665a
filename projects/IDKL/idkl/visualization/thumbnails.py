"""Test images at one small size, for figures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datasets_ext.image import read_image

from .embedded import Embedded

HEIGHT, WIDTH = 128, 64  # pixels


def thumbnail(embedded: Embedded, row: int) -> NDArray[np.uint8]:
    """The image of a row as uint8 [HEIGHT, WIDTH, 3], stretched to that shape. UserError if it cannot be read."""
    image = read_image(str(embedded.root / embedded.images.paths[row]))
    return np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))
