"""The brightness of every surface of a person, as a visible, a near-infrared or a thermal camera sees it.

The drawing code asks for surfaces by name and never knows the band of light; this file is the only place where the
colour-only and the infrared-only cues part.
"""

from __future__ import annotations

from dataclasses import dataclass

from datasets_ext.generated.color import RGB, at_luma, luma
from datasets_ext.generated.identity import Identity

RGBA = tuple[int, int, int, int]

# Brightness of pigments in either light: titanium white and carbon black look alike in visible and near-infrared.
LIGHT, DARK = 0.88, 0.1
# Difference of brightness of a thermal cue that is meant to be seen.
CLEAR = 0.3


@dataclass(frozen=True)
class Paint:
    """Surface name to RGB in 0..1 (three equal values in infrared)."""

    surfaces: dict[str, RGB]

    def shows(self, surface: str) -> bool:
        """Whether this modality sees ``surface`` at all."""
        return surface in self.surfaces

    def __call__(self, surface: str, shade: float = 1.0) -> RGBA:
        """The opaque 8-bit fill of ``surface``, darkened (< 1) or lightened (> 1) by ``shade``."""
        red, green, blue = (round(255 * min(channel * shade, 1.0)) for channel in self.surfaces[surface])
        return red, green, blue, 255


def _pigments(identity: Identity) -> tuple[tuple[float, float], tuple[float, float]]:
    """Brightness of the body and the edge of the upper garment's pattern, and of the lower one's."""
    shared = identity.shared
    return (
        (LIGHT, DARK) if shared.light_pattern else (DARK, LIGHT),
        (LIGHT, DARK) if shared.light_lower_pattern else (DARK, LIGHT),
    )


def visible_paint(identity: Identity) -> Paint:
    """Colours; the reflective strip and the weave show only where both modalities see them."""
    color, common = identity.color, identity.sight.common
    pattern, lower_pattern = _pigments(identity)
    weave = min(max(luma(color.lower) + identity.infrared.weave_step, 0.02), 0.98)
    marks = {"strip": (1.0, 1.0, 1.0), "weave": at_luma(color.lower, weave)}
    return Paint(
        {
            **{mark: fill for mark, fill in marks.items() if mark in common},
            "skin": color.skin,
            "hair": color.hair,
            "eyes": (0.1, 0.08, 0.08),
            "upper": color.upper,
            "accent": at_luma(color.accent, pattern[0]),
            "accent_edge": at_luma(color.accent, pattern[1]),
            "trim": color.trim,
            "lower": color.lower,
            "stripe": at_luma(color.stripe, lower_pattern[0]),
            "stripe_edge": at_luma(color.stripe, lower_pattern[1]),
            "shoes": color.shoes,
            "bag": color.bag,
            "scarf": color.scarf,
        }
    )


def infrared_paint(identity: Identity) -> Paint:
    """Reflectances; the trim's colour does not show, and skin is bright whatever its tone."""
    infrared, common = identity.infrared, identity.sight.common
    pattern, lower_pattern = _pigments(identity)
    levels = {
        "skin": luma(identity.color.skin) if "skin" in common else 0.74,
        "hair": infrared.hair,
        "eyes": 0.12,
        "upper": infrared.upper,
        "accent": pattern[0],
        "accent_edge": pattern[1],
        "trim": luma(identity.color.trim) if "trim" in common else infrared.upper,
        "lower": infrared.lower,
        "stripe": lower_pattern[0],
        "stripe_edge": lower_pattern[1],
        "weave": infrared.lower + infrared.weave_step,
        "strip": 1.0,
        "shoes": infrared.shoes,
        "bag": infrared.bag,
        "scarf": infrared.scarf,
    }
    return _gray(levels)


# Brightness of a garment's surface, the warmer the thinner or the closer to the body.
_UPPER_WARMTH = {
    "coat": 0.54,
    "jacket": 0.57,
    "hoodie": 0.6,
    "dress": 0.67,
    "shirt": 0.67,
    "vest": 0.72,
    "tshirt": 0.72,
}
_LOWER_WARMTH = {"long_skirt": 0.5, "wide": 0.54, "skirt": 0.55, "trousers": 0.6, "shorts": 0.6, "leggings": 0.68}


def thermal_paint(identity: Identity) -> Paint:
    """Temperatures: bare skin is warmest, cloth by its thickness, what is carried or worn loose is cold.

    Of patterns only the thickness of the print remains, of the infrared cues only a little: how the cloth insulates.
    What both modalities see is clear here, too; strip and weave show only then, a cold strip and a thin weave.
    """
    shared, infrared, common = identity.shared, identity.infrared, identity.sight.common

    def insulation(cue: str) -> float:
        return (CLEAR if cue in common else 0.1) * (getattr(infrared, cue) - 0.5)

    printed = CLEAR if "patterns" in common else 0.03
    pattern, lower_pattern = ([printed * (level - 0.5) for level in pair] for pair in _pigments(identity))
    upper = _UPPER_WARMTH[shared.upper] + insulation("upper")
    lower = _LOWER_WARMTH[shared.lower] + insulation("lower")
    marks = {"strip": 0.25, "weave": lower + infrared.weave_step}
    return _gray(
        {
            **{mark: level for mark, level in marks.items() if mark in common},
            "skin": 0.94,
            "hair": 0.4 + 0.4 * infrared.hair,
            "eyes": 0.86,
            "upper": upper,
            "accent": upper + pattern[0],
            "accent_edge": upper + pattern[1],
            "trim": upper + (CLEAR * (luma(identity.color.trim) - 0.5) if "trim" in common else 0.0),
            "lower": lower,
            "stripe": lower + lower_pattern[0],
            "stripe_edge": lower + lower_pattern[1],
            "shoes": 0.45 + insulation("shoes"),
            "bag": 0.32 + insulation("bag"),
            "scarf": 0.47 + insulation("scarf"),
        }
    )


def _gray(levels: dict[str, float]) -> Paint:
    return Paint({name: (level, level, level) for name, level in levels.items()})
