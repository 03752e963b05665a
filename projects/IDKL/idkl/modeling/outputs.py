"""What the head says of a training batch, for the losses."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class IdentityOutput:
    """What an identity head says of one pooled feature map."""

    feature: Tensor  # pooled, before the BN-neck, [B, D]
    logits: Tensor  # of the classifier, [B, C]
    margin_logits: Tensor  # the same with the margin of MODEL.HEADS.CLS_LAYER, for cross-entropy, [B, C]


@dataclass(frozen=True)
class PurifierOutput:
    """What the purifier adds: the purified feature, and what L_e and L_r compare."""

    identity: IdentityOutput  # of the purified map
    enhanced_logits: Tensor  # of F_d+, [B, C]
    reduced: Tensor  # pooled Fhat_m-, [B, D]
    normalized: Tensor  # pooled Fhat, [B, D]
    plain_logits: Tensor | None = None  # of F_sp, where L_e has its own classifier; else those of the specific branch


@dataclass(frozen=True)
class IDKLOutput:
    """Everything the losses need of one training batch."""

    shared: IdentityOutput
    specific: IdentityOutput
    purifier: PurifierOutput | None
    confusers: list[Tensor]  # modality logits [B, 2] of the shared branch, one a stage
    discriminators: list[Tensor]  # of the specific branch
