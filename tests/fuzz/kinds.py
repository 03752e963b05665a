"""All kinds of files that the project reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .array_kinds import array_kinds
from .dataset_kinds import dataset_kinds
from .image_kinds import image_kinds
from .kind import Kind
from .run_kinds import run_kinds

FAMILIES = (dataset_kinds, array_kinds, image_kinds, run_kinds)


def make_kinds(folder: Path) -> list[Kind]:
    """A sample of each kind in ``folder``."""
    kinds = []
    for family in FAMILIES:
        own = folder / family.__name__
        own.mkdir()
        kinds += family(own)
    return kinds


def other_contents(kinds: Sequence[Kind], kind: Kind) -> list[bytes]:
    """A file of each kind that ``kind`` does not read, to take the place of its own."""
    format_ = kind.name.partition(",")[0]
    return [other.files[0].read_bytes() for other in kinds if other.name.partition(",")[0] != format_]
