"""Brightness of colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RGB = tuple[float, float, float]


def luma(color: Sequence[float] | np.ndarray) -> float:
    """Brightness of an RGB colour in 0..1 (ITU-R BT.601 weights)."""
    return 0.299 * float(color[0]) + 0.587 * float(color[1]) + 0.114 * float(color[2])


def at_luma(color: Sequence[float] | np.ndarray, target: float) -> RGB:
    """``color`` mixed with black or with white until its brightness is ``target``."""
    hue, level = np.asarray(color), luma(color)
    mixed = hue * (target / level) if target < level else 1 - (1 - hue) * ((1 - target) / (1 - level))
    return float(mixed[0]), float(mixed[1]), float(mixed[2])
