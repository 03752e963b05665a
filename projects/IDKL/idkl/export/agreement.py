"""Whether an exported file embeds images as the model does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from fastreid.config import CfgNode
from torch import Tensor

from datasets_ext.errors import UserError
from datasets_ext.loaders import build_test_loader

TOLERANCE = 1e-4  # of an embedding's entry, in single precision
BATCHES = (1, 2, 7)  # of random images
TEST_IMAGES = 32  # spread evenly over the test set, so that both modalities are there

Embed = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Agreement:
    """How far embeddings of the same images lie apart."""

    images: str  # which
    max_error: float  # the largest absolute difference of an entry; not a number where an embedding is not finite
    min_cosine: float

    @property
    def holds(self) -> bool:
        return self.max_error <= TOLERANCE


def compare(name: str, expected: Embed, found: Embed, batches: list[Tensor]) -> Agreement:
    """Compare two functions on batches of images float32 ``[B, 3, H, W]``, 0..255."""
    errors, cosines = [], []
    for images in batches:
        one, other = expected(images).double(), found(images.clone()).double()
        errors.append((one - other).abs().max())
        cosines.append(torch.cosine_similarity(one, other).min())
    return Agreement(name, float(torch.stack(errors).max()), float(torch.stack(cosines).min()))


def random_batches(height: int, width: int) -> list[Tensor]:
    """Batches of noise, one for each of the sizes above."""
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(size, 3, height, width, generator=generator) * 255 for size in BATCHES]


def read_test_images(cfg: CfgNode) -> Tensor:
    """Some images of the test set ``DATASETS.TESTS`` as the evaluation sees them, float32 ``[N, 3, H, W]``.

    Raises:
        UserError: the dataset is not there or not in order.
    """
    dataset = build_test_loader(cfg, cfg.DATASETS.TESTS[0])[0].dataset
    rows = np.linspace(0, len(dataset) - 1, min(TEST_IMAGES, len(dataset))).astype(int)
    items = dataset.__getitems__(rows.tolist())
    images, draws = (torch.stack([item[key] for item in items]) for key in ("images", "draws"))
    return dataset.augmentation.apply(images, draws)


def check_agreement(cfg: CfgNode, expected: Embed, found: Embed, size: tuple[int, int]) -> tuple[list[Agreement], str]:
    """Compare on random images, and on test images where the dataset is there.

    Args:
        cfg: names the test set.
        expected, found: the model and the file.
        size: height and width of an image.

    Returns:
        The comparisons, and why test images could not be taken ("" where they were).

    Raises:
        UserError: the file does not embed as the model does.
    """
    names = ", ".join(map(str, BATCHES))
    checks = [compare(f"random images in batches of {names}", expected, found, random_batches(*size))]
    reason = ""
    try:
        images = read_test_images(cfg)
        checks.append(compare(f"{len(images)} test images of {cfg.DATASETS.TESTS[0]}", expected, found, [images]))
    except UserError as error:
        reason = str(error)
    for check in checks:
        if not check.holds:
            raise UserError(
                f"nothing is written: on {check.images} the exported embeddings are {check.max_error:.2g} off the "
                f"model's, more than {TOLERANCE:g}; what a component of yours adds belongs into idkl/export/embedder.py"
            )
    return checks, reason
