"""What the page asks for: the gallery of the other modality, ranked for one image."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from datasets_ext.loaders import build_test_loader

from ..evaluation.evaluator import FlipTest
from ..evaluation.ranking import IntArray
from ..visualization.cam import grad_cam, perpendicular
from ..visualization.cam_model import FeatureModel
from ..visualization.embedded import embed
from ..visualization.source import Source


@dataclass(frozen=True)
class Match:
    """A gallery image. ``heat`` float32 [H, W], 0..1, is where it is like the query."""

    row: int
    pixels: Tensor  # uint8 [3, H, W], as the model sees it
    heat: NDArray[np.float32]
    cosine: float
    pid: int
    camid: int


@dataclass(frozen=True)
class Answer:
    """The nearest images, nearest first.

    Attributes:
        modality: of the query, 0 visible, 1 infrared; the gallery has the other.
        pixels, heat: of the query as of a match; its heat is where it is like the first match.
        pid: of the query; None for an image that is none of the test set's.
        gallery: how many images were ranked.
        first_right: 1-based rank of the first image of the query's identity; None where there is none or it is unknown.
    """

    modality: int
    pixels: Tensor
    heat: NDArray[np.float32]
    pid: int | None
    matches: list[Match]
    gallery: int
    first_right: int | None


class PersonSearch:
    """A model and the features of its test set, computed once.

    Several threads may ask at once; the model answers one after the other.

    Args:
        source: of an IDKL model.

    Raises:
        UserError: the checkpoint or the dataset is not there or not in order, or the model is not IDKL.
    """

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.dataset_name = source.cfg.DATASETS.TESTS[0]
        self.embedded = embed(source)
        self._device = source.cfg.MODEL.DEVICE
        features, modalities = self.embedded.features, self.embedded.modalities
        self._means = [torch.from_numpy(features[modalities == m].mean(axis=0)).to(self._device) for m in (0, 1)]
        self._dataset = build_test_loader(source.cfg, self.dataset_name)[0].dataset
        model = source.load_model()
        self._network = FeatureModel(model, "shared")
        self._tested = FlipTest(model) if source.cfg.TEST.FLIP.ENABLED else model
        self._lock = Lock()

    def rows(self, modality: int) -> IntArray:
        """Rows int64 of the test images of a modality, mixed: those of a person do not stand together."""
        rows = np.flatnonzero(self.embedded.modalities == modality)
        return np.random.default_rng(0).permutation(rows)

    def pixels(self, row: int) -> Tensor:
        """A test image as the model sees it, uint8 [3, H, W]."""
        return self._dataset[row]["images"]

    def ask_row(self, row: int, top: int) -> Answer:
        """The answer for a test image."""
        return self._ask(self.pixels(row), self.embedded.unit[row], int(self.embedded.modalities[row]), row, top)

    def ask_image(self, image: Image.Image, modality: int, top: int) -> Answer:
        """The answer for any RGB image, taken as one of this modality."""
        pixels = self._dataset.transform(image)
        with self._lock, torch.no_grad():
            images = pixels[None].to(self._device, torch.float32)
            unit = F.normalize(self._tested({"images": images}))[0].cpu().numpy()
        return self._ask(pixels, unit, modality, None, top)

    def _ask(self, pixels: Tensor, unit: NDArray[np.float32], modality: int, row: int | None, top: int) -> Answer:
        shown, labels = self.embedded, self.embedded.images
        gallery = np.flatnonzero(shown.modalities != modality)
        cosines = shown.unit[gallery] @ unit
        order = np.argsort(-cosines, kind="stable")
        nearest = gallery[order[:top]]
        images = torch.stack([pixels, *(self.pixels(int(near)) for near in nearest)])
        heats = self._heat(images, modality)
        pid = None if row is None else int(labels.pids[row])
        right = np.flatnonzero(labels.pids[gallery[order]] == pid).tolist() if pid is not None else []
        matches = [
            Match(int(near), image, heat, float(cosine), int(labels.pids[near]), int(labels.camids[near]))
            for near, image, heat, cosine in zip(nearest, images[1:], heats[1:], cosines[order[:top]], strict=True)
        ]
        return Answer(modality, pixels, heats[0], pid, matches, len(gallery), right[0] + 1 if right else None)

    def _heat(self, images: Tensor, modality: int) -> NDArray[np.float32]:
        """Heat maps [1 + top, H, W] of a query, then its matches: of it with the first, of each of them with it."""
        with self._lock:
            on_device = images.to(self._device, torch.float32)
            with torch.no_grad():
                query, first = self._network(on_device[:2])
                (origin,) = self._network.origin()
            own, other = self._means[modality], self._means[1 - modality]
            of_query = perpendicular(F.normalize(first - other, dim=0), own - origin)
            of_matches = perpendicular(F.normalize(query - own, dim=0), other - origin)
            directions = torch.stack([of_query, *[of_matches] * (len(images) - 1)])
            return grad_cam(self._network, on_device, directions)[0]
