"""One kind of file that the project reads: an undamaged sample, how it is read, and what a wrong load is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch


def never(value: Any, path: Path) -> bool:
    """A checksum tells: other data must not load."""
    return False


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: as the table shows it.
        files: of the sample, each to be damaged in its turn.
        read: gives the data by the product's own entry point; it may write to the files.
        says: whether data other than the sample's are what the damaged file ``path`` says, as far as its format can
            tell. By default it never is: there is a checksum.
    """

    name: str
    files: list[Path]
    read: Callable[[], Any]
    says: Callable[[Any, Path], bool] = never


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal, bit by bit where they are numbers."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and same(a.numpy(), b.numpy())
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b) or (a != a and b != b)
