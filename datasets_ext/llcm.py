"""LLCM (Zhang and Wang, CVPR 2023, https://github.com/ZYK100/LLCM) in the layout that its users have."""

from __future__ import annotations

import re
from typing import Any

from fastreid.data.datasets import DATASET_REGISTRY

from .cross_modality import CrossModalityImageDataset, check_modalities
from .errors import UserError
from .image import list_images
from .records import INFRARED, VISIBLE, ImageRecord
from .split_files import read_identities, read_image_lists

VISIBLE_CAMERAS = (1, 2, 3, 4, 5, 6, 7, 8, 9)
INFRARED_CAMERAS = (1, 2, 4, 5, 6, 7, 8, 9)

CAMERA_IN_NAME = re.compile(r"_c([0-9]{1,2})_[^/]*$")


@DATASET_REGISTRY.register()
class LLCM(CrossModalityImageDataset):
    """LLCM: nine cameras in low light, visible and, but for camera 3, near-infrared; one split.

    Read from ``<root>/LLCM``. Training: the images that ``idx/train_vis.txt`` and ``idx/train_nir.txt`` name with their
    labels, such as ``nir/0351/0351_c06_s200656_f4830_nir.jpg 234``; the label is the identity and ``_c06_`` the
    camera. Test: the images of the identities in ``idx/test_id.txt`` (one comma-separated line), in
    ``test_vis/cam<c>/<pid %04d>`` and ``test_nir/cam<c>/<pid %04d>``. A camera has the same number in both modalities.
    Queries are the near-infrared test images, the gallery the visible ones; the other direction, and which images a
    trial uses, are for the protocol to say.

    Args:
        root: folder of datasets, usually ``$FASTREID_DATASETS``.

    Raises:
        UserError: a list or a listed image is missing, a list is malformed or names no camera, an image is in both
            lists, or a modality has no test images.
    """

    dataset_dir = "LLCM"
    split_files = ("idx/train_vis.txt", "idx/train_nir.txt", "idx/test_id.txt")

    def __init__(self, root: str, **kwargs: Any) -> None:
        self.dataset_root = self.find_root(root)
        test_ids = read_identities(self.dataset_root / "idx" / "test_id.txt")
        query, gallery = self._test_records(test_ids, INFRARED), self._test_records(test_ids, VISIBLE)
        check_modalities(
            query + gallery,
            f"test image in {self.dataset_root}",
            f"test_vis and test_nir with cam1..cam9/<identity %04d>/*.jpg for the {len(test_ids)} identities of "
            "idx/test_id.txt",
        )
        super().__init__(train=self._training_records(), query=query, gallery=gallery, **kwargs)

    def _training_records(self) -> list[ImageRecord]:
        lists = ("train_vis", "train_nir")
        records = []
        for modality, name, images in zip(
            (VISIBLE, INFRARED), lists, read_image_lists(self.dataset_root, lists), strict=True
        ):
            for image, pid in images:
                if not (found := CAMERA_IN_NAME.search(image)):
                    raise UserError(
                        f"{self.dataset_root / 'idx' / name}.txt, line '{image} {pid}': the file name tells no camera, "
                        "expected one such as 0351_c06_s200656_f4830_nir.jpg"
                    )
                records.append(ImageRecord(f"{self.dataset_root}/{image}", pid, int(found[1]), modality))
        return sorted(records, key=lambda record: (record[2], record.pid, record[0]))

    def _test_records(self, identities: set[int], modality: int) -> list[ImageRecord]:
        folder, cameras = ("test_nir", INFRARED_CAMERAS) if modality == INFRARED else ("test_vis", VISIBLE_CAMERAS)
        return [
            ImageRecord(path, pid, camera, modality)
            for camera in cameras
            for pid in sorted(identities)
            for path in list_images(self.dataset_root / folder / f"cam{camera}" / f"{pid:04d}")
        ]
