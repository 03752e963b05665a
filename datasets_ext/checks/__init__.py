"""Whether a copy of a dataset is what it should be: folders, split files, counts and every image."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from datasets_ext.cross_modality import CrossModalityImageDataset
from datasets_ext.generated.folder import COMPLETE, PARTIAL
from datasets_ext.llcm import LLCM
from datasets_ext.regdb import RegDB
from datasets_ext.sysu_mm01 import SYSU_MM01

from .findings import Finding, Level, Report
from .llcm import check_llcm
from .regdb import check_regdb
from .sysu import check_sysu


@dataclass(frozen=True)
class DatasetCheck:
    """How a dataset is checked: ``findings(root, generated)``; ``layout`` is its name in tools/generate_dataset.py."""

    dataset: type[CrossModalityImageDataset]
    layout: str
    findings: Callable[[Path, bool], Iterator[Finding]]


CHECKS = {  # one line for each dataset
    "SYSU_MM01": DatasetCheck(SYSU_MM01, "sysu", check_sysu),
    "RegDB": DatasetCheck(RegDB, "regdb", check_regdb),
    "LLCM": DatasetCheck(LLCM, "llcm", check_llcm),
}


def check_dataset(name: str, root: Path) -> Report:
    """Check the folder ``root`` as a copy of the dataset ``name``, a key of ``CHECKS``. Changes nothing there."""
    check = CHECKS[name]
    origin = _origin_finding(root, check.layout)
    generated = origin.level == Level.NOTE
    return Report(name, str(root), generated, (origin, *check.findings(root, generated)))


def _origin_finding(root: Path, layout: str) -> Finding:
    """What the folder says of itself: a note if it says that it was generated, in full and in this layout."""
    what, expected = "origin", "published images"
    if (root / PARTIAL).exists():
        advice = f"run tools/generate_dataset.py again with the parameters in {PARTIAL}"
        return Finding(what, expected, "generated, not finished", Level.PROBLEM, advice)
    if not (root / COMPLETE).exists():
        return Finding(what, expected, f"no {COMPLETE}")
    try:
        parameters = json.loads((root / COMPLETE).read_text(encoding="utf-8"))
        found = f"generated, layout {parameters['layout']}, {parameters['ids']} identities"
    except (OSError, ValueError, TypeError, KeyError):
        return Finding(what, expected, f"a damaged {COMPLETE}", Level.PROBLEM, "generate the data again")
    if parameters["layout"] != layout:
        return Finding(what, expected, found, Level.PROBLEM, "give the --dataset whose layout it has")
    return Finding(what, expected, found, Level.NOTE, "nothing: for trying things out, its results compare with none")


__all__ = ["CHECKS", "DatasetCheck", "Finding", "Level", "Report", "check_dataset"]
