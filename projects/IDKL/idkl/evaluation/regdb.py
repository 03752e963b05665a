"""RegDB's protocol (Nguyen et al., Sensors 2017; splits of Ye et al., AAAI 2018): one split, both directions.

All images of a modality query all images of the other; no camera rule, plain CMC. A result on RegDB is the mean over
ten splits, which are ten trainings: see ``tools/sweep.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from datasets_ext.errors import UserError

from .images import Images
from .protocol import PROTOCOLS, Protocol, Setting, Trial

_PATH = re.compile(r"(Visible|Thermal)/.+")


def both_directions(images: Images, folder: Path | None) -> list[Setting]:
    """Visible to infrared, then infrared to visible.

    Args:
        images: the test images of one split, paths such as ``Visible/12/name.bmp``; pids are the labels of the lists.
        folder: not needed.

    Raises:
        UserError: a path does not fit, or a modality has no image.
    """
    is_visible = np.array([match[1] == "Visible" for match in images.parse(_PATH, "Visible/12/name.bmp")], dtype=bool)
    visible, infrared = np.flatnonzero(is_visible), np.flatnonzero(~is_visible)
    for name, rows in (("Visible", visible), ("Thermal", infrared)):
        if len(rows) == 0:
            raise UserError(f"no test image under {name}/ among the paths; RegDB's protocol needs both modalities")
    return [
        Setting("regdb", None, None, direction, None, False, None, (Trial(query, gallery),))
        for direction, query, gallery in (
            ("visible-to-infrared", visible, infrared),
            ("infrared-to-visible", infrared, visible),
        )
    ]


PROTOCOLS["regdb"] = Protocol("regdb", "RegDB", {None: both_directions})
