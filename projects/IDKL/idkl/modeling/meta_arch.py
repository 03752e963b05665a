"""IDKL as a fast-reid meta-architecture: backbone, head, and the weighted sum of its losses (eq. 21)."""

from __future__ import annotations

from typing import Any

import torch
from fastreid.config import CfgNode, configurable
from fastreid.modeling.backbones import build_backbone
from fastreid.modeling.heads import build_heads
from fastreid.modeling.meta_arch import META_ARCH_REGISTRY
from fastreid.modeling.meta_arch.baseline import Baseline
from fastreid.utils import comm
from torch import Tensor, nn

from datasets_ext.errors import UserError

from .criterion import IDKLCriterion
from .gather import gather_batch
from .outputs import IDKLOutput


@META_ARCH_REGISTRY.register()
class IDKL(Baseline):
    """Implicit Discriminative Knowledge Learning (CVPR 2024).

    In training it takes a batch of N visible then N infrared images, in which row i of the one half and row i of the
    other share an identity, and returns the weighted terms of eq. 21 by name; their sum is the total loss. In
    evaluation it returns the shared branch's embeddings ``[B, D]``.

    Args:
        backbone: gives both branches' maps in training and the shared one in evaluation; says its ``feature_dim``.
        heads: turns the maps into what the criterion compares, and the shared map into an embedding.
        criterion: the losses.
        pixel_mean, pixel_std: of the images' three channels, 0..255.
        gather: with several processes, take the losses over the rows of all instead of each over its own. fast-reid's
            other meta-architectures always do the latter.

    Attributes:
        metrics: of the last training batch, detached scalars: how often identities and modalities were told right.
    """

    @configurable
    def __init__(
        self,
        *,
        backbone: nn.Module,
        heads: nn.Module,
        criterion: IDKLCriterion,
        pixel_mean: list[float],
        pixel_std: list[float],
        gather: bool,
    ) -> None:
        super().__init__(backbone=backbone, heads=heads, pixel_mean=pixel_mean, pixel_std=pixel_std)
        self.criterion = criterion
        self.gather = gather
        self.metrics: dict[str, Tensor] = {}
        self._order_checked = False

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        if cfg.MODEL.HEADS.NECK_FEAT != "before":
            raise UserError("MODEL.HEADS.NECK_FEAT must be before: IDKL compares features before the BN-neck")
        criterion = IDKLCriterion.from_config(cfg)
        backbone = build_backbone(cfg)
        sized = cfg.clone()
        sized.defrost()
        sized.MODEL.BACKBONE.FEAT_DIM = backbone.feature_dim
        return {
            "backbone": backbone,
            "heads": build_heads(sized),
            "criterion": criterion,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "gather": cfg.MODEL.IDKL.GATHER,
        }

    def forward(self, batched_inputs: dict[str, Any] | Tensor) -> dict[str, Tensor] | Tensor:
        features = self.backbone(self.preprocess_image(batched_inputs))
        if not self.training:
            return self.heads(features)
        assert isinstance(batched_inputs, dict)
        targets, modalities = batched_inputs["targets"], batched_inputs["modalities"]
        if not self._order_checked:  # once: looking at labels makes a GPU wait
            _check_order(targets, modalities)
            self._order_checked = True
        outputs = self.heads(features, targets)
        with torch.autocast(self.device.type, enabled=False):
            if self.gather and comm.get_world_size() > 1:
                outputs, targets, modalities = gather_batch(outputs, targets, modalities)
            self.metrics = _accuracies(outputs, targets, modalities)
            return self.criterion(outputs, targets, modalities)

    def preprocess_image(self, batched_inputs: dict[str, Any] | Tensor) -> Tensor:
        """Normalise images ``[B, 3, H, W]``, 0..255, out of place: a flipped second pass needs them as they were."""
        images = batched_inputs["images"] if isinstance(batched_inputs, dict) else batched_inputs
        return (images - self.pixel_mean) / self.pixel_std


@torch.no_grad()
def _accuracies(outputs: IDKLOutput, targets: Tensor, modalities: Tensor) -> dict[str, Tensor]:
    """Shares of right answers (0..1) of the classifiers on their training batch."""

    def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
        return (logits.argmax(dim=1) == labels).float().mean()

    accuracies = {
        "cls_accuracy": accuracy(outputs.shared.logits, targets),
        "cls_accuracy_specific": accuracy(outputs.specific.logits, targets),
    }
    if outputs.confusers:
        accuracies["confuser_accuracy"] = accuracy(outputs.confusers[-1], modalities)
    if outputs.discriminators:
        accuracies["discriminator_accuracy"] = accuracy(outputs.discriminators[-1], modalities)
    return accuracies


def _check_order(targets: Tensor, modalities: Tensor) -> None:
    half = len(targets) // 2
    paired = len(targets) == 2 * half and bool((targets[:half] == targets[half:]).all())
    if not paired or bool(modalities[:half].any()) or not bool(modalities[half:].all()):
        raise UserError(
            "IDKL needs batches of N visible, then N infrared images of the same identities: set "
            "DATALOADER.SAMPLER_TRAIN CrossModalityIdentitySampler, or another MODEL.META_ARCHITECTURE"
        )
