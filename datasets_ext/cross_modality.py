"""What every visible-infrared dataset shares: its root, its tables, and training on test identities."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from fastreid.data.datasets.bases import ImageDataset
from tabulate import tabulate

from .errors import UserError
from .records import INFRARED, VISIBLE, ImageRecord

logger = logging.getLogger(__name__)


def datasets_root() -> str:
    """The folder of datasets: ``$FASTREID_DATASETS``, else ``datasets`` (fast-reid reads it once, at import)."""
    return os.getenv("FASTREID_DATASETS", "datasets")


class CrossModalityImageDataset(ImageDataset):
    """Base of the visible-infrared datasets: ``train``, ``query`` and ``gallery`` are lists of :class:`ImageRecord`.

    A subclass names its folder in ``dataset_dir`` and sets ``dataset_root`` to :meth:`find_root`. It is called with
    ``root``, ``split`` and ``combineall`` and hands on what it does not need to this class, which ignores the rest.

    Attributes:
        split: which of its splits was read; None where a dataset has only one.
        split_files: the files, relative to its folder, that say which images train and test.
    """

    dataset_dir: str
    dataset_root: Path
    split: int | None = None
    split_files: Sequence[str]

    @classmethod
    def find_root(cls, root: str) -> Path:
        """``<root>/<dataset_dir>``; a :class:`UserError` says where the dataset was looked for."""
        folder = Path(root) / cls.dataset_dir
        if not folder.is_dir():
            raise UserError(
                f"dataset {cls.__name__} is not at {folder}: put it there, or set FASTREID_DATASETS to the folder "
                f"that holds {cls.dataset_dir}/"
            )
        return folder

    def combine_all(self) -> None:
        """Add the test images to the training ones (``DATASETS.COMBINEALL``).

        Test identities are people of their own, even where a dataset numbers them from 0 again: they follow after the
        largest training identity.
        """
        first = 1 + max(record.pid for record in self.train)
        test = [
            ImageRecord(record[0], first + record.pid, record[2], record.modality)
            for record in (*self.query, *self.gallery)
        ]
        self._train = [*self.train, *test]

    def show_train(self) -> None:
        logger.info("%s\n%s", type(self).__name__, _table([("train", self.train)]))

    def show_test(self) -> None:
        logger.info("%s\n%s", type(self).__name__, _table([("query", self.query), ("gallery", self.gallery)]))


def check_modalities(records: Sequence[ImageRecord], what: str, expected: str) -> None:
    """Raise a :class:`UserError` if the records of one side lack a modality."""
    for modality, name in ((VISIBLE, "visible"), (INFRARED, "infrared")):
        if not any(record.modality == modality for record in records):
            raise UserError(f"no {name} {what}: expected {expected}")


def _table(subsets: Sequence[tuple[str, list[ImageRecord]]]) -> str:
    rows = []
    for name, records in subsets:
        infrared = sum(record.modality == INFRARED for record in records)
        rows.append(
            (name, len({r[1] for r in records}), len(records) - infrared, infrared, len({r[2] for r in records}))
        )
    return tabulate(rows, headers=("subset", "identities", "visible", "infrared", "cameras"), tablefmt="pipe")
