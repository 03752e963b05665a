"""Upper and lower garments: their cut, their pattern, and what only one modality shows on them."""

from __future__ import annotations

import math

from datasets_ext.generated.figure import Figure, Pixel, Tube
from datasets_ext.generated.identity import SharedCues
from datasets_ext.generated.paint import Paint

SHOULDER = 0.825
WAIST = 0.61


def hem_height(shared: SharedCues) -> float:
    """Where the upper garment ends."""
    hip = shared.leg_length
    return {"coat": hip - 0.19, "dress": hip - 0.15, "jacket": hip - 0.035, "hoodie": hip - 0.02}.get(
        shared.upper, hip - 0.005
    )


def upper_tube(figure: Figure, shared: SharedCues) -> Tube:
    """The upper garment's form, from the collar to the hem."""
    build, shoulders = shared.build, shared.shoulders
    thick = {"jacket": 1.1, "hoodie": 1.14, "coat": 1.12}.get(shared.upper, 1.0)
    flare = {"coat": 1.35, "dress": 1.65, "tshirt": 1.04}.get(shared.upper, 1.08)
    wide = 0.104 * build * thick
    hem = hem_height(shared)
    levels = [
        (0.862, 0.036, 0.036),
        (0.845, 0.06 * shoulders, 0.05),
        (SHOULDER, wide * 1.08 * shoulders, 0.058 * build),
        (0.73, wide * 1.04, 0.076 * build * thick),
        (WAIST, wide * 0.88, 0.072 * build * thick),
        (min(shared.leg_length + 0.03, 0.55), wide * 0.96, 0.076 * build * thick),
        (hem, wide * 0.92 * flare, 0.076 * build * thick * flare),
    ]
    return Tube(figure, levels)


def draw_upper(figure: Figure, shared: SharedCues, paint: Paint) -> None:
    """The upper garment without sleeves, its pattern and details."""
    tube = upper_tube(figure, shared)
    tube.band(tube.top, tube.bottom, paint("upper"))
    draw_pattern(tube, shared, paint)
    if shared.upper == "jacket":  # open in front over a shirt in the accent
        tube.patch(0.0, 0.42, 0.85, tube.bottom + 0.012, paint("accent"))
        for side in (-1, 1):
            tube.patch(side * 0.5, 0.09, 0.85, tube.bottom, paint("accent_edge"))
    elif shared.upper == "shirt":
        tube.patch(0.0, 0.05, 0.845, tube.bottom, paint("upper", 0.65))
    elif shared.upper == "coat":
        tube.patch(0.0, 0.04, 0.845, tube.bottom, paint("upper", 0.55))
        tube.band(WAIST + 0.012, WAIST - 0.018, paint("upper", 0.6))
    elif shared.upper == "hoodie":
        tube.patch(0.0, 0.6, 0.63, 0.56, paint("upper", 0.72))
        tube.band(0.872, 0.825, paint("upper", 0.8))
    elif shared.upper == "dress":
        tube.band(WAIST + 0.012, WAIST - 0.012, paint("upper", 0.6))
    tube.band(tube.bottom + 0.018, tube.bottom, paint("trim"))


def draw_strip(figure: Figure, shared: SharedCues, paint: Paint) -> None:
    """A reflective strip around the chest."""
    tube = upper_tube(figure, shared)
    tube.band(0.715, 0.692, paint("strip"))


def draw_pattern(tube: Tube, shared: SharedCues, paint: Paint) -> None:
    """The pattern of the upper garment; its edge makes it visible on cloth of any brightness."""
    accent, edge, count = paint("accent"), paint("accent_edge"), shared.pattern_count
    if shared.pattern in ("horizontal", "checks"):
        step = (SHOULDER - tube.bottom) / (count + 0.5)
        width = 0.5 if shared.pattern == "horizontal" else 0.3
        for index in range(count):
            top = SHOULDER - step * (index + 0.35)
            tube.band(top, top - step * (width + 0.22), edge)
            tube.band(top, top - step * width, accent)
    if shared.pattern in ("vertical", "checks"):
        number = 2 * count + 2
        half = math.pi / number * (0.5 if shared.pattern == "vertical" else 0.3)
        for index in range(number):
            tube.patch(2 * math.pi * index / number, half * 1.5, SHOULDER, tube.bottom, edge)
            tube.patch(2 * math.pi * index / number, half, SHOULDER, tube.bottom, accent)
    if shared.pattern == "halves":
        tube.band(0.71, tube.bottom, edge)
        tube.band(0.69, tube.bottom, accent)
    elif shared.pattern == "sash":
        for azimuth in (0.0, math.pi):
            lean = math.copysign(0.085 * shared.build, math.cos(azimuth))
            for half, fill in ((0.05, edge), (0.032, accent)):
                outline = [(lean - half, 0.125), (lean + half, 0.125), (half - lean, -0.13), (-half - lean, -0.13)]
                tube.shape(azimuth, 0.69, outline, fill)
    elif shared.pattern == "print":
        for azimuth in (0.0, math.pi) if shared.print_on_back else (0.0,):
            _draw_print(tube, azimuth, shared, paint)


def _ring(radius: float, corners: int, turn: float = 0.0) -> list[Pixel]:
    angles = (turn + 2 * math.pi * index / corners for index in range(corners))
    return [(radius * math.sin(angle), radius * math.cos(angle)) for angle in angles]


def _draw_print(tube: Tube, azimuth: float, shared: SharedCues, paint: Paint) -> None:
    size, accent = 0.07 * shared.build, paint("accent")
    outlines: dict[str, list[list[Pixel]]] = {
        "disc": [_ring(size, 14)],
        "ring": [_ring(size * 1.1, 14)],
        "triangle": [_ring(size * 1.25, 3)],
        "square": [_ring(size * 1.25, 4, math.pi / 4)],
        "bar": [[(-0.085, 0.028), (0.085, 0.028), (0.085, -0.028), (-0.085, -0.028)]],
        "cross": [
            [(-0.022, 0.07), (0.022, 0.07), (0.022, -0.07), (-0.022, -0.07)],
            [(-0.065, 0.022), (0.065, 0.022), (0.065, -0.022), (-0.065, -0.022)],
        ],
    }
    panel = 0.086 * shared.build
    tube.shape(
        azimuth, 0.715, [(-panel, 0.085), (panel, 0.085), (panel, -0.085), (-panel, -0.085)], paint("accent_edge")
    )
    for outline in outlines[shared.print_shape]:
        tube.shape(azimuth, 0.715, outline, accent)
    if shared.print_shape == "ring":
        tube.shape(azimuth, 0.715, _ring(size * 0.55, 12), paint("accent_edge"))


def draw_skirt(figure: Figure, shared: SharedCues, paint: Paint) -> None:
    """A short or a long skirt around both legs."""
    hip, build = shared.leg_length, shared.build
    hem = hip - (0.17 if shared.lower == "skirt" else 0.33)
    flare = 1.5 if shared.lower == "skirt" else 1.45
    wide = 0.095 * build
    tube = Tube(
        figure,
        [(WAIST, wide * 0.9, 0.07 * build), (hip, wide * 1.05, 0.08 * build), (hem, wide * flare, 0.08 * flare)],
    )
    tube.band(tube.top, hem, paint("lower"))
    for index in range(8):
        tube.patch(math.pi / 4 * index, 0.05, hip, hem, paint("lower", 0.8))
    drop = hip - hem
    if shared.lower_pattern == "side":
        for azimuth in (-math.pi / 2, math.pi / 2):
            tube.patch(azimuth, 0.45, hip + 0.03, hem, paint("stripe_edge"))
            tube.patch(azimuth, 0.3, hip + 0.03, hem, paint("stripe"))
    elif shared.lower_pattern == "cuffs":
        tube.band(hem + 0.4 * drop, hem, paint("stripe_edge"))
        tube.band(hem + 0.3 * drop, hem, paint("stripe"))
    elif shared.lower_pattern == "knees":
        tube.band(hem + 0.7 * drop, hem + 0.35 * drop, paint("stripe_edge"))
        tube.band(hem + 0.6 * drop, hem + 0.35 * drop, paint("stripe"))
