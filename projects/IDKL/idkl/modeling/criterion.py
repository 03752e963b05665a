"""The loss of IDKL: its terms by name, weighted as in eq. 21."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from fastreid.config import CfgNode
from fastreid.modeling.losses import triplet_loss
from torch import Tensor

from datasets_ext.errors import UserError

from ..losses import discrepancy_reducing_loss, discrimination_enhancing_loss, logit_kl_loss, tgsa_loss
from ..losses.precision import raise_half
from .head import IdentityOutput, IDKLOutput

TEACHERS = ("purified", "specific")
REDUCTIONS = ("mean", "sum")
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


class IDKLCriterion:
    """From the head's outputs to the weighted terms of eq. 21.

    Args:
        weights: of the terms.
        teacher: what is distilled, "purified" or "specific".
        detach_teacher: keep the distillation's gradient from the teacher.
        reduction: over the rows of TGSA, CSA and MDR, "mean" or "sum".
        affinity: ``MODEL.IDKL.AFFINITY``, how the graphs of TGSA and MDR are scaled.
        identity: fast-reid's ``MODEL.LOSSES``, which sets the cross-entropy and the triplet loss.
    """

    def __init__(
        self,
        weights: LossWeights,
        teacher: str,
        detach_teacher: bool,
        reduction: str,
        affinity: CfgNode,
        identity: CfgNode,
    ) -> None:
        self.weights = weights
        self.teacher = teacher
        self.detach_teacher = detach_teacher
        self.reduction = reduction
        self.graph_loss = functools.partial(
            tgsa_loss, reduction=reduction, normalize=affinity.NORMALIZE, temperature=affinity.TEMPERATURE
        )
        self.identity = identity

    @classmethod
    def from_config(cls, cfg: CfgNode) -> IDKLCriterion:
        """Build from ``MODEL.IDKL`` and ``MODEL.LOSSES``; :class:`UserError` for a value that cannot stand there."""
        idkl, losses = cfg.MODEL.IDKL, cfg.MODEL.LOSSES
        if idkl.TEACHER not in TEACHERS:
            raise UserError(f"MODEL.IDKL.TEACHER {idkl.TEACHER} is unknown: choose from {TEACHERS}")
        if idkl.REDUCTION not in REDUCTIONS:
            raise UserError(f"MODEL.IDKL.REDUCTION {idkl.REDUCTION} is unknown: choose from {REDUCTIONS}")
        if unknown := [name for name in losses.NAME if name not in IDENTITY_LOSSES]:
            raise UserError(f"MODEL.LOSSES.NAME {unknown[0]}: IDKL's identity losses are {IDENTITY_LOSSES}")
        return cls(
            LossWeights.from_config(idkl.WEIGHTS),
            idkl.TEACHER,
            idkl.DETACH_TEACHER,
            idkl.REDUCTION,
            idkl.AFFINITY,
            losses,
        )

    def __call__(self, outputs: IDKLOutput, targets: Tensor, modalities: Tensor) -> dict[str, Tensor]:
        """The weighted terms by name; their sum is the total loss.

        Args:
            outputs: of a batch of N visible, then N infrared rows.
            targets: identities, int ``[2N]``.
            modalities: 0 visible, 1 infrared, int ``[2N]``.
        """
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
        if self.detach_teacher:
            teacher = replace(teacher, feature=teacher.feature.detach(), logits=teacher.logits.detach())
        losses = {}
        if self.weights.tgsa > 0:
            pairs = zip(teacher.feature.chunk(2), student.feature.chunk(2), strict=True)
            visible, infrared = (self.graph_loss(t, s) for t, s in pairs)
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
        graph = self.graph_loss(f_visible, f_infrared)
        logits = logit_kl_loss(z_visible, z_infrared, self.reduction)
        return {"loss_mdr": self.weights.mdr * (graph + logits)}

    def _identity_losses(self, output: IdentityOutput, targets: Tensor, name: str, weight: float) -> dict[str, Tensor]:
        """L_reid: cross-entropy and batch-hard triplet loss, as ``MODEL.LOSSES`` sets them."""
        if weight == 0:
            return {}
        losses, options = {}, self.identity
        if "CrossEntropyLoss" in options.NAME:
            # Not fast-reid's cross-entropy: that one averages over the samples whose loss is not yet 0.
            # Identity -1 marks the batches of fast-reid's PreciseBN, whose losses nobody reads.
            loss = F.cross_entropy(
                raise_half(output.margin_logits), targets, ignore_index=-1, label_smoothing=options.CE.EPSILON
            )
            losses[f"loss_cls_{name}"] = weight * options.CE.SCALE * loss
        if "TripletLoss" in options.NAME:
            tri = options.TRI
            loss = triplet_loss(raise_half(output.feature), targets, tri.MARGIN, tri.NORM_FEAT, tri.HARD_MINING)
            losses[f"loss_triplet_{name}"] = weight * tri.SCALE * loss
        return losses


def _modality_loss(logits: list[Tensor], modalities: Tensor) -> Tensor:
    """Cross-entropy against the modality (eq. 2 and 3), summed over the stages (eq. 4)."""
    return torch.stack([F.cross_entropy(raise_half(stage), modalities) for stage in logits]).sum()
