"""The empty scenes before the cameras."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from datasets_ext.generated.cameras import Band, Camera
from datasets_ext.generated.color import RGB

WIDTH, HEIGHT, HORIZON = 640, 224, 132  # the backdrop in pixels; crops are windows of it


def _fill(draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], color: RGB) -> None:
    draw.rectangle(box, tuple(round(255 * channel) for channel in color))


def _hall(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    _fill(draw, (0, 0, WIDTH, HORIZON), (0.72, 0.68, 0.60))
    _fill(draw, (0, HORIZON, WIDTH, HEIGHT), (0.52, 0.47, 0.42))
    for x in range(0, WIDTH, 110):
        _fill(draw, (x + 12, 18, x + 74, 82), (0.82, 0.88, 0.92))
        _fill(draw, (x + 41, 18, x + 45, 82), (0.42, 0.38, 0.34))
        _fill(draw, (x + 90, 0, x + 104, HORIZON), (0.60, 0.55, 0.48))
    _fill(draw, (0, HORIZON - 7, WIDTH, HORIZON), (0.36, 0.30, 0.26))
    for y in range(HORIZON + 8, HEIGHT, 18):
        draw.line((0, y, WIDTH, y), (118, 106, 94), 1)
    for x in rng.integers(0, WIDTH, 4):
        _fill(draw, (x, HORIZON - 34, x + 40, HORIZON + 6), (0.35, 0.24, 0.16))


def _corridor(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    _fill(draw, (0, 0, WIDTH, HORIZON), (0.66, 0.70, 0.68))
    _fill(draw, (0, 80, WIDTH, HORIZON), (0.42, 0.54, 0.52))
    _fill(draw, (0, HORIZON, WIDTH, HEIGHT), (0.56, 0.57, 0.55))
    for x in range(30, WIDTH, 128):
        _fill(draw, (x, 14, x + 52, HORIZON), (0.40, 0.29, 0.21))
        _fill(draw, (x + 8, 24, x + 44, 66), (0.48, 0.36, 0.27))
        _fill(draw, (x + 78, 34, x + 104, 70), (0.86, 0.85, 0.74))
    for x in range(-HEIGHT, WIDTH, 34):
        draw.line((x, HEIGHT, x + 90, HORIZON), (126, 130, 124), 1)
    for x in rng.integers(0, WIDTH, 3):
        _fill(draw, (x, HORIZON - 22, x + 16, HORIZON + 5), (0.70, 0.22, 0.18))


def _street(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    _fill(draw, (0, 0, WIDTH, HORIZON), (0.66, 0.74, 0.84))
    x = 0
    while x < WIDTH:
        width, top = int(rng.integers(50, 110)), int(rng.integers(0, 50))
        _fill(draw, (x, top, x + width, HORIZON), tuple(rng.uniform(0.4, 0.75) * np.array([1.0, 0.93, 0.86])))
        for left in range(x + 6, x + width - 12, 20):
            for y in range(top + 8, HORIZON - 24, 26):
                _fill(draw, (left, y, left + 10, y + 14), (0.28, 0.33, 0.40))
        x += width
    _fill(draw, (0, HORIZON - 8, WIDTH, HEIGHT), (0.62, 0.61, 0.60))
    _fill(draw, (0, HORIZON + 12, WIDTH, HORIZON + 40), (0.36, 0.36, 0.38))
    for x in range(0, WIDTH, 60):
        _fill(draw, (x, HORIZON + 24, x + 26, HORIZON + 28), (0.85, 0.85, 0.82))


def _park(draw: ImageDraw.ImageDraw, rng: np.random.Generator, leaf: RGB = (0.22, 0.40, 0.17)) -> None:
    _fill(draw, (0, 0, WIDTH, HORIZON), (0.70, 0.76, 0.78))
    _fill(draw, (0, HORIZON - 20, WIDTH, HEIGHT), tuple(0.3 + 0.7 * np.array(leaf)))
    _fill(draw, (0, HORIZON + 16, WIDTH, HORIZON + 66), (0.60, 0.55, 0.46))
    for x in rng.integers(0, WIDTH, 12):
        _fill(draw, (x - 5, 40, x + 5, HORIZON), (0.28, 0.20, 0.14))
    for x, y, radius in zip(
        rng.integers(0, WIDTH, 90), rng.integers(-10, 90, 90), rng.integers(10, 30, 90), strict=True
    ):
        shade = rng.uniform(0.7, 1.3)
        color = tuple(round(min(255.0, 255 * shade * channel)) for channel in leaf)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), color)


def _yard(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """A park at night: leaves are bright in near-infrared light, the sky is black."""
    _park(draw, rng, leaf=(0.42, 0.42, 0.42))
    _fill(draw, (0, 60, WIDTH, HORIZON - 6), (0.30, 0.30, 0.30))
    for x in range(0, WIDTH, 26):
        _fill(draw, (x, 56, x + 5, HORIZON), (0.44, 0.44, 0.44))
    _fill(draw, (0, HORIZON + 20, WIDTH, HEIGHT), (0.26, 0.26, 0.26))


_PLACES: dict[str, Callable[[ImageDraw.ImageDraw, np.random.Generator], None]] = {
    "hall": _hall,
    "corridor": _corridor,
    "street": _street,
    "park": _park,
    "yard": _yard,
}


@cache
def backdrop(place: str, view: int, band: Band) -> Image.Image:
    """The empty scene of one ``view`` of a place, RGB, HEIGHT x WIDTH; the same in every data set."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    rng = np.random.default_rng([97, sum(place.encode()), view])
    _PLACES[place](ImageDraw.Draw(image), rng)
    image = image.filter(ImageFilter.GaussianBlur(1.2))
    pixels = np.asarray(image, np.float32) + rng.normal(0, 3, (HEIGHT, WIDTH, 1)).astype(np.float32)
    if band is not Band.VISIBLE:
        level = (pixels * np.array([0.5, 0.3, 0.2], np.float32)).sum(axis=2)
        # Near-infrared: weakly lit, the lamp at the camera does not reach far. Thermal: all about as warm as the air.
        least, span = (0.12, 0.42) if band is Band.NEAR_INFRARED else (0.16, 0.2)
        pixels = np.repeat((least + span * level / 255)[..., None] * 255, 3, axis=2)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def crop_backdrop(camera: Camera, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A random window of the camera's scene, resized to ``size`` (width, height)."""
    width, height = size
    tall = float(rng.uniform(0.7, 0.97)) * HEIGHT
    wide = tall * width / height
    left, top = float(rng.uniform(0, WIDTH - wide)), float(rng.uniform(0, HEIGHT - tall))
    scene = backdrop(camera.place, camera.view, camera.band)
    return scene.resize(size, Image.Resampling.BILINEAR, (left, top, left + wide, top + tall))
