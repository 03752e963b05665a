"""Features for TensorBoard's embedding projector, kept small."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from torch.utils.tensorboard import SummaryWriter

from ..evaluation.ranking import IntArray
from .canvas import MODALITIES
from .embedded import Embedded
from .thumbnails import thumbnail

_IDENTITIES, _IMAGES = 50, 10  # identities, which the projector has as many colours for, and images of a modality
_DIMENSIONS = 50  # as van der Maaten and Hinton keep for t-SNE
_SIDE = 32  # pixels of a picture; the projector's must be square
_HEADER = ["identity", "modality", "camera", "identity and modality"]


def add_projection(writer: SummaryWriter, model: Embedded, step: int) -> None:
    """Add up to 1000 test images: main components of their unit features, their labels, and themselves, small.

    It takes about 2 MB, whatever the test set and the network.
    """
    rows = choose_rows(model)
    labels = [
        [pid, MODALITIES[modality], camera, f"{pid} {MODALITIES[modality]}"]
        for pid, modality, camera in zip(
            model.images.pids[rows], model.modalities[rows], model.images.camids[rows], strict=True
        )
    ]
    pictures = np.stack([thumbnail(model, int(row)) for row in rows])
    small = F.interpolate(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255.0, (_SIDE, _SIDE // 2), mode="area")
    square = F.pad(small, (_SIDE // 4, _SIDE // 4), value=1.0)
    writer.add_embedding(main_components(model.unit[rows]), labels, square, step, model.name, _HEADER)


def choose_rows(model: Embedded) -> IntArray:
    """Rows of the images shown: of up to 50 identities, drawn, up to 10 of each modality, spread over its cameras."""
    pids, modalities = model.images.pids, model.modalities
    shown = np.sort(np.random.default_rng(0).permutation(np.unique(pids))[:_IDENTITIES])
    groups = [np.flatnonzero((pids == pid) & (modalities == m)) for pid in shown for m in range(len(MODALITIES))]
    spread = [rows[np.unique(np.linspace(0, len(rows) - 1, _IMAGES).astype(int))] for rows in groups if len(rows)]
    return np.concatenate(spread)


def main_components(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """The up to 50 principal components [N, 50] of features [N, D], rounded: they are written as text."""
    centred = unit - unit.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return (left * sizes)[:, :_DIMENSIONS].round(4)
