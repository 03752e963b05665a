"""SYSU-MM01 (Wu et al., ICCV 2017) in the layout that its users have."""

from __future__ import annotations

from typing import Any

from fastreid.data.datasets import DATASET_REGISTRY

from .cross_modality import CrossModalityImageDataset, check_modalities
from .errors import UserError
from .image import list_images
from .records import INFRARED, VISIBLE, ImageRecord
from .split_files import read_identities

CAMERAS = (1, 2, 3, 4, 5, 6)
INFRARED_CAMERAS = (3, 6)


@DATASET_REGISTRY.register()
class SYSU_MM01(CrossModalityImageDataset):  # noqa: N801 - the dataset's own name
    """SYSU-MM01: six cameras, of which 3 and 6 are infrared; training and test identities by split files.

    Read from ``<root>/SYSU-MM01``: images ``cam<c>/<pid %04d>/<number %04d>.jpg`` and the identities in
    ``exp/train_id.txt``, ``exp/val_id.txt`` (both train) and ``exp/test_id.txt``, each one comma-separated line.
    Queries are all infrared test images, the gallery all visible ones; which of them a trial uses is for the
    protocol to say.

    Args:
        root: folder of datasets, usually ``$FASTREID_DATASETS``.

    Raises:
        UserError: a folder or split file is missing or malformed, or a side has no images.
    """

    dataset_dir = "SYSU-MM01"
    split_files = ("exp/train_id.txt", "exp/val_id.txt", "exp/test_id.txt")

    def __init__(self, root: str, **kwargs: Any) -> None:
        self.dataset_root = self.find_root(root)
        first_ids, further_ids, test_ids = (read_identities(self.dataset_root / name) for name in self.split_files)
        train_ids = first_ids | further_ids
        if overlap := sorted(train_ids & test_ids):
            raise UserError(f"identities {overlap[:5]} both train and test: fix the files in {self.dataset_root}/exp")
        test = self._records(test_ids, "test")
        super().__init__(
            train=self._records(train_ids, "training"),
            query=[record for record in test if record.modality == INFRARED],
            gallery=[record for record in test if record.modality == VISIBLE],
            **kwargs,
        )

    def _records(self, identities: set[int], side: str) -> list[ImageRecord]:
        records = []
        for camera in CAMERAS:
            modality = INFRARED if camera in INFRARED_CAMERAS else VISIBLE
            for pid in sorted(identities):
                folder = self.dataset_root / f"cam{camera}" / f"{pid:04d}"
                records += [ImageRecord(path, pid, camera, modality) for path in list_images(folder)]
        check_modalities(
            records,
            f"{side} image in {self.dataset_root}",
            f"cam1..cam6/<identity %04d>/*.jpg for the {len(identities)} {side} identities of its exp folder",
        )
        return records
