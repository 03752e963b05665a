"""The part of a trained model that embeds images, by itself."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch.nn.functional as F
from fastreid.modeling.heads import EmbeddingHead
from torch import Tensor, nn

from datasets_ext.errors import UserError

from ..modeling import DualStreamResNet, IDKLHead


class Embedder(nn.Module):
    """Images as they are loaded to embeddings as the evaluation compares them.

    It holds what evaluation runs and nothing else. Of IDKL that is the shared branch: neither the specific branch, the
    purifier and the modality classifiers nor the identity classifiers.

    Args:
        model: IDKL or fast-reid's Baseline; the modules are taken over, not copied.
        flip: average with the mirror image before the length becomes 1, as ``TEST.FLIP.ENABLED`` has it.

    Raises:
        UserError: the head is neither IDKL's nor fast-reid's embedding head.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, model: Any, flip: bool) -> None:
        super().__init__()
        backbone, heads = model.backbone, model.heads
        if not isinstance(heads, IDKLHead | EmbeddingHead):
            name = type(heads).__name__
            raise UserError(f"MODEL.HEADS.NAME {name} cannot be exported: IDKLHead and EmbeddingHead can")
        self.flip = flip
        self.register_buffer("pixel_mean", model.pixel_mean.clone())
        self.register_buffer("pixel_std", model.pixel_std.clone())
        own = isinstance(backbone, DualStreamResNet)
        self.backbone = nn.Sequential(OrderedDict(stem=backbone.stem, shared=backbone.shared)) if own else backbone
        self.pool = heads.pool if isinstance(heads, IDKLHead) else heads.pool_layer
        self.neck = (heads.shared if isinstance(heads, IDKLHead) else heads).bottleneck
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Images float32 ``[B, 3, H, W]``, RGB, 0..255, to embeddings ``[B, D]`` of length 1."""
        embeddings = self._embed(images)
        if self.flip:
            embeddings = (embeddings + self._embed(images.flip(dims=[3]))) / 2
        return F.normalize(embeddings)

    def _embed(self, images: Tensor) -> Tensor:
        pooled = self.pool(self.backbone((images - self.pixel_mean) / self.pixel_std))
        return self.neck(pooled.flatten(1)[:, :, None, None]).flatten(1)
