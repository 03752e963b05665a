"""A person in space and the projection onto the crop: camera view, walking pose, and shapes drawn between 3-D points.

Body coordinates, in units of the body height: x to the person's left, y up from the ground, z forward.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from datasets_ext.generated.paint import RGBA

Point = tuple[float, float, float]
Pixel = tuple[float, float]


@dataclass(frozen=True)
class Pose:
    """One moment of a walk seen by one camera."""

    yaw: float  # radians; 0 faces the camera, pi shows the back
    phase: float  # radians of the walking cycle
    stride: float  # swing of the thighs, radians
    arms: float  # swing of the arms, radians
    lean: float  # sideways shear
    nod: float  # forward offset of the head


def sample_pose(rng: np.random.Generator) -> Pose:
    """Mostly front, back and side views, walking or standing."""
    facing = (0.0, math.pi, math.pi / 2, -math.pi / 2)[int(rng.choice(4, p=(0.42, 0.3, 0.14, 0.14)))]
    walking = rng.random() < 0.75
    stride = float(rng.uniform(0.2, 0.5)) if walking else float(rng.uniform(0.0, 0.08))
    return Pose(
        yaw=facing + float(rng.normal(0, 0.22)),
        phase=float(rng.uniform(0, 2 * math.pi)),
        stride=stride,
        arms=stride * float(rng.uniform(0.6, 1.2)),
        lean=float(rng.normal(0, 0.02)),
        nod=float(rng.uniform(0.0, 0.03)),
    )


class Figure:
    """A transparent canvas with a camera: every method draws one shape given in body coordinates.

    ``height`` is the body height in pixels, ``(center, ground)`` the pixel between the feet and ``elevation`` how much
    lower in the image a point appears that is nearer to the camera.
    """

    def __init__(
        self, size: tuple[int, int], pose: Pose, height: float, center: float, ground: float, elevation: float
    ) -> None:
        self.image = Image.new("RGBA", size)
        self.draw = ImageDraw.Draw(self.image)
        self.pose, self.height, self.center, self.ground, self.elevation = pose, height, center, ground, elevation
        self._cos, self._sin = math.cos(pose.yaw), math.sin(pose.yaw)

    def depth(self, point: Point) -> float:
        """How much nearer to the camera than the body's axis."""
        return point[2] * self._cos - point[0] * self._sin

    def pixel(self, point: Point) -> Pixel:
        x, y, z = point
        across = x * self._cos + z * self._sin + self.pose.lean * y
        down = self.elevation * self.depth(point) - y
        return self.center + self.height * across, self.ground + self.height * down

    def polygon(self, points: Sequence[Point], fill: RGBA) -> None:
        self.draw.polygon([self.pixel(point) for point in points], fill)

    def ellipse(self, center: Point, radius_x: float, radius_y: float, fill: RGBA) -> None:
        """An ellipse that always faces the camera."""
        x, y = self.pixel(center)
        a, b = max(radius_x * self.height, 0.5), max(radius_y * self.height, 0.5)
        self.draw.ellipse((x - a, y - b, x + a, y + b), fill)

    def line(self, points: Sequence[Point], width: float, fill: RGBA) -> None:
        pixels = [self.pixel(point) for point in points]
        self.draw.line(pixels, fill, max(1, round(width * self.height)), joint="curve")

    def box(self, center: Point, half: Point, fill: RGBA) -> None:
        """An upright box with rounded corners; ``half`` its half sizes along x, y, z."""
        x, y = self.pixel(center)
        a = self.height * math.hypot(half[0] * self._cos, half[2] * self._sin)
        b = self.height * half[1]
        self.draw.rounded_rectangle((x - a, y - b, x + a, y + b), 0.35 * min(a, b), fill)

    def limb(
        self,
        start: Point,
        end: Point,
        radii: tuple[float, float],
        fill: RGBA,
        part: tuple[float, float] = (0.0, 1.0),
        cap: bool = True,
    ) -> None:
        """A tapered limb, or the ``part`` of it between two fractions of its length; ``cap`` rounds its ends."""
        (x0, y0), (x1, y1) = self.pixel(start), self.pixel(end)
        dx, dy = x1 - x0, y1 - y0
        length = math.hypot(dx, dy) or 1.0
        nx, ny = -dy / length, dx / length
        ends = []
        for fraction in part:
            radius = self.height * (radii[0] + (radii[1] - radii[0]) * fraction)
            ends.append((x0 + dx * fraction, y0 + dy * fraction, radius))
        (ax, ay, ar), (bx, by, br) = ends
        corners = [
            (ax + nx * ar, ay + ny * ar),
            (bx + nx * br, by + ny * br),
            (bx - nx * br, by - ny * br),
            (ax - nx * ar, ay - ny * ar),
        ]
        self.draw.polygon(corners, fill)
        if cap:
            for x, y, radius in ends:
                self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill)


class Tube:
    """A garment around the body's axis: ellipses of half axes (x, z) at descending heights.

    ``levels`` are rows of (height, half width, half depth). A place on the cloth is an azimuth (0 front, positive to
    the person's left) and a height.
    """

    def __init__(self, figure: Figure, levels: Sequence[tuple[float, float, float]]) -> None:
        self.figure = figure
        self._levels = np.asarray(sorted(levels))
        self.top, self.bottom = float(self._levels[-1, 0]), float(self._levels[0, 0])

    def at(self, fraction: float) -> float:
        """The height at a fraction of the way from top (0) to bottom (1)."""
        return self.top + (self.bottom - self.top) * fraction

    def axes(self, height: float) -> tuple[float, float]:
        rows = self._levels
        return float(np.interp(height, rows[:, 0], rows[:, 1])), float(np.interp(height, rows[:, 0], rows[:, 2]))

    def point(self, azimuth: float, height: float) -> Point:
        a, b = self.axes(height)
        return a * math.sin(azimuth), height, b * math.cos(azimuth)

    def facing(self, azimuth: float) -> float:
        """1 where the cloth looks at the camera, 0 at the silhouette, below 0 behind."""
        return math.cos(azimuth + self.figure.pose.yaw)

    def _silhouette(self, height: float) -> tuple[Point, Point]:
        """The two points where the outline passes at ``height``, in the plane through the axis facing the camera."""
        a, b = self.axes(height)
        cos, sin = math.cos(self.figure.pose.yaw), math.sin(self.figure.pose.yaw)
        reach = math.hypot(a * cos, b * sin)
        return (-reach * cos, height, -reach * sin), (reach * cos, height, reach * sin)

    def band(self, top: float, bottom: float, fill: RGBA) -> None:
        """Fill all visible cloth between two heights."""
        inner = [float(h) for h in self._levels[::-1, 0] if bottom < h < top]
        edges = [self._silhouette(height) for height in (top, *inner, bottom)]
        self.figure.polygon([left for left, _ in edges] + [right for _, right in reversed(edges)], fill)

    def patch(self, azimuth: float, half: float, top: float, bottom: float, fill: RGBA) -> None:
        """Fill the visible part of the cloth within ``half`` radians of ``azimuth`` and between two heights."""
        yaw = self.figure.pose.yaw
        middle = math.remainder(azimuth + yaw, 2 * math.pi)
        first, last = max(middle - half, -math.pi / 2), min(middle + half, math.pi / 2)
        if first >= last:
            return
        heights = [top, *(float(h) for h in self._levels[::-1, 0] if bottom < h < top), bottom]
        side = [self.point(first - yaw, height) for height in heights]
        other = [self.point(last - yaw, height) for height in reversed(heights)]
        self.figure.polygon(side + other, fill)

    def shape(self, azimuth: float, center: float, outline: Sequence[Pixel], fill: RGBA) -> None:
        """A polygon printed on the cloth: ``outline`` in body units around (azimuth, center); nothing if behind."""
        if self.facing(azimuth) < 0.2:
            return
        a, b = self.axes(center)
        radius = math.hypot(a * math.cos(azimuth), b * math.sin(azimuth))
        points = [self.point(azimuth + u / radius, center + v) for u, v in outline]
        self.figure.polygon(points, fill)
