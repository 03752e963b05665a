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

from .augmentation import Augmentation
from .records import VISIBLE, ImageRecord


@dataclass(frozen=True)
class Draw:
    """One entry of a training batch: which image, and the seed of its augmentation."""

    index: int
    seed: int


def seed_generators(seed: int) -> None:
    """Seed every CPU generator that an augmentation may use.

    A sample's augmentation then depends on nothing but its seed: not on the worker that draws it, nor on how many
    workers there are, nor on what was drawn before. The CUDA generators are left alone.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)


def generator_states() -> tuple[Any, Any, torch.Tensor]:
    """The states of those generators."""
    return random.getstate(), np.random.get_state(), torch.get_rng_state()


def set_generator_states(states: tuple[Any, Any, torch.Tensor]) -> None:
    """Put these states, of :func:`generator_states`, back."""
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])


@contextmanager
def generators_kept() -> Iterator[None]:
    """Put the states of those generators back afterwards. It takes 0.1 ms: once a batch, not once an image."""
    states = generator_states()
    try:
        yield
    finally:
        set_generator_states(states)


class CrossModalityDataset(CommDataset):
    """fast-reid's image dataset with the modality as a field of its own.

    Args:
        records: the images.
        transform: from what ``read`` gives to a uint8 tensor ``[3, H, W]``.
        augmentation: what is still to be done with a batch of them; an item has the numbers drawn for it.
        relabel: number identities and cameras from 0, as a classifier needs them.
        read: gives the image of a record's path.
        split: which of their dataset's splits the images are of; None where it has only one.
        visible: what is done with a visible image behind ``transform``; None: nothing.

    An item is ``{"images", "draws", "targets", "camids", "modalities", "img_paths"}``.
    """

    def __init__(
        self,
        records: Sequence[ImageRecord],
        transform: Callable[[Any], torch.Tensor],
        augmentation: Augmentation,
        relabel: bool,
        read: Callable[[str], Any],
        split: int | None,
        visible: Callable[[torch.Tensor], torch.Tensor] | None,
    ) -> None:
        super().__init__(list(records), transform, relabel)
        self.augmentation = augmentation
        self._read = read
        self.split = split
        self._visible = visible

    def __getitem__(self, index: int | Draw) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int | Draw]) -> list[dict[str, Any]]:
        """The items of a batch: a loader asks for them together."""
        with generators_kept():
            return [self._drawn(index) if isinstance(index, Draw) else self._item(index) for index in indices]

    def _drawn(self, draw: Draw) -> dict[str, Any]:
        seed_generators(draw.seed)
        return self._item(draw.index)

    def _item(self, index: int) -> dict[str, Any]:
        record = self.img_items[index]
        path, pid, camid = record
        image = self.transform(self._read(path))
        if self._visible is not None and record.modality == VISIBLE:
            image = self._visible(image)
        return {
            "images": image,
            "draws": self.augmentation.draw(*image.shape[1:]),
            "targets": self.pid_dict[pid] if self.relabel else pid,
            "camids": self.cam_dict[camid] if self.relabel else camid,
            "modalities": record.modality,
            "img_paths": path,
        }
