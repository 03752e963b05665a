"""A ResNet for studies that two CPU cores must finish: ResNet-18 with one block a stage and half its channels."""

from __future__ import annotations

from typing import Any

from fastreid.config import CfgNode
from fastreid.modeling.backbones.resnet import BasicBlock, ResNet
from torch import nn


class _HalfWidth(ResNet):
    """fast-reid's ResNet, whose stages have half as many channels; the stem keeps its 64."""

    def _make_layer(self, block: type[nn.Module], planes: int, *args: Any, **kwargs: Any) -> nn.Sequential:
        return super()._make_layer(block, planes // 2, *args, **kwargs)


def build_resnet10(cfg: CfgNode) -> ResNet:
    """Ten layers, 256 channels at the end; no weights are published for it.

    Args:
        cfg: of which ``MODEL.BACKBONE`` is read: LAST_STRIDE, NORM, WITH_IBN, WITH_SE.
    """
    options = cfg.MODEL.BACKBONE
    return _HalfWidth(
        options.LAST_STRIDE, options.NORM, options.WITH_IBN, options.WITH_SE, False, BasicBlock, [1] * 4, [0] * 4
    )
