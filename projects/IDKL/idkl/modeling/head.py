"""The head of IDKL: identity heads of both branches, the purifier, the modality classifiers."""

from __future__ import annotations

from fastreid.config import CfgNode, configurable
from fastreid.modeling.heads import REID_HEADS_REGISTRY, EmbeddingHead
from torch import Tensor, nn

from datasets_ext.errors import UserError

from ..losses.precision import raise_half
from .backbone import STAGES, DualStreamFeatures
from .choice import chosen
from .confusion import confusion
from .modality_classifier import classifier_kind
from .outputs import IdentityOutput, IDKLOutput, PurifierOutput
from .pooling import GeneralizedMeanPool
from .positional_purifier import PositionalPurifier
from .purifier import InformationPurifier, Purified

Purifier = InformationPurifier | PositionalPurifier

PURIFIERS: dict[str, type[Purifier]] = {
    "pooled": InformationPurifier,
    "positional": PositionalPurifier,
}
ENTROPY_CLASSIFIERS = {"specific": False, "own": True}  # whether L_e has a classifier of its own


@REID_HEADS_REGISTRY.register()
class IDKLHead(nn.Module):
    """Heads of the shared and of the specific branch, the purifier between them, and the modality classifiers.

    The specific head C_sp (one BN-neck, one classifier) serves f_sp, F_d+ and the purified feature alike. Every map is
    pooled here, once, by generalised mean pooling.

    Args:
        shared, specific: fast-reid embedding heads of pooled features.
        purifier: None leaves purification out.
        entropy_classifier: bias-free, of pooled features, for L_e alone; None: C_sp serves L_e.
        confusers, discriminators: modality classifiers by ResNet stage (as text).
        classify_neck: these take the BN-neck feature of the last stage instead of their stage's pooled map.
    """

    @configurable
    def __init__(
        self,
        *,
        shared: EmbeddingHead,
        specific: EmbeddingHead,
        purifier: Purifier | None,
        entropy_classifier: nn.Linear | None,
        confusers: dict[str, nn.Module],
        discriminators: dict[str, nn.Module],
        classify_neck: bool,
    ) -> None:
        super().__init__()
        self.pool = GeneralizedMeanPool()
        self.shared = shared
        self.specific = specific
        self.purifier = purifier
        self.entropy_classifier = entropy_classifier
        self.confusers = nn.ModuleDict(confusers)
        self.discriminators = nn.ModuleDict(discriminators)
        self.classify_neck = classify_neck

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, object]:
        if cfg.MODEL.HEADS.POOL_LAYER != "GeneralizedMeanPooling":
            raise UserError(
                f"MODEL.HEADS.POOL_LAYER {cfg.MODEL.HEADS.POOL_LAYER}: IDKL pools by GeneralizedMeanPooling everywhere"
            )
        idkl, weights = cfg.MODEL.IDKL, cfg.MODEL.IDKL.WEIGHTS
        stages, kind, wrap = _stage_channels(cfg), classifier_kind(idkl), confusion(idkl).wrap
        purify = weights.IP > 0
        make_purifier = chosen("MODEL.IDKL.PURIFIER", idkl.PURIFIER, PURIFIERS)
        own = chosen("MODEL.IDKL.ENTROPY_CLASSIFIER", idkl.ENTROPY_CLASSIFIER, ENTROPY_CLASSIFIERS)
        return {
            "shared": _identity_head(cfg),
            "specific": _identity_head(cfg),
            "purifier": make_purifier(cfg.MODEL.BACKBONE.FEAT_DIM, idkl.PURIFIER_REDUCTION) if purify else None,
            "entropy_classifier": _entropy_classifier(cfg) if purify and own else None,
            "confusers": {
                stage: wrap(kind.make(idkl.MODALITY, size), idkl.REVERSAL_SCALE) for stage, size in stages.items()
            }
            if weights.CONFUSER > 0
            else {},
            "discriminators": {stage: kind.make(idkl.MODALITY, size) for stage, size in stages.items()}
            if weights.DISCRIMINATOR > 0
            else {},
            "classify_neck": kind.on_neck,
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
        shared_output, shared_neck = _identify(self.shared, shared[4], targets)
        specific_output, specific_neck = _identify(self.specific, specific[4], targets)
        purified = None if self.purifier is None else self.purifier.pooled(specific_maps[4], specific[4])
        return IDKLOutput(
            shared=shared_output,
            specific=specific_output,
            purifier=None if purified is None else self._purify(purified, specific[4], targets),
            confusers=_classify(self.confusers, {4: shared_neck} if self.classify_neck else shared),
            discriminators=_classify(self.discriminators, {4: specific_neck} if self.classify_neck else specific),
        )

    def _purify(self, pooled: Purified, pooled_specific: Tensor, targets: Tensor | None) -> PurifierOutput:
        own = self.entropy_classifier
        return PurifierOutput(
            identity=_identify(self.specific, pooled.purified, targets)[0],
            enhanced_logits=_identify(self.specific, pooled.enhanced, targets)[0].logits
            if own is None
            else own(pooled.enhanced),
            reduced=pooled.reduced,
            normalized=pooled.normalized,
            plain_logits=None if own is None else own(pooled_specific),
        )


def _identity_head(cfg: CfgNode) -> EmbeddingHead:
    """fast-reid's embedding head without its pooling; as features it gives those behind the BN-neck."""
    head = EmbeddingHead(cfg)
    head.pool_layer = nn.Identity()
    head.neck_feat = "after"
    return head


def _identify(head: EmbeddingHead, pooled: Tensor, targets: Tensor | None) -> tuple[IdentityOutput, Tensor]:
    """What the head says of pooled features ``[B, D]``, and these behind the BN-neck."""
    columns = pooled[:, :, None, None]
    output = head(columns, targets)
    return IdentityOutput(columns[..., 0, 0], output["pred_class_logits"], output["cls_outputs"]), output["features"]


def _entropy_classifier(cfg: CfgNode) -> nn.Linear:
    classifier = nn.Linear(cfg.MODEL.BACKBONE.FEAT_DIM, cfg.MODEL.HEADS.NUM_CLASSES, bias=False)
    nn.init.normal_(classifier.weight, std=0.01)
    return classifier


def _classify(classifiers: nn.ModuleDict, features: dict[int, Tensor]) -> list[Tensor]:
    """Modality logits ``[B, 2]`` of each classifier, by the features ``[B, C]`` of its stage."""
    return [classifier(features[int(stage)]) for stage, classifier in classifiers.items()]


def _stages(classifiers: nn.ModuleDict) -> set[int]:
    """The stages whose pooled maps are needed: the last, and those of the modality classifiers."""
    return {4, *map(int, classifiers)}


def _stage_channels(cfg: CfgNode) -> dict[str, int]:
    """Channels of the chosen stages (as text): stage 4 has the backbone's, and every stage has half of the next."""
    stages, channels = cfg.MODEL.IDKL.STAGES, {4: cfg.MODEL.BACKBONE.FEAT_DIM, 3: cfg.MODEL.BACKBONE.FEAT_DIM // 2}
    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise UserError(f"MODEL.IDKL.STAGES {list(stages)}: {unknown[0]} is no stage of a branch; choose from {STAGES}")
    return {str(stage): channels[stage] for stage in sorted(set(stages))}
