"""One photograph: a person before a camera's scene, lit, partly hidden, blurred and noisy."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from datasets_ext.generated.body import draw_person
from datasets_ext.generated.figure import Figure, sample_pose
from datasets_ext.generated.identity import Identity
from datasets_ext.generated.paint import infrared_paint, visible_paint
from datasets_ext.generated.scene import Camera, crop_backdrop

SUPERSAMPLING = 2


def _smooth_field(size: tuple[int, int], grid: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise, float32 [height, width, 1], standard normal at the grid's points."""
    coarse = rng.normal(0, 1, (grid[1], grid[0])).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))[..., None]


def _place_person(identity: Identity, camera: Camera, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """The person alone, RGBA of ``size``, within the imperfect box of a detector."""
    width, height = (SUPERSAMPLING * side for side in size)
    ground = height * float(rng.uniform(0.93, 1.01))
    tall = ground - height * float(rng.uniform(-0.03, 0.13))
    center = width * float(rng.uniform(0.42, 0.58))
    elevation = camera.elevation * float(rng.uniform(0.7, 1.3))
    figure = Figure((width, height), sample_pose(rng), tall, center, ground, elevation)
    figure.draw.ellipse(
        (center - 0.13 * tall, ground - 0.035 * tall, center + 0.13 * tall, ground + 0.015 * tall), (15, 15, 18, 90)
    )
    draw_person(identity, figure, infrared_paint(identity) if camera.infrared else visible_paint(identity))
    if rng.random() < 0.08:
        _draw_occluder(figure, (width, height), rng)
    return figure.image.reduce(SUPERSAMPLING)


def _draw_occluder(figure: Figure, size: tuple[int, int], rng: np.random.Generator) -> None:
    """Something in front: a post at the side or a low wall or bench at the bottom."""
    width, height = size
    level = int(rng.integers(50, 170))
    fill, edge = (level, level, level, 255), (level + 35, level + 35, level + 35, 255)
    if rng.random() < 0.5:
        left = width * float(rng.choice([rng.uniform(-0.05, 0.12), rng.uniform(0.76, 0.9)]))
        figure.draw.rectangle((left, 0, left + 0.14 * width, height), fill)
    else:
        top = height * float(rng.uniform(0.8, 0.9))
        figure.draw.rectangle((0, top, width, height), fill)
        figure.draw.rectangle((0, top, width, top + 0.012 * height), edge)


def _relief(alpha: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """Shading of the body, float32 [height, width, 1] around 1: round forms lit from one side, and folds."""
    soft = np.asarray(alpha.filter(ImageFilter.GaussianBlur(3)), np.float32) / 255
    slope = np.zeros_like(soft)
    slope[:, 1:-1] = soft[:, 2:] - soft[:, :-2]
    side = float(rng.uniform(-1.6, 1.6))
    folds = _smooth_field(alpha.size, (7, 16), rng)[..., 0]
    return (0.72 + 0.3 * soft + side * slope + 0.035 * folds)[..., None]


def _visible_light(pixels: np.ndarray, camera: Camera, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Exposure, colour cast and a soft gradient or shadow."""
    cast = np.asarray(camera.cast) * rng.normal(1, 0.04, 3) * camera.gain * rng.uniform(0.65, 1.25)
    gradient = 1 + 0.15 * _smooth_field(size, (2, 3), rng)
    lit: np.ndarray = pixels * cast.astype(np.float32) * np.clip(gradient, 0.5, 1.4)
    return lit


def _infrared_light(pixels: np.ndarray, camera: Camera, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
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


def photograph(identity: Identity, camera: Camera, rng: np.random.Generator) -> Image.Image:
    """One image of ``identity`` by ``camera``: RGB, about 64 x 128; three equal channels if infrared."""
    height = int(rng.integers(110, 151))
    size = (int(height * rng.uniform(0.42, 0.46)), height)
    person = _place_person(identity, camera, size, rng)
    alpha = person.getchannel("A")
    cover = np.asarray(alpha, np.float32)[..., None] / 255
    scene = np.asarray(crop_backdrop(camera, size, rng), np.float32) / 255
    body = np.asarray(person.convert("RGB"), np.float32) / 255 * _relief(alpha, rng)
    light = _infrared_light if camera.infrared else _visible_light
    pixels = light(scene + cover * (body - scene), camera, size, rng)
    if camera.infrared:
        pixels = pixels[..., :1]
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8).squeeze())
    image = image.filter(ImageFilter.GaussianBlur(camera.blur * float(rng.uniform(0.3, 1.8))))
    grain = rng.standard_normal((size[1], size[0], 1 if camera.infrared else 3), np.float32)
    noisy = np.asarray(image, np.float32).reshape(grain.shape) + grain * (255 * camera.noise * rng.uniform(0.5, 1.7))
    noisy = np.broadcast_to(noisy, (size[1], size[0], 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
