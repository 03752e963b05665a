"""Bags: one at most per person, each seen from the sides where it really is."""

from __future__ import annotations

from datasets_ext.generated.figure import Figure, Point
from datasets_ext.generated.garments import WAIST, upper_tube
from datasets_ext.generated.identity import Identity
from datasets_ext.generated.limbs import arm_joints
from datasets_ext.generated.paint import Paint


def bag_center(identity: Identity, figure: Figure) -> Point:
    """The middle of the bag."""
    shared = identity.shared
    side, size, build = shared.bag_side, shared.bag_size, shared.build
    if shared.bag == "backpack":
        return 0.0, 0.715, -0.07 * build - 0.05 * size
    if shared.bag == "tote":
        x, y, z = arm_joints(identity, figure, side)[2]
        return x, y - 0.03 - 0.085 * size, z
    if shared.bag == "shoulder":
        return side * (0.115 * build + 0.02), 0.5, 0.01
    return side * 0.03, WAIST - 0.03, 0.075 * build + 0.03


def draw_bag(identity: Identity, figure: Figure, paint: Paint) -> None:
    """The bag's body."""
    bag, size = identity.shared.bag, identity.shared.bag_size
    center = bag_center(identity, figure)
    x, y, z = center
    if bag == "backpack":
        figure.box(center, (0.085 * size, 0.125 * size, 0.05 * size), paint("bag"))
        figure.box((x, y - 0.05 * size, z - 0.01), (0.06 * size, 0.05 * size, 0.05 * size), paint("bag", 0.72))
    elif bag == "tote":
        for edge in (-0.04, 0.04):
            figure.line([(x, y + 0.12 * size + 0.02, z), (x, y + 0.07 * size, z + edge)], 0.012, paint("bag", 0.7))
        figure.box(center, (0.025 * size, 0.085 * size, 0.08 * size), paint("bag"))
    elif bag == "shoulder":
        figure.box(center, (0.03 * size, 0.065 * size, 0.085 * size), paint("bag"))
        figure.box((x, y + 0.03 * size, z), (0.032 * size, 0.03 * size, 0.087 * size), paint("bag", 0.72))
    elif bag == "waist":
        figure.box(center, (0.07 * size, 0.035 * size, 0.035), paint("bag"))


def draw_straps(identity: Identity, figure: Figure, paint: Paint) -> None:
    """Straps over the upper garment."""
    shared = identity.shared
    tube = upper_tube(figure, shared)
    fill = paint("bag", 0.8)
    if shared.bag == "backpack":
        for azimuth in (-0.75, 0.75):
            tube.patch(azimuth, 0.17, 0.838, 0.655, fill)
    elif shared.bag == "waist":
        tube.band(WAIST - 0.018, WAIST - 0.042, fill)
    elif shared.bag == "shoulder":
        facing = 1 if tube.facing(0.0) > 0 else -1
        if abs(tube.facing(0.0)) > 0.3:
            z = facing * 0.07
            start, end = (-shared.bag_side * 0.07, 0.84, z * 0.6), (shared.bag_side * 0.115 * shared.build, 0.54, z)
            figure.line([start, end], 0.026, fill)
