"""IDKL as a fast-reid meta-architecture: backbone, head, and the weighted sum of its losses (eq. 21)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from fastreid.config import CfgNode, configurable
from fastreid.modeling.backbones import build_backbone
from fastreid.modeling.heads import build_heads
from fastreid.modeling.losses import triplet_loss
from fastreid.modeling.meta_arch import META_ARCH_REGISTRY
from fastreid.modeling.meta_arch.baseline import Baseline
from torch import Tensor, nn

from datasets_ext.errors import UserError

from ..losses import discrepancy_reducing_loss, discrimination_enhancing_loss, logit_kl_loss, tgsa_loss
from ..losses.precision import raise_half
from .head import IdentityOutput, IDKLOutput

TEACHERS = ("purified", "specific")
IDENTITY_LOSSES = ("CrossEntropyLoss", "TripletLoss")


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms, named as in ``MODEL.IDKL.WEIGHTS``; a term with weight 0 is not computed."""

    reid_shared: float
    reid_specific: float
    confuser: float
    discriminator: float
    ip: float
    enhance: float
    reduce: float
    reid_purified: float
    tgsa: float
    csa: float
    mdr: float

    @classmethod
    def from_config(cls, weights: CfgNode) -> LossWeights:
        values = {name.lower(): float(value) for name, value in weights.items()}
        if negative := [name for name, value in values.items() if value < 0]:
            raise UserError(f"MODEL.IDKL.WEIGHTS.{negative[0].upper()} is negative: 0 switches a term off")
        return cls(**values)


@META_ARCH_REGISTRY.register()
class IDKL(Baseline):
    """Implicit Discriminative Knowledge Learning (CVPR 2024).

    In training it takes a batch of N visible then N infrared images, in which row i of the one half and row i of the
    other share an identity, and returns the weighted terms of eq. 21 by name; their sum is the total loss. In
    evaluation it returns the shared branch's embeddings ``[B, D]``.

    Attributes:
        metrics: of the last training batch, detached scalars: how often identities and modalities were told right.
    """

    @configurable
    def __init__(
        self,
        *,
        backbone: nn.Module,
        heads: nn.Module,
        weights: LossWeights,
        teacher: str,
        reduction: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(backbone=backbone, heads=heads, **kwargs)
        self.weights = weights
        self.teacher = teacher
        self.reduction = reduction
        self.metrics: dict[str, Tensor] = {}
        self._order_checked = False

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        idkl = cfg.MODEL.IDKL
        _check_config(cfg)
        backbone = build_backbone(cfg)
        sized = cfg.clone()
        sized.defrost()
        sized.MODEL.BACKBONE.FEAT_DIM = backbone.feature_dim
        return {
            "backbone": backbone,
            "heads": build_heads(sized),
            "weights": LossWeights.from_config(idkl.WEIGHTS),
            "teacher": idkl.TEACHER,
            "reduction": idkl.REDUCTION,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "loss_kwargs": cfg.MODEL.LOSSES,
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
            self.metrics = _accuracies(outputs, targets, modalities)
            return self.losses(outputs, targets, modalities)

    def preprocess_image(self, batched_inputs: dict[str, Any] | Tensor) -> Tensor:
        """Normalise images ``[B, 3, H, W]``, 0..255, out of place: a flipped second pass needs them as they were."""
        images = batched_inputs["images"] if isinstance(batched_inputs, dict) else batched_inputs
        return (images - self.pixel_mean) / self.pixel_std

    def losses(self, outputs: IDKLOutput, targets: Tensor, modalities: Tensor) -> dict[str, Tensor]:
        """The weighted terms of eq. 21 by name."""
        return {
            **self._base_losses(outputs, targets, modalities),
            **self._purification_losses(outputs, targets, modalities),
            **self._distillation_losses(outputs),
            **self._discrepancy_losses(outputs.shared),
        }

    def _base_losses(self, outputs: IDKLOutput, targets: Tensor, modalities: Tensor) -> dict[str, Tensor]:
        """L_b (eq. 6): identity losses of both branches, confuser and discriminator."""
        losses = {
            **self._identity_losses(outputs.shared, targets, "shared", self.weights.reid_shared),
            **self._identity_losses(outputs.specific, targets, "specific", self.weights.reid_specific),
        }
        if outputs.confusers:
            losses["loss_confuser"] = self.weights.confuser * _modality_loss(outputs.confusers, modalities)
        if outputs.discriminators:
            losses["loss_discriminator"] = self.weights.discriminator * _modality_loss(
                outputs.discriminators, modalities
            )
        return losses

    def _purification_losses(self, outputs: IDKLOutput, targets: Tensor, modalities: Tensor) -> dict[str, Tensor]:
        """lambda_1 L_ip (eq. 13)."""
        purifier, weights = outputs.purifier, self.weights
        if purifier is None:
            return {}
        losses = self._identity_losses(purifier.identity, targets, "purified", weights.ip * weights.reid_purified)
        if weights.enhance > 0:
            enhancing = discrimination_enhancing_loss(purifier.enhanced_logits, outputs.specific.logits)
            losses["loss_enhance"] = weights.ip * weights.enhance * enhancing
        if weights.reduce > 0:
            reducing = discrepancy_reducing_loss(purifier.reduced, purifier.normalized, targets, modalities)
            losses["loss_reduce"] = weights.ip * weights.reduce * reducing
        return losses

    def _distillation_losses(self, outputs: IDKLOutput) -> dict[str, Tensor]:
        """lambda_2 L_tgsa (eq. 17) and lambda_3 L_csa (eq. 19): teacher to student, each modality by itself."""
        student, teacher = outputs.shared, outputs.specific
        if outputs.purifier is not None and self.teacher == "purified":
            teacher = outputs.purifier.identity
        losses = {}
        if self.weights.tgsa > 0:
            pairs = zip(teacher.feature.chunk(2), student.feature.chunk(2), strict=True)
            visible, infrared = (tgsa_loss(t, s, self.reduction) for t, s in pairs)
            losses["loss_tgsa"] = self.weights.tgsa * (visible + infrared)
        if self.weights.csa > 0:
            pairs = zip(student.logits.chunk(2), teacher.logits.chunk(2), strict=True)
            visible, infrared = (logit_kl_loss(s, t, self.reduction) for s, t in pairs)
            losses["loss_csa"] = self.weights.csa * (visible + infrared)
        return losses

    def _discrepancy_losses(self, shared: IdentityOutput) -> dict[str, Tensor]:
        """L_mdr (eq. 20): visible against infrared within the shared branch."""
        if self.weights.mdr == 0:
            return {}
        (f_visible, f_infrared), (z_visible, z_infrared) = shared.feature.chunk(2), shared.logits.chunk(2)
        graph = tgsa_loss(f_visible, f_infrared, self.reduction)
        logits = logit_kl_loss(z_visible, z_infrared, self.reduction)
        return {"loss_mdr": self.weights.mdr * (graph + logits)}

    def _identity_losses(self, output: IdentityOutput, targets: Tensor, name: str, weight: float) -> dict[str, Tensor]:
        """L_reid: cross-entropy and batch-hard triplet loss, as ``MODEL.LOSSES`` sets them."""
        if weight == 0:
            return {}
        losses, options = {}, self.loss_kwargs
        if "CrossEntropyLoss" in options.NAME:
            # Not fast-reid's cross-entropy: that one averages over the samples whose loss is not yet 0.
            loss = F.cross_entropy(raise_half(output.margin_logits), targets, label_smoothing=options.CE.EPSILON)
            losses[f"loss_cls_{name}"] = weight * options.CE.SCALE * loss
        if "TripletLoss" in options.NAME:
            tri = options.TRI
            loss = triplet_loss(raise_half(output.feature), targets, tri.MARGIN, tri.NORM_FEAT, tri.HARD_MINING)
            losses[f"loss_triplet_{name}"] = weight * tri.SCALE * loss
        return losses


def _modality_loss(logits: list[Tensor], modalities: Tensor) -> Tensor:
    """Cross-entropy against the modality (eq. 2 and 3), summed over the stages (eq. 4)."""
    return torch.stack([F.cross_entropy(raise_half(stage), modalities) for stage in logits]).sum()


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


def _check_config(cfg: CfgNode) -> None:
    idkl, losses = cfg.MODEL.IDKL, cfg.MODEL.LOSSES
    if idkl.TEACHER not in TEACHERS:
        raise UserError(f"MODEL.IDKL.TEACHER {idkl.TEACHER} is unknown: choose from {TEACHERS}")
    if idkl.REDUCTION not in ("mean", "sum"):
        raise UserError(f"MODEL.IDKL.REDUCTION {idkl.REDUCTION} is unknown: choose mean or sum")
    if unknown := [name for name in losses.NAME if name not in IDENTITY_LOSSES]:
        raise UserError(f"MODEL.LOSSES.NAME {unknown[0]}: IDKL's identity losses are {IDENTITY_LOSSES}")
    if cfg.MODEL.HEADS.NECK_FEAT != "before":
        raise UserError("MODEL.HEADS.NECK_FEAT must be before: IDKL compares features before the BN-neck")
