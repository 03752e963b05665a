"""Permutation files in the structure of SYSU-MM01's own, for any number of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io


def make_cells(counts: Mapping[tuple[int, int], int], identities: int) -> Any:
    """Random permutations of 1..n, n = ``counts[camera, identity]`` or 0, in the structure of the official file."""
    rng = np.random.default_rng(0)
    cells = np.empty((6, 1), dtype=object)
    for camera in range(1, 7):
        cells[camera - 1, 0] = np.empty((identities, 1), dtype=object)
        for pid in range(1, identities + 1):
            count = counts.get((camera, pid), 0)
            rows = [rng.permutation(count) + 1 for _ in range(10)]
            cells[camera - 1, 0][pid - 1, 0] = np.array(rows, dtype=np.uint8).reshape(10, count)
    return cells


def write_cells(root: Path, cells: Any, key: str = "rand_perm_cam") -> Path:
    """Write ``root/exp/rand_perm_cam.mat``; its path."""
    (root / "exp").mkdir(exist_ok=True)
    scipy.io.savemat(root / "exp" / "rand_perm_cam.mat", {key: cells})
    return root / "exp" / "rand_perm_cam.mat"
