"""RegDB (Nguyen et al., Sensors 2017, https://doi.org/10.3390/s17030605) in the layout that its users have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fastreid.data.datasets import DATASET_REGISTRY

from .cross_modality import CrossModalityImageDataset
from .errors import UserError
from .records import INFRARED, VISIBLE, ImageRecord
from .split_files import ImageList, names_in, read_image_lists

VISIBLE_CAMERA, THERMAL_CAMERA = 1, 2

_LIST = re.compile(r"(?:train|test)_(?:visible|thermal)_([1-9][0-9]{0,8})\.txt")


@DATASET_REGISTRY.register()
class RegDB(CrossModalityImageDataset):
    """RegDB: one visible and one thermal camera; ten splits, each with half of the people for training.

    Read from ``<root>/RegDB``: the images that ``idx/{train,test}_{visible,thermal}_<split>.txt`` name with their
    labels, such as ``Visible/<person>/<name>.bmp 17``, whatever their extension. A label is the identity; training and
    test labels both start at 0 and mean different people. Camera 1 is visible, 2 thermal. Queries are the visible test
    images, the gallery the thermal ones; the other direction is for the protocol to say.

    Args:
        root: folder of datasets, usually ``$FASTREID_DATASETS``.
        split: which of the splits.

    Raises:
        UserError: the split, a list or a listed image is missing, a list is malformed, or an image is in two lists.
    """

    dataset_dir = "RegDB"

    def __init__(self, root: str, split: int = 1, **kwargs: Any) -> None:
        self.dataset_root = self.find_root(root)
        self.split = split
        splits = available_splits(self.dataset_root)
        if split not in splits:
            there = f"it has {', '.join(map(str, splits))}" if splits else "its lists come with RegDB"
            raise UserError(f"{self.dataset_root / 'idx'} has no split {split}: {there}, see DATASETS.SPLIT")
        names = [f"{side}_{modality}_{split}" for side in ("train", "test") for modality in ("visible", "thermal")]
        self.split_files = [f"idx/{name}.txt" for name in names]
        visible, thermal, test_visible, test_thermal = read_image_lists(self.dataset_root, names)
        super().__init__(
            train=self._records(visible, VISIBLE) + self._records(thermal, INFRARED),
            query=self._records(test_visible, VISIBLE),
            gallery=self._records(test_thermal, INFRARED),
            **kwargs,
        )

    def _records(self, images: ImageList, modality: int) -> list[ImageRecord]:
        camera = VISIBLE_CAMERA if modality == VISIBLE else THERMAL_CAMERA
        ordered = sorted((pid, image) for image, pid in images)
        return [ImageRecord(f"{self.dataset_root}/{image}", pid, camera, modality) for pid, image in ordered]


def available_splits(root: Path) -> list[int]:
    """The splits of which ``root/idx`` has at least one list."""
    found = map(_LIST.fullmatch, names_in(root / "idx"))
    return sorted({int(match[1]) for match in found if match})
