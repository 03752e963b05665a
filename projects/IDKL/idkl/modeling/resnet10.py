"""ResNet-10: ResNet-18 with one block a stage, for studies that two CPU cores must finish."""

from __future__ import annotations

from fastreid.config import CfgNode
from fastreid.modeling.backbones.resnet import BasicBlock, ResNet


def build_resnet10(cfg: CfgNode) -> ResNet:
    """fast-reid's ResNet at a depth for which it has no name, and nobody publishes weights.

    Args:
        cfg: of which ``MODEL.BACKBONE`` is read: LAST_STRIDE, NORM, WITH_IBN, WITH_SE.
    """
    options = cfg.MODEL.BACKBONE
    return ResNet(
        options.LAST_STRIDE, options.NORM, options.WITH_IBN, options.WITH_SE, False, BasicBlock, [1] * 4, [0] * 4
    )
