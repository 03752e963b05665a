"""Who sees a cue: how far the cues of a person are those of one modality alone.

Half way, at 0.5, the groups of :mod:`.identity` hold. Towards 0 more and more of the colours' brightnesses and of the
infrared marks are seen by both modalities; towards 1 more and more shared cues by one only, for each person another.
A hue stays invisible to an infrared camera, and the body and the cut of the garments stay visible to all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from datasets_ext.generated.color import luma
from datasets_ext.generated.identity import Identity, Sight

AS_DESCRIBED = 0.5
MARKS = ("trim", "strip", "weave", "patterns")  # patterns: only a thermal camera does not see them by itself
REFLECTANCES = ("skin", "hair", "upper", "lower", "shoes", "bag", "scarf")
# Shared cues that can be left out of one modality's images, and what everybody looks like without them.
REMOVABLE: dict[str, dict[str, Any]] = {
    "hair": {"hair": "short"},
    "pattern": {"pattern": "plain", "contrast_sleeves": False},
    "lower_pattern": {"lower_pattern": "plain"},
    "bag": {"bag": "none"},
    "scarf": {"scarf": False},
}


def draw_sight(rng: np.random.Generator, specific: float) -> Sight:
    """Each cue crosses over with a probability that grows with the distance of ``specific`` (0..1) from one half."""
    common = {cue for cue in (*REFLECTANCES, *MARKS) if rng.random() < 1 - specific / AS_DESCRIBED}
    single = {cue for cue in REMOVABLE if rng.random() < specific / AS_DESCRIBED - 1}
    visible = {cue for cue in REMOVABLE if rng.random() < 0.5}
    return Sight(frozenset(common), frozenset(single & visible), frozenset(single - visible))


def as_seen(identity: Identity, infrared: bool) -> Identity:
    """The person as a camera of one modality shows it: without the cues that it misses, with the brightness of colours
    in place of the reflectances that are seen by both."""
    sight = identity.sight
    missed = sight.only_visible if infrared else sight.only_infrared
    looks = {name: value for cue in sorted(missed) for name, value in REMOVABLE[cue].items()}
    own = {cue for cue in REFLECTANCES if cue in sight.common and hasattr(identity.infrared, cue)}
    levels: dict[str, Any] = {cue: luma(getattr(identity.color, cue)) for cue in own}
    if "lower" in own:  # the weave steps towards the middle
        levels["weave_step"] = abs(identity.infrared.weave_step) * (1 if levels["lower"] < 0.5 else -1)
    return replace(identity, shared=replace(identity.shared, **looks), infrared=replace(identity.infrared, **levels))
