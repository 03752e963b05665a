"""Made-up test sets: paths in the layouts of the datasets, rows in no particular order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from idkl.evaluation import Images
from tests.idkl.evaluation import naive
from tests.permutations import make_cells

# Images of every (camera, identity); identity 4 is missing in camera 1, identity 9 seen by cameras 5 and 6 only.
SYSU = {
    **{(camera, 2): n for camera, n in zip(range(1, 7), (12, 3, 8, 11, 1, 5), strict=True)},
    **{(camera, 4): n for camera, n in zip(range(2, 7), (15, 2, 2, 10, 3), strict=True)},
    (5, 9): 4,
    (6, 9): 2,
}
SYSU_IDENTITIES = 9


def shuffled(paths: Sequence[str], seed: int = 1) -> list[str]:
    return [paths[i] for i in np.random.default_rng(seed).permutation(len(paths))]


def sysu_paths(counts: Mapping[tuple[int, int], int] = SYSU) -> list[str]:
    """The k-th image of a folder is named k, so an entry of its permutation is a file name."""
    return shuffled([f"cam{c}/{p:04d}/{k + 1:04d}.jpg" for (c, p), n in counts.items() for k in range(n)])


def sysu_permutations(counts: Mapping[tuple[int, int], int] = SYSU, identities: int = SYSU_IDENTITIES) -> Any:
    """What ``make_cells`` puts into the file, by (camera, identity)."""
    cells = make_cells(counts, identities)
    return {(camera, pid): cells[camera - 1, 0][pid - 1, 0] for camera, pid in counts}


def llcm_paths(identities: Sequence[int] = (3, 7, 20, 351), most: int = 2, seed: int = 3) -> list[str]:
    """Up to ``most`` images of each identity, camera and modality; names that sort otherwise than their numbers."""
    rng = np.random.default_rng(seed)
    paths = []
    for _, _, side, cameras in naive.LLCM_DIRECTIONS:
        for camera in cameras:
            for pid in identities:
                names = rng.choice(2000, rng.integers(0, most + 1), replace=False)
                paths += [f"{side}/cam{camera}/{pid:04d}/{pid:04d}_c{camera:02d}_f{name}.jpg" for name in names]
    return shuffled(paths)


def regdb_paths(identities: int = 7, each: int = 4) -> list[str]:
    sides = (("Visible", "v"), ("Thermal", "t"))
    return shuffled(
        [f"{s}/{p + 1}/male_back_{x}_{k}.bmp" for s, x in sides for p in range(identities) for k in range(each)]
    )


def images(paths: Sequence[str]) -> Images:
    """Identities and cameras by their folders; RegDB's as its lists and its dataset class number them."""
    if paths[0].startswith(("Visible", "Thermal")):
        labels = [(int(path.split("/")[1]) - 1, 1 if path.startswith("Visible") else 2) for path in paths]
    else:
        labels = [(naive.labels_of(path).identity, naive.labels_of(path).camera) for path in paths]
    pids, camids = np.array(labels).T
    return Images(paths, pids, camids)
