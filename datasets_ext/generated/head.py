"""Neck, face, hair, hats and scarf."""

from __future__ import annotations

import math

from datasets_ext.generated.figure import Figure, Point
from datasets_ext.generated.identity import Identity
from datasets_ext.generated.paint import Paint


def head_center(identity: Identity, figure: Figure) -> Point:
    """The middle of the skull."""
    return 0.0, 0.87 + 0.058 * identity.shared.head, 0.005 + figure.pose.nod


def draw_head(identity: Identity, figure: Figure, paint: Paint) -> None:
    """Everything above the collar but hanging hair."""
    shared, pose = identity.shared, figure.pose
    size, center = shared.head, head_center(identity, figure)
    figure.limb((0.0, 0.835, 0.0), (0.0, 0.89, pose.nod), (0.033, 0.029), paint("skin", 0.85), cap=False)
    if shared.scarf:
        figure.ellipse((0.0, 0.852, 0.01), 0.068, 0.03, paint("scarf"))
        figure.limb((0.03, 0.85, 0.07), (0.035, 0.7, 0.085), (0.022, 0.024), paint("scarf", 0.9), cap=False)
    figure.ellipse(center, 0.046 * size, 0.064 * size, paint("skin"))
    _draw_face(figure, center, size, paint)
    _draw_hair(identity, figure, center, paint)


def _draw_face(figure: Figure, center: Point, size: float, paint: Paint) -> None:
    x, y, z = center
    for side in (-1, 1):
        eye = (x + side * 0.019 * size, y + 0.004, z + 0.04 * size)
        if figure.depth(eye) - figure.depth(center) > 0.012:
            figure.ellipse(eye, 0.008 * size, 0.006 * size, paint("eyes"))
    nose = (x, y - 0.012 * size, z + 0.05 * size)
    if figure.depth(nose) > figure.depth(center) - 0.02:
        figure.ellipse(nose, 0.007 * size, 0.01 * size, paint("skin", 0.86))
        figure.ellipse((x, y - 0.034 * size, z + 0.04 * size), 0.014 * size, 0.005 * size, paint("skin", 0.62))


def _draw_hair(identity: Identity, figure: Figure, center: Point, paint: Paint) -> None:
    """Hair or hat on the skull; from behind it covers the head."""
    hair, size = identity.shared.hair, identity.shared.head
    x, y, z = center
    surface = {"cap": "scarf", "beanie": "scarf", "bald": "skin"}.get(hair, "hair")
    fill = paint(surface)
    front = math.cos(figure.pose.yaw)
    if hair == "afro":
        inner = "skin" if front > -0.25 else "hair"
        figure.ellipse((x, y + 0.03 * size, z - 0.03 * size), 0.088 * size, 0.07 * size, fill)
        figure.ellipse((x, y - 0.012, z + 0.025), 0.038 * size, 0.045 * size, paint(inner))
        if inner == "skin":
            _draw_face(figure, center, size, paint)
        return
    if hair != "bald":
        back = paint("hair")
        if front < 0.85:  # the back of the skull, moved away from the face
            low = 0.0 if hair in ("cap", "beanie", "short") else -0.012
            figure.ellipse((x, y + 0.012 + low, z - 0.022 * size), 0.042 * size, 0.056 * size, back)
        figure.draw.pieslice(_skull_box(figure, (x, y + 0.002, z - 0.004), 0.05 * size, 0.069 * size), 188, 352, fill)
    if hair == "beanie":
        figure.ellipse((x, y + 0.05 * size, z), 0.048 * size, 0.04 * size, fill)
        figure.ellipse((x, y + 0.095 * size, z), 0.018, 0.016, fill)
    elif hair == "cap":
        figure.limb((x, y + 0.022, z + 0.02), (x, y + 0.018, z + 0.085), (0.034, 0.026), paint("scarf", 0.8))
    elif hair == "bun":
        figure.ellipse((x, y + 0.075 * size, z - 0.03), 0.03, 0.028, fill)


def _skull_box(figure: Figure, center: Point, a: float, b: float) -> tuple[float, float, float, float]:
    x, y = figure.pixel(center)
    a, b = a * figure.height, b * figure.height
    return x - a, y - b, x + a, y + b


def draw_hanging_hair(identity: Identity, figure: Figure, paint: Paint) -> None:
    """Hair that falls behind the shoulders."""
    x, y, z = head_center(identity, figure)
    hair, size = identity.shared.hair, identity.shared.head
    fill = paint("hair", 0.92)
    top = (x, y + 0.01, z - 0.02)
    if hair == "long":
        figure.limb(top, (x, 0.73, -0.06), (0.057 * size, 0.062 * size), fill)
    elif hair == "bob":
        figure.limb(top, (x, 0.862, z - 0.024), (0.056 * size, 0.064 * size), fill, cap=False)
        figure.ellipse(top, 0.056 * size, 0.056 * size, fill)
    elif hair == "ponytail":
        figure.limb((x, y + 0.03, z - 0.06), (x, 0.74, -0.11), (0.024, 0.02), fill)
