"""The loss of IDKL: its terms by name, weighted as in eq. 21."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from fastreid.config import CfgNode
from fastreid.modeling.losses import triplet_loss
from torch import Tensor

from datasets_ext.errors import UserError

from ..losses import discrepancy_reducing_loss, discrimination_enhancing_loss
from ..losses.penalty import PENALTIES
from ..losses.precision import raise_half
from .alignment import Alignment
from .choice import chosen
from .confusion import confusion
from .loss_weights import LossWeights
from .outputs import IdentityOutput, IDKLOutput

TEACHERS = dict.fromkeys(("purified", "specific"))
IDENTITY_LOSSES = ("CrossEntropyLoss", "TripletLoss")


class IDKLCriterion:
    """From the head's outputs to the weighted terms of eq. 21.

    Args:
        weights: of the terms.
        teacher: what is distilled, "purified" or "specific".
        detach_teacher: keep the distillation's gradient from the teacher.
        alignment: the losses between two features.
        enhance: L_e of logits ``[B, C]`` of F_d+ and of the plain feature.
        reduce: L_r of pooled Fhat_m- and Fhat ``[B, D]``, identities and modalities ``[B]``.
        confuse: the confusers' labels, from the modalities.
        identity: fast-reid's ``MODEL.LOSSES``, which sets the cross-entropy and the triplet loss.
    """

    def __init__(
        self,
        *,
        weights: LossWeights,
        teacher: str,
        detach_teacher: bool,
        alignment: Alignment,
        enhance: Callable[[Tensor, Tensor], Tensor],
        reduce: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
        confuse: Callable[[Tensor], Tensor],
        identity: CfgNode,
    ) -> None:
        self.weights = weights
        self.teacher = teacher
        self.detach_teacher = detach_teacher
        self.alignment = alignment
        self.enhance = enhance
        self.reduce = reduce
        self.confuse = confuse
        self.identity = identity

    @classmethod
    def from_config(cls, cfg: CfgNode) -> IDKLCriterion:
        """Build from ``MODEL.IDKL`` and ``MODEL.LOSSES``; :class:`UserError` for a value that cannot stand there."""
        idkl, losses = cfg.MODEL.IDKL, cfg.MODEL.LOSSES
        chosen("MODEL.IDKL.TEACHER", idkl.TEACHER, TEACHERS)
        enhance = chosen("MODEL.IDKL.ENHANCE_PENALTY", idkl.ENHANCE_PENALTY, PENALTIES)
        reduce = chosen("MODEL.IDKL.REDUCE_PENALTY", idkl.REDUCE_PENALTY, PENALTIES)
        if unknown := [name for name in losses.NAME if name not in IDENTITY_LOSSES]:
            raise UserError(f"MODEL.LOSSES.NAME {unknown[0]}: IDKL's identity losses are {IDENTITY_LOSSES}")
        return cls(
            weights=LossWeights.from_config(idkl.WEIGHTS),
            teacher=idkl.TEACHER,
            detach_teacher=idkl.DETACH_TEACHER,
            alignment=Alignment.from_config(idkl),
            enhance=partial(discrimination_enhancing_loss, penalty=enhance),
            reduce=partial(discrepancy_reducing_loss, penalty=reduce),
            confuse=confusion(idkl).labels,
            identity=losses,
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
            **self._distillation_losses(outputs, targets),
            **self._discrepancy_losses(outputs.shared, targets),
        }

    def _base_losses(self, outputs: IDKLOutput, targets: Tensor, modalities: Tensor) -> dict[str, Tensor]:
        """L_b (eq. 6): identity losses of both branches, confuser and discriminator."""
        losses = {
            **self._identity_losses(outputs.shared, targets, "shared", self.weights.reid_shared),
            **self._identity_losses(outputs.specific, targets, "specific", self.weights.reid_specific),
        }
        if outputs.confusers:
            losses["loss_confuser"] = self.weights.confuser * _modality_loss(
                outputs.confusers, self.confuse(modalities)
            )
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
            plain = outputs.specific.logits if purifier.plain_logits is None else purifier.plain_logits
            enhancing = self.enhance(purifier.enhanced_logits, plain)
            losses["loss_enhance"] = weights.ip * weights.enhance * enhancing
        if weights.reduce > 0:
            reducing = self.reduce(purifier.reduced, purifier.normalized, targets, modalities)
            losses["loss_reduce"] = weights.ip * weights.reduce * reducing
        return losses

    def _distillation_losses(self, outputs: IDKLOutput, targets: Tensor) -> dict[str, Tensor]:
        """lambda_2 L_tgsa (eq. 17) and lambda_3 L_csa (eq. 19): teacher to student, each modality by itself."""
        student, teacher = outputs.shared, outputs.specific
        if outputs.purifier is not None and self.teacher == "purified":
            teacher = outputs.purifier.identity
        if self.detach_teacher:
            teacher = replace(teacher, feature=teacher.feature.detach(), logits=teacher.logits.detach())
        losses = {}
        if self.weights.tgsa > 0:
            pairs = zip(teacher.feature.chunk(2), student.feature.chunk(2), strict=True)
            visible, infrared = (self.alignment.across(t, s) for t, s in pairs)
            losses["loss_tgsa"] = self.weights.tgsa * (visible + infrared)
        if self.weights.csa > 0:
            halves = zip(student.logits.chunk(2), teacher.logits.chunk(2), targets.chunk(2), strict=True)
            visible, infrared = (self.alignment.logits(s, t, rows) for s, t, rows in halves)
            losses["loss_csa"] = self.weights.csa * (visible + infrared)
        return losses

    def _discrepancy_losses(self, shared: IdentityOutput, targets: Tensor) -> dict[str, Tensor]:
        """L_mdr (eq. 20): visible against infrared within the shared branch, by their graphs and by their logits."""
        weights, terms = self.weights, []
        if weights.mdr * weights.mdr_graph > 0:
            visible, infrared = shared.feature.chunk(2)
            terms.append(weights.mdr_graph * self.alignment.within(visible, infrared))
        if weights.mdr * weights.mdr_logits > 0:
            visible, infrared = shared.logits.chunk(2)
            terms.append(weights.mdr_logits * self.alignment.logits(visible, infrared, targets.chunk(2)[0]))
        return {"loss_mdr": weights.mdr * sum(terms[1:], terms[0])} if terms else {}

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
