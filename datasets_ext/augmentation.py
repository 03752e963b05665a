"""The last of fast-reid's training transforms: drawn where an image is loaded, applied to a batch where it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fastreid.data.transforms import ToTensor
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchvision import transforms as T

from .errors import UserError


@dataclass(frozen=True)
class Augmentation:
    """Pad with black and crop, flip, erase: what torchvision's steps of these names do, bit by bit.

    The numbers of an image come from torch's random state by torchvision's own calls in their order, and are all that
    travels beside its 8-bit pixels. A batch is then augmented by a few tensor operations on any device, with the same
    bits on each, without making a GPU wait.

    Args:
        crop: with its padding, the same on all four sides, of mode "constant".
        flip, erasing: None leaves a step out, as for ``crop``.
    """

    crop: T.RandomCrop | None = None
    flip: T.RandomHorizontalFlip | None = None
    erasing: T.RandomErasing | None = None

    def draw(self, height: int, width: int) -> Tensor:
        """The numbers of one image of this size in pixels, from torch's random state.

        Returns:
            int64 ``[7]``: the crop's top and left in the padded image, 1 to flip it, and the erased rectangle's top,
            left, height and width in the outcome; 0 where a step does nothing.
        """
        top = left = flip = 0
        rectangle = (0, 0, 0, 0)
        if self.crop is not None:
            padded = _without_pixels(height + 2 * self.crop.padding, width + 2 * self.crop.padding)
            top, left, height, width = self.crop.get_params(padded, self.crop.size)
        if self.flip is not None:
            flip = int(torch.rand(1) < self.flip.p)
        if self.erasing is not None and torch.rand(1) < self.erasing.p:
            shape, steps = _without_pixels(height, width), self.erasing
            *drawn, _ = steps.get_params(shape, steps.scale, steps.ratio, [0.0])
            # Where none of its attempts fits in the image, torchvision gives the whole image and erases nothing.
            rectangle = tuple(drawn) if drawn[2] < height else rectangle
        return torch.tensor([top, left, flip, *rectangle])

    def apply(self, images: Tensor, draws: Tensor) -> Tensor:
        """Augment a batch on its device.

        Args:
            images: uint8 ``[B, 3, H, W]``; float images, which fast-reid's own steps have augmented, stay as they are.
            draws: int64 ``[B, 7]``, a row of :meth:`draw` an image.

        Returns:
            float32 ``[B, 3, H, W]`` with values 0..255; H and W are those of the crop, if there is one.
        """
        top, left, flip, *rectangle = draws.unbind(dim=1)
        if self.crop is not None:
            images = F.pad(images, [self.crop.padding] * 4)
            images = _take_rows(images, top[:, None] + torch.arange(self.crop.size[0], device=images.device))
        if self.crop is not None or self.flip is not None:
            width = images.shape[3] if self.crop is None else self.crop.size[1]
            columns = torch.arange(width, device=images.device)
            columns = left[:, None] + torch.where(flip[:, None] > 0, columns.flip(0), columns)
            images = images.gather(3, columns[:, None, None].expand(-1, *images.shape[1:3], -1))
        images = images.to(torch.float32)
        if self.erasing is not None:
            erased = _inside(rectangle, *images.shape[2:])
            for channel, value in enumerate(self.erasing.value):
                images[:, channel].masked_fill_(erased, value)
        return images


def split_transforms(transforms: T.Compose) -> tuple[T.Compose, Augmentation]:
    """Part fast-reid's transforms of one image into those of a worker and those of a batch.

    A batch takes the steps at the end that :class:`Augmentation` can do. That is all but the resize, unless color
    jitter, AugMix or a random patch is on: such a step, and each one before it, is done image by image. The outcome
    does not depend on where a step is done.

    Returns:
        The first transforms, from a PIL image to a uint8 tensor ``[3, H, W]`` (to a float one behind a random patch),
        and the rest.

    Raises:
        UserError: the erasing value is not one of three channels.
    """
    steps = list(transforms.transforms)
    erasing = _pop(steps, T.RandomErasing)
    if erasing is not None and len(erasing.value) != 3:
        raise UserError(
            f"INPUT.REA.VALUE is {erasing.value}: give three numbers, of red, green and blue, from 0 to 255"
        )
    if _pop(steps, ToTensor) is None:
        return T.Compose(_with_own_conversion(transforms.transforms)), Augmentation()
    flip = _pop(steps, T.RandomHorizontalFlip)
    crop = _pop_crop(steps)
    return T.Compose([*steps, to_pixels]), Augmentation(crop, flip, erasing)


def to_pixels(image: Image.Image | NDArray[np.uint8]) -> Tensor:
    """The pixels of an RGB image, or of an array ``[H, W, 3]`` of them, as a uint8 tensor ``[3, H, W]`` of its own."""
    return torch.from_numpy(np.array(np.asarray(image).transpose(2, 0, 1), order="C"))


def _to_float(pixels: Tensor) -> Tensor:
    return pixels.to(torch.float32)


def _with_own_conversion(steps: Sequence[Any]) -> list[Any]:
    """The steps with our own conversion for fast-reid's, which stands on a deprecated storage class."""
    return [own for step in steps for own in ([to_pixels, _to_float] if isinstance(step, ToTensor) else [step])]


def _pop(steps: list[Any], kind: type) -> Any | None:
    """Take the last step off the list if it is of this kind."""
    return steps.pop() if steps and isinstance(steps[-1], kind) else None


def _pop_crop(steps: list[Any]) -> T.RandomCrop | None:
    """Take padding and crop off the list's end, if a batch can do them: black padding of images of one size."""
    match steps:
        case [*_, T.RandomResizedCrop() | T.Resize(size=[_, _]), T.Pad(padding_mode="constant") as pad, T.RandomCrop()]:
            crop = T.RandomCrop(steps[-1].size, padding=pad.padding)
            del steps[-2:]
            return crop
    return None


def _without_pixels(height: int, width: int) -> Tensor:
    """An image that has no pixels: what torchvision draws follows from the size alone."""
    return torch.empty(1, height, width, device="meta")


def _take_rows(images: Tensor, rows: Tensor) -> Tensor:
    """Rows ``[B, R]`` of images ``[B, C, H, W]``, as ``[B, C, R, W]``: whole rows, which are quicker to copy."""
    batch, channels, height, width = images.shape
    planes = torch.arange(0, batch * channels * height, height, device=images.device).view(batch, channels, 1)
    return images.view(-1, width).index_select(0, (planes + rows[:, None]).flatten()).view(batch, channels, -1, width)


def _inside(rectangle: Sequence[Tensor], rows: int, columns: int) -> Tensor:
    """bool ``[B, rows, columns]``: which pixels lie in each image's rectangle of top, left, height, width ``[B]``."""
    top, left, height, width = rectangle
    row, column = torch.arange(rows, device=top.device), torch.arange(columns, device=top.device)
    in_rows = (row >= top[:, None]) & (row < (top + height)[:, None])
    in_columns = (column >= left[:, None]) & (column < (left + width)[:, None])
    return in_rows[:, :, None] & in_columns[:, None, :]
