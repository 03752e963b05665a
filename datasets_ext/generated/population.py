"""The population that generated people are drawn from: how often each cue takes which value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from datasets_ext.generated.color import RGB, at_luma, luma
from datasets_ext.generated.identity import (
    BAGS,
    HAIR,
    LOWER_PATTERNS,
    LOWERS,
    PATTERNS,
    PRINTS,
    STRIPS,
    UPPERS,
    WEAVES,
    ColorCues,
    CueStrength,
    Identity,
    InfraredCues,
    SharedCues,
)
from datasets_ext.generated.sight import draw_sight

# Least differences of brightness, in either modality: they make the shared geometry visible in both.
BAG_CONTRAST, GARMENT_CONTRAST = 0.22, 0.12


class _Draw:
    """Random draws pulled towards the population's common value by ``1 - strength``.

    The number of random numbers used does not depend on the strength, so a person keeps the same other cues.
    """

    def __init__(self, rng: np.random.Generator, strength: float) -> None:
        self.rng = rng
        self.strength = strength

    def uniform(self, low: float, high: float) -> float:
        middle = (low + high) / 2
        return middle + self.strength * (float(self.rng.uniform(low, high)) - middle)

    def pick(self, options: Sequence[str], weights: Sequence[float] | None = None) -> str:
        """One of ``options``; the first is the common value."""
        total = None if weights is None else np.asarray(weights) / sum(weights)
        index = int(self.rng.choice(len(options), p=total))
        return options[index] if self.rng.random() < self.strength else options[0]

    def flag(self, probability: float) -> bool:
        return bool(self.rng.random() < probability * self.strength)

    def color(self, palette: Sequence[RGB]) -> np.ndarray:
        """A jittered colour of ``palette``, as an array of 3."""
        color = np.asarray(palette[int(self.rng.integers(len(palette)))]) + self.rng.normal(0, 0.035, 3)
        common = np.mean(palette, axis=0)
        pulled: np.ndarray = np.clip(common + self.strength * (color - common), 0.02, 0.98)
        return pulled

    def contrast(self, base: float, least: float, low: float = 0.08, high: float = 0.95) -> float:
        """A value in low..high at least ``least`` away from ``base``, above or below it."""
        below, above = max(base - least - low, 0.0), max(high - base - least, 0.0)
        place = self.uniform(0, below + above)
        return low + place if place < below else base + least + (place - below)


SKIN: tuple[RGB, ...] = ((0.91, 0.75, 0.65), (0.85, 0.66, 0.52), (0.73, 0.53, 0.39), (0.50, 0.34, 0.24))
HAIR_COLORS: tuple[RGB, ...] = ((0.10, 0.08, 0.07), (0.24, 0.15, 0.09), (0.45, 0.30, 0.17), (0.75, 0.60, 0.35))
CLOTHES: tuple[RGB, ...] = (
    (0.09, 0.09, 0.10),
    (0.93, 0.93, 0.91),
    (0.50, 0.51, 0.53),
    (0.12, 0.17, 0.36),
    (0.30, 0.46, 0.72),
    (0.75, 0.12, 0.14),
    (0.16, 0.42, 0.24),
    (0.88, 0.74, 0.22),
    (0.86, 0.45, 0.15),
    (0.48, 0.20, 0.48),
    (0.92, 0.62, 0.70),
    (0.45, 0.31, 0.20),
    (0.80, 0.72, 0.56),
    (0.15, 0.58, 0.60),
)


def _shared(draw: _Draw) -> SharedCues:
    upper = draw.pick(UPPERS, (5, 2, 4, 3, 4, 3.5, 3))
    sleeves = {"tshirt": "short", "dress": draw.pick(("short", "none")), "vest": "none"}.get(upper, "long")
    pattern = draw.pick(PATTERNS, (2, 4, 2.5, 2, 4, 2.5, 2))
    return SharedCues(
        build=draw.uniform(0.75, 1.4),
        shoulders=draw.uniform(0.9, 1.14),
        leg_length=draw.uniform(0.45, 0.52),
        head=draw.uniform(0.92, 1.15),
        hair=draw.pick(HAIR, (3, 4, 3, 3, 3, 3, 2, 3, 3)),
        upper=upper,
        sleeves=sleeves,
        contrast_sleeves=draw.flag(0.25) and upper not in ("vest", "coat"),
        pattern="plain" if upper == "jacket" else pattern,
        light_pattern=draw.flag(0.5),
        pattern_count=int(draw.pick(("3", "2", "4", "5"))),
        print_shape=draw.pick(PRINTS),
        print_on_back=draw.flag(0.6),
        lower=draw.pick(LOWERS, (4, 4, 3, 4, 3, 3)),
        lower_pattern=draw.pick(LOWER_PATTERNS, (5, 2, 1.5, 1.5)),
        light_lower_pattern=draw.flag(0.5),
        shoe_height=draw.uniform(0.0, 0.05) + 0.1 * draw.flag(0.3),
        bag=draw.pick(BAGS, (4, 5, 3, 3, 1.5)),
        bag_side=1 if draw.flag(0.5) else -1,
        bag_size=draw.uniform(0.9, 1.5),
        scarf=draw.flag(0.15),
    )


def _color(draw: _Draw) -> ColorCues:
    upper = draw.color(CLOTHES)

    def over(least: float) -> RGB:
        """A colour whose brightness differs from the upper garment's."""
        return at_luma(draw.color(CLOTHES), draw.contrast(luma(upper), least))

    return ColorCues(
        skin=_rgb(draw.color(SKIN)),
        hair=_rgb(draw.color(HAIR_COLORS)),
        upper=_rgb(upper),
        accent=_rgb(draw.color(CLOTHES)),
        lower=over(GARMENT_CONTRAST),
        stripe=_rgb(draw.color(CLOTHES)),
        shoes=_rgb(draw.color(CLOTHES[:3] + CLOTHES[-3:])),
        bag=over(BAG_CONTRAST),
        scarf=_rgb(draw.color(CLOTHES)),
        trim=_rgb(draw.color(CLOTHES)),
    )


def _infrared(draw: _Draw) -> InfraredCues:
    upper = draw.uniform(0.14, 0.9)
    lower = draw.contrast(upper, GARMENT_CONTRAST, 0.14, 0.9)
    return InfraredCues(
        hair=draw.uniform(0.12, 0.3),
        upper=upper,
        lower=lower,
        shoes=draw.uniform(0.1, 0.7),
        bag=draw.contrast(upper, BAG_CONTRAST),
        scarf=draw.uniform(0.15, 0.9),
        strip=draw.pick(STRIPS, (5, 1.2, 1, 1.2)),
        weave=draw.pick(WEAVES, (4, 1.5, 1.5)),
        weave_step=0.16 if lower < 0.5 else -0.16,
    )


def _rgb(color: np.ndarray) -> RGB:
    return float(color[0]), float(color[1]), float(color[2])


def sample_identity(seed: int, pid: int, strength: CueStrength) -> Identity:
    """The person number ``pid`` of the data set ``seed``; each cue group has its own random stream."""
    streams = [np.random.default_rng([seed, pid, group]) for group in range(3)]
    return Identity(
        _shared(_Draw(streams[0], strength.shared)),
        _color(_Draw(streams[1], strength.color)),
        _infrared(_Draw(streams[2], strength.infrared)),
        draw_sight(np.random.default_rng([seed, pid, 10]), strength.specific),
    )
