"""Procedurally drawn people, visible and infrared, in the layouts of real data sets."""

from __future__ import annotations

from datasets_ext.generated.identity import CueStrength
from datasets_ext.generated.llcm import generate_llcm
from datasets_ext.generated.regdb import generate_regdb
from datasets_ext.generated.sysu import generate_sysu

LAYOUTS = {  # one line for each layout; all are called alike
    "sysu": generate_sysu,
    "regdb": generate_regdb,
    "llcm": generate_llcm,
}

__all__ = ["LAYOUTS", "CueStrength", "generate_llcm", "generate_regdb", "generate_sysu"]
