"""A whole person on a transparent canvas: the parts in the order of their distance."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from datasets_ext.generated.bags import bag_center, draw_bag, draw_straps
from datasets_ext.generated.figure import Figure
from datasets_ext.generated.garments import draw_skirt, draw_strip, draw_upper
from datasets_ext.generated.head import draw_hanging_hair, draw_head
from datasets_ext.generated.identity import Identity
from datasets_ext.generated.limbs import arm_joints, draw_arm, draw_leg, leg_joints
from datasets_ext.generated.paint import Paint


def _draw_torso(identity: Identity, figure: Figure, paint: Paint) -> None:
    draw_upper(figure, identity.shared, paint)
    if identity.infrared.strip == "chest" and paint.shows("strip"):
        draw_strip(figure, identity.shared, paint)
    draw_straps(identity, figure, paint)


def draw_person(identity: Identity, figure: Figure, paint: Paint) -> None:
    """Draw ``identity`` on the figure's canvas, far parts first."""
    parts: list[tuple[float, Callable[[], None]]] = [(0.0, partial(_draw_torso, identity, figure, paint))]
    for side in (-1, 1):
        near = figure.depth((float(side), 0.0, 0.0))
        shade = 0.86 if near < -0.35 else 1.0
        legs = figure.depth(leg_joints(identity, figure, side)[1])
        arms = figure.depth(arm_joints(identity, figure, side)[1])
        parts.append((-2 + legs, partial(draw_leg, identity, figure, side, paint, shade)))
        parts.append((arms + 0.03, partial(draw_arm, identity, figure, side, paint, shade)))
    if identity.shared.lower in ("skirt", "long_skirt") and identity.shared.upper != "dress":
        parts.append((-1.0, partial(draw_skirt, figure, identity.shared, paint)))
    if identity.shared.bag != "none":
        parts.append((figure.depth(bag_center(identity, figure)), partial(draw_bag, identity, figure, paint)))
    facing = figure.depth((0.0, 0.0, 1.0))
    parts.append((0.1, partial(draw_head, identity, figure, paint)))
    parts.append((-0.1 if facing > 0.2 else 0.11, partial(draw_hanging_hair, identity, figure, paint)))
    for _, draw in sorted(parts, key=lambda part: part[0]):
        draw()
