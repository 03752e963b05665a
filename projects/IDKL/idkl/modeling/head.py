"""The head of IDKL: identity heads of both branches, the purifier, the modality classifiers."""

from __future__ import annotations

from dataclasses import dataclass

from fastreid.config import CfgNode, configurable
from fastreid.modeling.heads import REID_HEADS_REGISTRY, EmbeddingHead
from torch import Tensor, nn

from datasets_ext.errors import UserError

from ..losses.precision import raise_half
from .backbone import STAGES, DualStreamFeatures
from .modality_classifier import ModalityClassifier, modality_confuser
from .pooling import GeneralizedMeanPool
from .purifier import InformationPurifier, Purified


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


@dataclass(frozen=True)
class IDKLOutput:
    """Everything the losses need of one training batch."""

    shared: IdentityOutput
    specific: IdentityOutput
    purifier: PurifierOutput | None
    confusers: list[Tensor]  # modality logits [B, 2] of the shared branch, one a stage
    discriminators: list[Tensor]  # of the specific branch


@REID_HEADS_REGISTRY.register()
class IDKLHead(nn.Module):
    """Heads of the shared and of the specific branch, the purifier between them, and the modality classifiers.

    The specific head C_sp (one BN-neck, one classifier) serves f_sp, F_d+ and the purified feature alike. Every map is
    pooled here, once, by generalised mean pooling.

    Args:
        shared, specific: fast-reid embedding heads of pooled features.
        purifier: None leaves purification out.
        confusers, discriminators: modality classifiers by ResNet stage (as text).
    """

    @configurable
    def __init__(
        self,
        *,
        shared: EmbeddingHead,
        specific: EmbeddingHead,
        purifier: InformationPurifier | None,
        confusers: dict[str, nn.Module],
        discriminators: dict[str, nn.Module],
    ) -> None:
        super().__init__()
        self.pool = GeneralizedMeanPool()
        self.shared = shared
        self.specific = specific
        self.purifier = purifier
        self.confusers = nn.ModuleDict(confusers)
        self.discriminators = nn.ModuleDict(discriminators)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, object]:
        if cfg.MODEL.HEADS.POOL_LAYER != "GeneralizedMeanPooling":
            raise UserError(
                f"MODEL.HEADS.POOL_LAYER {cfg.MODEL.HEADS.POOL_LAYER}: IDKL pools by GeneralizedMeanPooling everywhere"
            )
        idkl, channels = cfg.MODEL.IDKL, _stage_channels(cfg)
        stages = [(str(stage), channels[stage]) for stage in _check_stages(idkl.STAGES)]
        weights = idkl.WEIGHTS
        return {
            "shared": _identity_head(cfg),
            "specific": _identity_head(cfg),
            "purifier": InformationPurifier(channels[4], idkl.PURIFIER_REDUCTION) if weights.IP > 0 else None,
            "confusers": {stage: modality_confuser(size, idkl.REVERSAL_SCALE) for stage, size in stages}
            if weights.CONFUSER > 0
            else {},
            "discriminators": {stage: ModalityClassifier(size) for stage, size in stages}
            if weights.DISCRIMINATOR > 0
            else {},
        }

    def forward(self, features: DualStreamFeatures | Tensor, targets: Tensor | None = None) -> IDKLOutput | Tensor:
        """In training, both branches' maps to an :class:`IDKLOutput`; in evaluation, the shared map
        ``[B, D, h, w]`` to its BN-neck embedding ``[B, D]``."""
        if isinstance(features, Tensor):
            return self.shared(self.pool(raise_half(features))[:, :, None, None])
        # Pooling cubes its input, which half precision cannot hold: from here on in full, also under autocast.
        shared_maps = {stage: raise_half(features.shared[stage]) for stage in _stages(self.confusers)}
        specific_maps = {stage: raise_half(features.specific[stage]) for stage in _stages(self.discriminators)}
        shared = {stage: self.pool(feature_map) for stage, feature_map in shared_maps.items()}
        specific = {stage: self.pool(feature_map) for stage, feature_map in specific_maps.items()}
        return IDKLOutput(
            shared=_identify(self.shared, shared[4], targets),
            specific=_identify(self.specific, specific[4], targets),
            purifier=None
            if self.purifier is None
            else self._purify(self.purifier.pooled(specific_maps[4], specific[4]), targets),
            confusers=[confuser(shared[int(stage)]) for stage, confuser in self.confusers.items()],
            discriminators=[classifier(specific[int(stage)]) for stage, classifier in self.discriminators.items()],
        )

    def _purify(self, pooled: Purified, targets: Tensor | None) -> PurifierOutput:
        return PurifierOutput(
            identity=_identify(self.specific, pooled.purified, targets),
            enhanced_logits=_identify(self.specific, pooled.enhanced, targets).logits,
            reduced=pooled.reduced,
            normalized=pooled.normalized,
        )


def _identity_head(cfg: CfgNode) -> EmbeddingHead:
    """fast-reid's embedding head without its pooling."""
    head = EmbeddingHead(cfg)
    head.pool_layer = nn.Identity()
    return head


def _identify(head: EmbeddingHead, pooled: Tensor, targets: Tensor | None) -> IdentityOutput:
    output = head(pooled[:, :, None, None], targets)
    return IdentityOutput(output["features"], output["pred_class_logits"], output["cls_outputs"])


def _stages(classifiers: nn.ModuleDict) -> set[int]:
    """The stages whose pooled maps are needed: the last, and those of the modality classifiers."""
    return {4, *map(int, classifiers)}


def _stage_channels(cfg: CfgNode) -> dict[int, int]:
    """Stage 4 has the backbone's output channels, and every ResNet stage has half of the next."""
    return {4: cfg.MODEL.BACKBONE.FEAT_DIM, 3: cfg.MODEL.BACKBONE.FEAT_DIM // 2}


def _check_stages(stages: tuple[int, ...]) -> list[int]:
    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise UserError(f"MODEL.IDKL.STAGES {list(stages)}: {unknown[0]} is no stage of a branch; choose from {STAGES}")
    return sorted(set(stages))
