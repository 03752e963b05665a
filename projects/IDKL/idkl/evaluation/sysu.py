"""SYSU-MM01's protocols: the official galleries (Wu et al., ICCV 2017), and those that AGW's code draws.

Query: all infrared test images (cameras 3, 6). Gallery: for every visible camera of the mode and every test identity
seen there, official: the first 1 (single-shot) or 10 (multi-shot) images of row t of the dataset's own permutation,
in trial t; ``agw``: one image drawn at random. Cameras 2 and 3 look at one place, so a camera-3 query ignores camera-2
images.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from datasets_ext.errors import UserError
from datasets_ext.sysu_mm01 import CAMERAS, INFRARED_CAMERAS
from datasets_ext.sysu_permutations import PERMUTATION_FILE, TRIALS, read_permutations

from .images import Images, check_test_identities, draw_gallery, split_file
from .protocol import PROTOCOLS, Protocol, Setting, Trial
from .ranking import IntArray

MODE_CAMERAS = {"all": (1, 2, 4, 5), "indoor": (1, 2)}
SHOTS = (1, 10)
_PATH = re.compile(r"cam([1-6])/([0-9]{1,9})/[^/]+")
_PERMUTATIONS = "exp", PERMUTATION_FILE

# Rows of the images by (camera, identity), in the order of their file names.
Groups = Mapping[tuple[int, int], IntArray]


def official(images: Images, folder: Path | None) -> list[Setting]:
    """All-search single-shot and multi-shot, then indoor-search single-shot and multi-shot; 10 trials each.

    Args:
        images: the test images, paths such as ``cam3/0006/0001.jpg``; pids and camids in any numbering.
        folder: the dataset's folder, with ``exp/rand_perm_cam.mat``, or a folder with that file itself.

    Raises:
        UserError: a path, a label or a split file does not fit; the message names which.
    """
    cameras, groups = _read(images, folder)
    # Of a camera that has no image of an identity, too: the file must say the same.
    identities = {identity for _, identity in groups}
    counts = {key: len(groups.get(key, ())) for key in itertools.product(CAMERAS, identities)}
    return from_permutations(cameras, groups, read_permutations(split_file(folder, *_PERMUTATIONS), counts))


def from_permutations(
    cameras: IntArray, groups: Groups, permutations: Mapping[tuple[int, int], IntArray]
) -> list[Setting]:
    """The official settings, given every image's camera int64[N] and its group's permutations int64[10, n]."""
    settings = []
    for mode, mode_cameras in MODE_CAMERAS.items():
        chosen = sorted(key for key in groups if key[0] in mode_cameras)
        for shots in SHOTS:
            galleries = [
                np.concatenate([groups[key][permutations[key][t, :shots] - 1] for key in chosen]) for t in range(TRIALS)
            ]
            settings.append(_setting(cameras, mode, shots, "official", galleries))
    return settings


def agw(images: Images, folder: Path | None) -> list[Setting]:
    """All-search and indoor-search, single-shot, 10 trials; arguments and errors as for :func:`official`."""
    cameras, groups = _read(images, folder)
    identities = sorted({identity for _, identity in groups})
    return [
        _setting(
            cameras,
            mode,
            1,
            "agw",
            [draw_gallery(groups, identities, mode_cameras, t) for t in range(TRIALS)],
        )
        for mode, mode_cameras in MODE_CAMERAS.items()
    ]


def _read(images: Images, folder: Path | None) -> tuple[IntArray, Groups]:
    """Camera int64[N] of every image, and the groups; what does not fit is refused."""
    named = np.array([(int(m[1]), int(m[2])) for m in images.parse(_PATH, "cam3/0006/0001.jpg")]).reshape(-1, 2)
    cameras, identities = named.T
    images.check("pid", identities)
    images.check("camid", cameras)
    if not np.isin(cameras, INFRARED_CAMERAS).any():
        raise UserError("no infrared test image (cam3, cam6) among the paths; SYSU-MM01 needs them as queries")
    for mode, mode_cameras in MODE_CAMERAS.items():
        if not np.isin(cameras, mode_cameras).any():
            raise UserError(f"no visible test image of cameras {mode_cameras}, so no gallery for mode {mode}")
    check_test_identities(set(identities.tolist()), folder, "exp")
    return cameras, images.group(map(tuple, named.tolist()))


def _setting(cameras: IntArray, mode: str, shots: int, gallery: str, galleries: list[IntArray]) -> Setting:
    query = np.flatnonzero(np.isin(cameras, INFRARED_CAMERAS))
    ignore = np.where(cameras == 3, 2, -1), cameras  # the camera whose images a query ignores
    trials = tuple(Trial(query, rows) for rows in galleries)
    return Setting("sysu", mode, shots, "infrared-to-visible", gallery, True, ignore, trials)


PROTOCOLS["sysu"] = Protocol("sysu", "SYSU_MM01", {"official": official, "agw": agw}, {"official": _PERMUTATIONS})
