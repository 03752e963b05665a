"""Procedurally drawn people, visible and infrared, in the layouts of real data sets."""

from __future__ import annotations

from datasets_ext.generated.identity import CueStrength
from datasets_ext.generated.sysu import generate_sysu

LAYOUTS = {"sysu": generate_sysu}  # one line for each layout; a value is called like generate_sysu

__all__ = ["LAYOUTS", "CueStrength", "generate_sysu"]
