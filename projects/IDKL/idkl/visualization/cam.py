"""Grad-CAM of the shared, the specific and the purified feature, as in the paper's Fig. 4.

Grad-CAM (Selvaraju et al., ICCV 2017) asks which places of a feature map raise one number. A classifier's logit cannot
be that number here: test identities have none. What a search across modalities rests on is that a person's images lie
nearer to each other than to anybody else's. So the number is how far an image's embedding reaches in the direction in
which that of the same person's image of the other modality departs from the mean of many people's, all by one feature.
The direction is made perpendicular to the mean embedding of the image's own modality: what all people share
raises nothing, and the heat is about what sets these two images apart from the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from datasets_ext.errors import UserError
from datasets_ext.loaders import build_test_loader

from ..evaluation.ranking import IntArray
from .cam_model import FEATURES, FeatureModel
from .source import Source


@dataclass(frozen=True)
class Heat:
    """Heat maps of one feature for the visible and the infrared image of n people.

    Attributes:
        maps: float32 [2, n, H, W], each scaled to 0..1 by itself; all 0 where nothing raises the number.
        cosines: float32 [n], of a person's two embeddings, the mean of their modality taken off.
        cells: height and width of the feature map.
    """

    maps: NDArray[np.float32]
    cosines: NDArray[np.float32]
    cells: tuple[int, int]


def choose_pairs(pids: IntArray, modalities: IntArray, count: int, seed: int = 0) -> IntArray:
    """Rows int64 [2, count]: a visible and an infrared image of each of ``count`` people, all drawn with ``seed``.

    Fewer where fewer people have images in both modalities.

    Raises:
        UserError: there are not two of them.
    """
    generator = np.random.default_rng(seed)
    both = np.intersect1d(pids[modalities == 0], pids[modalities == 1])
    if len(both) < 2:
        raise UserError("cam compares people, but fewer than two have test images in both modalities")
    chosen = generator.permutation(both)[:count]
    rows = [[generator.choice(np.flatnonzero((pids == pid) & (modalities == m))) for m in (0, 1)] for pid in chosen]
    return np.array(rows, dtype=np.int64).T


def heat_maps(source: Source, pairs: IntArray, count: int, features: Sequence[str] = FEATURES) -> dict[str, Heat]:
    """Grad-CAM of each of ``features`` for the first ``count`` of the ``pairs`` [2, N] of rows of the test images.

    The means are over all N people.

    Raises:
        UserError: the package grad-cam is missing, the model is not IDKL, it has no such feature, or an image cannot
            be read.
    """
    model = source.load_model()
    networks = {feature: FeatureModel(model, feature) for feature in features}
    dataset = build_test_loader(source.cfg, source.cfg.DATASETS.TESTS[0])[0].dataset
    pixels = torch.stack([dataset[int(row)]["images"] for row in pairs.ravel()])
    images = pixels.float().to(source.cfg.MODEL.DEVICE).unflatten(0, pairs.shape)
    return {feature: _heat(network, images, count) for feature, network in networks.items()}


def _heat(network: FeatureModel, images: Tensor, count: int) -> Heat:
    """Of the first ``count`` people of ``images`` [2, N, 3, H, W]."""
    with torch.no_grad():
        embeddings = torch.stack([network(of_modality) for of_modality in images]) - network.origin()
    means = embeddings.mean(dim=1, keepdim=True)
    unit = F.normalize(embeddings - means, dim=2)[:, :count]
    maps, cells = grad_cam(network, images[:, :count].flatten(0, 1), perpendicular(unit.flip(0), means).flatten(0, 1))
    cosines = (unit[0] * unit[1]).sum(dim=1).cpu().numpy()
    return Heat(maps.reshape(2, count, *maps.shape[1:]), cosines, cells)


def perpendicular(partners: Tensor, means: Tensor) -> Tensor:
    """The partners [..., C] without what of them lies along the means [..., C]: what the heat is about."""
    common = F.normalize(means, dim=-1)
    return partners - (partners * common).sum(dim=-1, keepdim=True) * common


def grad_cam(network: FeatureModel, images: Tensor, directions: Tensor) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Heat maps float32 [N, H, W], each scaled to 0..1 by itself, and height and width of the feature map.

    Args:
        images: [N, 3, H, W], 0..255.
        directions: [N, C], in which an image's embedding reaches where its heat is.

    Raises:
        UserError: the package grad-cam is missing.
    """
    try:
        from pytorch_grad_cam import GradCAM
    except ImportError as error:
        raise UserError(f"cam needs the package grad-cam ({error}): pip install grad-cam") from None
    with GradCAM(network, [network.feature_map]) as cam:
        maps = cam(images, [_Reach(direction) for direction in directions])
        height, width = cam.activations_and_grads.activations[0].shape[2:]
    return maps, (height, width)


class _Reach(nn.Module):
    """What the heat raises: how far an embedding [C] reaches in a direction [C]."""

    def __init__(self, direction: Tensor) -> None:
        super().__init__()
        self.direction = direction

    def forward(self, embedding: Tensor) -> Tensor:
        return embedding @ self.direction
