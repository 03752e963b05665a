"""Legs, feet and arms with what covers them."""

from __future__ import annotations

import math

from datasets_ext.generated.figure import Figure, Point
from datasets_ext.generated.garments import SHOULDER
from datasets_ext.generated.identity import Identity
from datasets_ext.generated.paint import Paint


def leg_joints(identity: Identity, figure: Figure, side: int) -> tuple[Point, Point, Point]:
    """Hip, knee and ankle; the legs swing in opposite phase and the trailing knee bends."""
    shared, pose = identity.shared, figure.pose
    hip = (side * 0.046 * shared.build, shared.leg_length, 0.0)
    swing = pose.stride * math.sin(pose.phase) * side
    bend = pose.stride * max(0.0, -math.cos(pose.phase) * side) * 1.3 + 0.5 * max(0.0, -swing)
    thigh = (shared.leg_length - 0.045) * 0.5
    knee = (hip[0] * 0.95, hip[1] - thigh * math.cos(swing), thigh * math.sin(swing))
    shin = swing - bend
    return hip, knee, (hip[0] * 0.9, knee[1] - thigh * math.cos(shin), knee[2] + thigh * math.sin(shin))


def draw_leg(identity: Identity, figure: Figure, side: int, paint: Paint, shade: float) -> None:
    """One leg with its shoe; ``shade`` darkens the far one."""
    shared = identity.shared
    hip, knee, ankle = leg_joints(identity, figure, side)
    build = 0.5 + 0.5 * shared.build
    bare = shared.upper == "dress" or shared.lower in ("skirt", "long_skirt", "shorts")
    wide = {"wide": (1.15, 1.6, 2.1), "leggings": (0.95, 0.92, 0.8)}.get(shared.lower, (1.0, 1.1, 1.1))
    if bare:
        wide = (0.85, 0.82, 0.75)
    radii = [base * build * factor for base, factor in zip((0.05, 0.037, 0.027), wide, strict=True)]
    surface = "skin" if bare else "lower"
    _shoe(identity, figure, knee, ankle, paint, shade)
    end = 0.97 if bare or shared.lower != "wide" else 1.04
    figure.limb(knee, ankle, (radii[1], radii[2]), paint(surface, shade), (0.0, end), cap=False)
    figure.limb(hip, knee, (radii[0], radii[1]), paint(surface, shade))
    if shared.shoe_height > 0.08 and shared.lower != "wide":
        figure.limb(knee, ankle, (radii[1] * 1.1, radii[2] * 1.25), paint("shoes", shade), (0.45, 1.0), cap=False)
    if not bare:
        _cloth(identity, figure, (hip, knee, ankle), radii, side, paint, shade)
    elif shared.lower == "shorts" and shared.upper != "dress":
        legs = (0.062 * build, 0.062 * build)
        figure.limb(hip, knee, legs, paint("lower", shade), (0.0, 0.9), cap=False)
        if shared.lower_pattern != "plain":
            figure.limb(hip, knee, legs, paint("stripe_edge", shade), (0.5, 0.9), cap=False)
            figure.limb(hip, knee, legs, paint("stripe", shade), (0.64, 0.9), cap=False)
        figure.ellipse(hip, legs[0], legs[0], paint("lower", shade))


def _cloth(
    identity: Identity,
    figure: Figure,
    joints: tuple[Point, Point, Point],
    radii: list[float],
    side: int,
    paint: Paint,
    shade: float,
) -> None:
    """What trousers carry: weave and strip (infrared only), side stripe."""
    hip, knee, ankle = joints
    segments = ((hip, knee, (radii[0], radii[1])), (knee, ankle, (radii[1], radii[2])))
    if identity.infrared.weave != "none" and paint.shows("weave"):
        count = 3 if identity.infrared.weave == "bands" else 6
        for start, end, pair in segments:
            for index in range(count):
                part = ((index + 0.25) / count, (index + 0.7) / count)
                figure.limb(start, end, pair, paint("weave", shade), part, cap=False)
    if identity.infrared.strip == "shins" and paint.shows("strip"):
        figure.limb(knee, ankle, (radii[1], radii[2]), paint("strip", shade), (0.35, 0.55), cap=False)
    outward = (side * math.cos(figure.pose.yaw), -side * math.sin(figure.pose.yaw))  # across, towards the camera
    pattern = identity.shared.lower_pattern
    if pattern == "cuffs":
        figure.limb(knee, ankle, (radii[1], radii[2]), paint("stripe_edge", shade), (0.22, 0.97), cap=False)
        figure.limb(knee, ankle, (radii[1], radii[2]), paint("stripe", shade), (0.35, 0.97), cap=False)
    elif pattern == "knees":
        figure.limb(hip, knee, (radii[0], radii[1]), paint("stripe_edge", shade), (0.4, 0.95), cap=False)
        figure.limb(hip, knee, (radii[0], radii[1]), paint("stripe", shade), (0.55, 0.95), cap=False)
    elif pattern == "side" and outward[1] > -0.6:
        points = []
        for (x, y, z), radius in zip((hip, knee, ankle), radii, strict=True):
            points.append((x + side * radius * 0.75, y, z))
        figure.line(points, 0.038, paint("stripe_edge", shade))
        figure.line(points, 0.022, paint("stripe", shade))


def _shoe(identity: Identity, figure: Figure, knee: Point, ankle: Point, paint: Paint, shade: float) -> None:
    x, y, z = ankle
    fill = paint("shoes", shade)
    heel, toe = (x, y - 0.024, z - 0.018), (x, y - 0.032, z + 0.06)
    figure.limb(heel, toe, (0.023, 0.018), fill)
    figure.limb(knee, ankle, (0.032, 0.03), fill, (1.0 - 2 * identity.shared.shoe_height, 1.08), cap=False)


def arm_joints(identity: Identity, figure: Figure, side: int) -> tuple[Point, Point, Point]:
    """Shoulder, elbow and hand; an arm swings against its leg, an arm that carries hangs still."""
    shared, pose = identity.shared, figure.pose
    carries = shared.bag == "tote" and shared.bag_side == side
    swing = 0.0 if carries else -pose.arms * math.sin(pose.phase) * side
    shoulder = (side * 0.102 * shared.build * shared.shoulders, SHOULDER - 0.034, 0.0)
    out = shoulder[0] + side * 0.028
    elbow = (out, shoulder[1] - 0.155 * math.cos(swing), 0.155 * math.sin(swing))
    fore = swing + 0.25 + 0.4 * pose.arms * (not carries)
    hand = (out * 1.02, elbow[1] - 0.155 * math.cos(fore), elbow[2] + 0.155 * math.sin(fore))
    return shoulder, elbow, hand


def draw_arm(identity: Identity, figure: Figure, side: int, paint: Paint, shade: float) -> None:
    """One arm with its sleeve."""
    shared = identity.shared
    shoulder, elbow, hand = arm_joints(identity, figure, side)
    build = 0.45 + 0.55 * shared.build
    thick = 1.2 if shared.upper in ("jacket", "hoodie", "coat") else 1.0
    upper, fore = (0.036 * build, 0.03 * build), (0.028 * build, 0.02 * build)
    cloth = paint("accent" if shared.contrast_sleeves else "upper", shade * 0.93)
    figure.ellipse(hand, 0.021, 0.025, paint("skin", shade))
    figure.limb(elbow, hand, fore, paint("skin", shade))
    figure.limb(shoulder, elbow, upper, paint("skin", shade))
    if shared.sleeves == "none":
        return
    wide = (upper[0] * 1.1 * thick, upper[1] * 1.15 * thick)
    if shared.sleeves == "short":
        figure.limb(shoulder, elbow, (wide[0], wide[0] * 1.05), cloth, (0.0, 0.75), cap=False)
        figure.ellipse(shoulder, wide[0], wide[0], cloth)
    else:
        figure.limb(elbow, hand, (wide[1], fore[1] * 1.3 * thick), cloth, (0.0, 0.95), cap=False)
        figure.limb(shoulder, elbow, wide, cloth)
        figure.limb(elbow, hand, (wide[1], fore[1] * 1.3 * thick), paint("trim", shade), (0.86, 0.97), cap=False)
    if shared.pattern == "horizontal" and not shared.contrast_sleeves:
        for part in ((0.12, 0.34), (0.54, 0.74)):
            figure.limb(shoulder, elbow, wide, paint("accent", shade * 0.93), part, cap=False)
    if identity.infrared.strip == "arms" and paint.shows("strip"):
        figure.limb(shoulder, elbow, wide, paint("strip", shade), (0.42, 0.62), cap=False)
