"""SYSU-MM01 (Wu et al., ICCV 2017) in the layout that its users have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastreid.data.datasets import DATASET_REGISTRY

from .cross_modality import CrossModalityImageDataset
from .errors import UserError
from .records import INFRARED, VISIBLE, ImageRecord

CAMERAS = (1, 2, 3, 4, 5, 6)
INFRARED_CAMERAS = (3, 6)
IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp")


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

    def __init__(self, root: str, **kwargs: Any) -> None:
        self.dataset_root = self.find_root(root)
        train_ids = read_identities(self.dataset_root / "exp" / "train_id.txt")
        train_ids |= read_identities(self.dataset_root / "exp" / "val_id.txt")
        test_ids = read_identities(self.dataset_root / "exp" / "test_id.txt")
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
        for modality, name in ((VISIBLE, "visible"), (INFRARED, "infrared")):
            if not any(record.modality == modality for record in records):
                raise UserError(
                    f"{self.dataset_root} has no {name} {side} image: expected cam1..cam6/<identity %04d>/*.jpg for "
                    f"the {len(identities)} {side} identities of its exp folder"
                )
        return records


def list_images(folder: Path) -> list[str]:
    """The images of one folder in sorted order; none where the folder does not exist."""
    if not folder.is_dir():
        return []
    return sorted(entry.path for entry in os.scandir(folder) if entry.name.lower().endswith(IMAGE_EXTENSIONS))


def read_identities(path: Path) -> set[int]:
    """Read a split file: identity numbers, comma-separated on one line.

    Raises:
        UserError: the file is missing, empty or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise UserError(f"split file {path} is missing: it comes with SYSU-MM01, in its exp folder") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"split file {path} cannot be read ({error}): take it again from SYSU-MM01") from None
    entries = [entry.strip() for entry in text.strip(",").split(",")]
    wrong = [entry for entry in entries if not (entry.isascii() and entry.isdigit())]
    if wrong:
        raise UserError(
            f"split file {path} holds {wrong[0][:20]!r} where an identity number should be: expected one line "
            "such as 1,2,4"
        )
    return {int(entry) for entry in entries}
