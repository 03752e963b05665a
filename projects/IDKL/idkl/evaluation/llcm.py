"""LLCM's protocols (Zhang and Wang, CVPR 2023): both directions, on drawn galleries or on all images.

``agw``: in each of ten trials the gallery side draws one image of every identity and camera; a gallery image of the
query's own identity and camera number is ignored. ``full``: all images of the gallery side, one trial, nothing ignored,
as the IDKL authors' code does. CMC counts each gallery identity once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datasets_ext.errors import UserError
from datasets_ext.llcm import INFRARED_CAMERAS, VISIBLE_CAMERAS

from .images import Images, check_test_identities, draw_gallery
from .protocol import PROTOCOLS, Protocol, Setting, Trial
from .ranking import IntArray

CAMERAS = {"vis": VISIBLE_CAMERAS, "nir": INFRARED_CAMERAS}
DIRECTIONS = {"visible-to-infrared": ("vis", "nir"), "infrared-to-visible": ("nir", "vis")}
TRIALS = 10
_PATH = re.compile(r"test_(vis|nir)/cam([1-9])(?<!nir/cam3)/([0-9]{1,9})/[^/]+")  # camera 3 sees visible light only


# Modality side, camera number and identity of an image.
Label = tuple[str, int, int]


def agw(images: Images, folder: Path | None) -> list[Setting]:
    """Visible to infrared, then infrared to visible, 10 trials each.

    Args:
        images: the test images, paths such as ``test_vis/cam1/0006/name.jpg``; pids and camids in any numbering.
        folder: the dataset's folder or its ``idx``, or None; the identities must be in ``test_id.txt`` if it is there.

    Raises:
        UserError: a path or a label does not fit, or a modality has no image.
    """
    labels = _read(images, folder)
    groups = images.group(labels)
    key = np.array([(identity << 8) + camera for _, camera, identity in labels])
    settings = []
    for direction, (query_side, gallery_side) in DIRECTIONS.items():
        drawn_from = {(camera, pid): rows for (side, camera, pid), rows in groups.items() if side == gallery_side}
        identities = sorted({pid for _, pid in drawn_from})
        galleries = [draw_gallery(drawn_from, identities, CAMERAS[gallery_side], t) for t in range(TRIALS)]
        query = _side(labels, query_side)
        trials = tuple(Trial(query, gallery) for gallery in galleries)
        settings.append(Setting("llcm", None, None, direction, "agw", True, (key, key), trials))
    return settings


def full(images: Images, folder: Path | None) -> list[Setting]:
    """Visible to infrared, then infrared to visible, one trial each; arguments and errors as for :func:`agw`."""
    labels = _read(images, folder)
    return [
        Setting("llcm", None, None, direction, "full", True, None, (Trial(_side(labels, one), _side(labels, other)),))
        for direction, (one, other) in DIRECTIONS.items()
    ]


def _read(images: Images, folder: Path | None) -> list[Label]:
    matches = images.parse(_PATH, "test_vis/cam1/0006/name.jpg")
    labels = [(match[1], int(match[2]), int(match[3])) for match in matches]
    images.check("pid", np.array([identity for *_, identity in labels]))
    cameras = np.array([camera for _, camera, _ in labels])
    for side in CAMERAS:
        rows = _side(labels, side)
        if len(rows) == 0:
            raise UserError(f"no image under test_{side}/ among the paths; LLCM's protocol needs both modalities")
        # Each side by itself: a camera's visible and infrared images may be numbered alike or apart.
        images.check("camid", cameras, rows)
    check_test_identities({identity for *_, identity in labels}, folder, "idx")
    return labels


def _side(labels: Sequence[Label], side: str) -> IntArray:
    return np.flatnonzero([label[0] == side for label in labels])


PROTOCOLS["llcm"] = Protocol("llcm", "LLCM", {"agw": agw, "full": full})
