"""What each band of light makes of a scene: the lamp or the sun, the exposure, the relief of a body."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from datasets_ext.generated.cameras import Band, Camera


def _smooth_field(size: tuple[int, int], grid: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise, float32 [height, width, 1], standard normal at the grid's points."""
    coarse = rng.normal(0, 1, (grid[1], grid[0])).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))[..., None]


def relief(alpha: Image.Image, band: Band, rng: np.random.Generator) -> np.ndarray:
    """Shading of the body, float32 [height, width, 1] around 1: round forms lit from one side, and folds.

    A thermal camera sees no light from a side: its bodies are only cooler towards their outline.
    """
    soft = np.asarray(alpha.filter(ImageFilter.GaussianBlur(3)), np.float32) / 255
    slope = np.zeros_like(soft)
    slope[:, 1:-1] = soft[:, 2:] - soft[:, :-2]
    side = float(rng.uniform(-1.6, 1.6))
    folds = _smooth_field(alpha.size, (7, 16), rng)[..., 0]
    if band is Band.THERMAL:
        return (0.78 + 0.24 * soft + 0.045 * folds)[..., None]
    return (0.72 + 0.3 * soft + side * slope + 0.035 * folds)[..., None]


def expose(pixels: np.ndarray, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """The scene ``pixels`` [height, width, 3] of 0..1 as the camera's light shows it."""
    size = (pixels.shape[1], pixels.shape[0])
    return {
        Band.VISIBLE: _visible_light,
        Band.NEAR_INFRARED: _near_infrared_light,
        Band.THERMAL: _thermal_contrast,
    }[camera.band](pixels, camera, size, rng)


def _visible_light(pixels: np.ndarray, camera: Camera, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Exposure, colour cast and a soft gradient or shadow."""
    cast = np.asarray(camera.cast) * rng.normal(1, 0.04, 3) * camera.gain * rng.uniform(0.65, 1.25)
    gradient = 1 + 0.15 * _smooth_field(size, (2, 3), rng)
    lit: np.ndarray = pixels * cast.astype(np.float32) * np.clip(gradient, 0.5, 1.4)
    return lit


def _near_infrared_light(
    pixels: np.ndarray, camera: Camera, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """A lamp at the camera: hot spot, vignette, a haze that takes contrast, and saturation."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    center = (width * rng.uniform(0.3, 0.7), height * rng.uniform(0.25, 0.6))
    spread = rng.uniform(0.45, 0.8)
    far = ((x - center[0]) / (1.5 * spread * width)) ** 2 + ((y - center[1]) / (spread * height)) ** 2
    lamp = 0.68 + 0.5 * np.exp(-far)[..., None]
    exposure = camera.gain * rng.uniform(0.7, 1.3)
    haze = rng.uniform(0.02, 0.2)
    lit: np.ndarray = haze + (1 - haze) * (pixels * lamp * exposure).astype(np.float32)
    return lit


def _thermal_contrast(
    pixels: np.ndarray, camera: Camera, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """No lamp: the camera fits its range to the scene (level and contrast differ), and drifts over the image."""
    contrast = camera.gain * rng.uniform(0.8, 1.1)
    level = rng.uniform(-0.06, 0.1)
    drift = 0.025 * _smooth_field(size, (2, 3), rng)
    shown: np.ndarray = (level + contrast * pixels + drift).astype(np.float32)
    return shown
