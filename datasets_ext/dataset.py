"""The torch datasets behind the loaders: image, identity, camera and modality of one record."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fastreid.data.common import CommDataset
from PIL import Image

from .records import ImageRecord


@dataclass(frozen=True)
class Draw:
    """One entry of a training batch: which image, and the seed of its augmentation."""

    index: int
    seed: int


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed every CPU generator that an augmentation may use, and put the old states back afterwards.

    A sample's augmentation then depends on nothing but its seed: not on the worker that draws it, nor on how many
    workers there are, nor on what was drawn before. The CUDA generators are left alone.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


class CrossModalityDataset(CommDataset):
    """fast-reid's image dataset with the modality as a field of its own.

    Args:
        records: the images.
        transform: from a PIL image to a float tensor ``[3, H, W]`` with values 0..255.
        relabel: number identities and cameras from 0, as a classifier needs them.
        read: gives the transform's PIL image of a record's path.
        split: which of their dataset's splits the images are of; None where it has only one.

    An item is ``{"images", "targets", "camids", "modalities", "img_paths"}``.
    """

    def __init__(
        self,
        records: Sequence[ImageRecord],
        transform: Callable[..., torch.Tensor],
        relabel: bool,
        read: Callable[[str], Image.Image],
        split: int | None,
    ) -> None:
        super().__init__(list(records), transform, relabel)
        self._read = read
        self.split = split

    def __getitem__(self, index: int | Draw) -> dict[str, Any]:
        if isinstance(index, Draw):
            with seeded(index.seed):
                return self._item(index.index)
        return self._item(index)

    def _item(self, index: int) -> dict[str, Any]:
        record = self.img_items[index]
        path, pid, camid = record
        return {
            "images": self.transform(self._read(path)),
            "targets": self.pid_dict[pid] if self.relabel else pid,
            "camids": self.cam_dict[camid] if self.relabel else camid,
            "modalities": record.modality,
            "img_paths": path,
        }
