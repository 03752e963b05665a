"""The dual-stream ResNet: one stem, two tails (eq. 1)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

from fastreid.config import CfgNode
from fastreid.modeling.backbones import BACKBONE_REGISTRY
from fastreid.modeling.backbones.resnet import ResNet, build_resnet_backbone
from torch import Tensor, nn

from datasets_ext.errors import UserError

from .pretrained import load_pretrained

STAGES = (3, 4)  # the stages that each branch has of its own


@dataclass(frozen=True)
class DualStreamFeatures:
    """Feature maps ``[B, C, H, W]`` of both branches by ResNet stage (3 and 4)."""

    shared: dict[int, Tensor]
    specific: dict[int, Tensor]


class DualStreamResNet(nn.Module):
    """A ResNet whose layer3 and layer4 exist twice.

    Stem, layer1 and layer2 (Theta) serve both branches; layer3 and layer4 are one pair for the specific branch (Psi)
    and one for the shared branch (Phi), both starting from the same weights.

    Args:
        resnet: a fast-reid ResNet of any depth, with or without IBN or SE blocks.
    """

    def __init__(self, resnet: ResNet) -> None:
        super().__init__()
        self.stem = nn.Sequential(resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool, resnet.layer1, resnet.layer2)
        self.shared = nn.Sequential(resnet.layer3, resnet.layer4)
        self.specific = copy.deepcopy(self.shared)
        self.stage_channels = {3: _channels(resnet.layer3), 4: _channels(resnet.layer4)}

    @property
    def feature_dim(self) -> int:
        return self.stage_channels[4]

    def forward(self, images: Tensor) -> DualStreamFeatures | Tensor:
        """Normalised images ``[B, 3, H, W]`` to both branches' maps in training, to the shared branch's last map
        ``[B, C, h, w]`` in evaluation, where the specific branch does not run."""
        common = self.stem(images)
        if not self.training:
            return self.shared(common)
        return DualStreamFeatures(
            shared=dict(zip(STAGES, _stages(self.shared, common), strict=True)),
            specific=dict(zip(STAGES, _stages(self.specific, common), strict=True)),
        )


def _stages(tail: nn.Sequential, x: Tensor) -> Iterator[Tensor]:
    for layer in tail:
        x = layer(x)
        yield x


def _channels(layer: nn.Sequential) -> int:
    """Output channels of a ResNet layer: those of the last convolution of its last block."""
    return [module for module in layer[-1].modules() if isinstance(module, nn.Conv2d)][-1].out_channels


@BACKBONE_REGISTRY.register()
def build_dual_stream_resnet_backbone(cfg: CfgNode) -> DualStreamResNet:
    """The dual-stream backbone of ``MODEL.BACKBONE`` (DEPTH "18x" to "101x", LAST_STRIDE, WITH_IBN, WITH_SE, NORM).

    Raises:
        UserError: ``WITH_NL`` (non-local blocks sit between the layers and would be lost), an unknown depth, or
            ImageNet weights that ``PRETRAIN`` asks for and that are not to be had.
    """
    if cfg.MODEL.BACKBONE.WITH_NL:
        raise UserError("MODEL.BACKBONE.WITH_NL True: the dual-stream backbone has no non-local blocks; set it False")
    if cfg.MODEL.BACKBONE.DEPTH not in ("18x", "34x", "50x", "101x"):
        raise UserError(f"MODEL.BACKBONE.DEPTH {cfg.MODEL.BACKBONE.DEPTH} is unknown: choose 18x, 34x, 50x or 101x")
    plain = cfg.clone()
    plain.defrost()
    plain.MODEL.BACKBONE.PRETRAIN = False
    resnet = build_resnet_backbone(plain)
    if cfg.MODEL.BACKBONE.PRETRAIN:
        load_pretrained(resnet, cfg.MODEL.BACKBONE)
    return DualStreamResNet(resnet)
