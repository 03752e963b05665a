"""One photograph: a person before a camera's scene, lit, partly hidden, blurred and noisy."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from datasets_ext.generated.body import draw_person
from datasets_ext.generated.cameras import Band, Camera
from datasets_ext.generated.figure import Figure, sample_pose
from datasets_ext.generated.identity import Identity
from datasets_ext.generated.light import expose, relief
from datasets_ext.generated.paint import infrared_paint, thermal_paint, visible_paint
from datasets_ext.generated.scene import crop_backdrop
from datasets_ext.generated.sight import as_seen

SUPERSAMPLING = 2

_PAINTS = {Band.VISIBLE: visible_paint, Band.NEAR_INFRARED: infrared_paint, Band.THERMAL: thermal_paint}


def _place_person(identity: Identity, camera: Camera, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """The person alone, RGBA of ``size``, within the imperfect box of a detector."""
    width, height = (SUPERSAMPLING * side for side in size)
    ground = height * float(rng.uniform(0.93, 1.01))
    tall = ground - height * float(rng.uniform(-0.03, 0.13))
    center = width * float(rng.uniform(0.42, 0.58))
    elevation = camera.elevation * float(rng.uniform(0.7, 1.3))
    figure = Figure((width, height), sample_pose(rng), tall, center, ground, elevation)
    if camera.band is not Band.THERMAL:  # a shadow is no colder than the ground around it
        shadow = (center - 0.13 * tall, ground - 0.035 * tall, center + 0.13 * tall, ground + 0.015 * tall)
        figure.draw.ellipse(shadow, (15, 15, 18, 90))
    seen = as_seen(identity, camera.infrared)
    draw_person(seen, figure, _PAINTS[camera.band](seen))
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


def photograph(identity: Identity, camera: Camera, rng: np.random.Generator) -> Image.Image:
    """One image of ``identity`` by ``camera``: RGB, of the camera's size; three equal channels if infrared."""
    height = int(rng.integers(*camera.heights))
    size = (int(height * rng.uniform(*camera.aspect)), height)
    person = _place_person(identity, camera, size, rng)
    alpha = person.getchannel("A")
    cover = np.asarray(alpha, np.float32)[..., None] / 255
    scene = np.asarray(crop_backdrop(camera, size, rng), np.float32) / 255
    body = np.asarray(person.convert("RGB"), np.float32) / 255 * relief(alpha, camera.band, rng)
    pixels = expose(scene + cover * (body - scene), camera, rng)
    if camera.infrared:
        pixels = pixels[..., :1]
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8).squeeze())
    image = image.filter(ImageFilter.GaussianBlur(camera.blur * float(rng.uniform(0.3, 1.8))))
    grain = rng.standard_normal((size[1], size[0], 1 if camera.infrared else 3), np.float32)
    noisy = np.asarray(image, np.float32).reshape(grain.shape) + grain * (255 * camera.noise * rng.uniform(0.5, 1.7))
    noisy = np.broadcast_to(noisy, (size[1], size[0], 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
