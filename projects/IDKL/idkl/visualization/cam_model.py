"""The feature maps of a trained IDKL that Grad-CAM looks at, and the embeddings that they lead to."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from datasets_ext.errors import UserError

from ..modeling.backbone import DualStreamResNet
from ..modeling.head import IDKLHead
from ..modeling.meta_arch import IDKL
from ..modeling.purifier import InformationPurifier

FEATURES = ("shared", "specific", "purified")


class FeatureMap(nn.Module):
    """From normalised images to one feature's last map, ``[B, C, h, w]``: a module of its own, for Grad-CAM to hook.

    Args:
        stem, tail: the backbone up to the branches, and a branch.
        purifier: for the purified feature, else None.
    """

    def __init__(self, stem: nn.Module, tail: nn.Module, purifier: InformationPurifier | None) -> None:
        super().__init__()
        self.stem = stem
        self.tail = tail
        self.purifier = purifier

    def forward(self, images: Tensor) -> Tensor:
        feature_map = self.tail(self.stem(images))
        return feature_map if self.purifier is None else self.purifier(feature_map).purified


class FeatureModel(nn.Module):
    """From images to one feature's embedding: its map pooled, behind its branch's BN-neck, in evaluation mode.

    For the shared feature this is what the model answers in a test. The purified one goes through the specific
    branch's BN-neck, as in training.

    Args:
        model: trained.
        feature: one of :data:`FEATURES`.

    Raises:
        UserError: the model is none with IDKL's two branches, or has no purifier and the feature is the purified one.
    """

    def __init__(self, model: nn.Module, feature: str) -> None:
        super().__init__()
        backbone, heads = model.backbone, model.heads
        if not isinstance(model, IDKL) or not isinstance(backbone, DualStreamResNet) or not isinstance(heads, IDKLHead):
            raise UserError(
                f"cam compares features that only IDKL has, but the model is a {type(model).__name__} on a "
                f"{type(backbone).__name__}: give a run with MODEL.META_ARCHITECTURE IDKL"
            )
        if feature == "purified" and heads.purifier is None:
            raise UserError(
                "the model was trained without purifier (MODEL.IDKL.WEIGHTS.IP 0), so it has no purified feature: "
                "--features shared specific"
            )
        shared = feature == "shared"
        self.preprocess = model.preprocess_image
        self.feature_map = FeatureMap(
            backbone.stem,
            backbone.shared if shared else backbone.specific,
            heads.purifier if feature == "purified" else None,
        )
        self.pool = heads.pool
        self.neck = heads.shared if shared else heads.specific
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Images ``[B, 3, H, W]``, 0..255, to embeddings ``[B, C]``."""
        return self.neck(self.pool(self.feature_map(self.preprocess(images)))[:, :, None, None])

    def origin(self) -> Tensor:
        """The embedding ``[1, C]`` of a map without activations: what the BN-neck adds to every embedding."""
        return self.neck(torch.zeros(1, self.neck.bottleneck[0].num_features, 1, 1, device=self.device))

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device
