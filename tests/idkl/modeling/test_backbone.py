from __future__ import annotations

import pytest
import torch
from fastreid.config import CfgNode
from fastreid.modeling.backbones import build_backbone
from fastreid.modeling.backbones.resnet import build_resnet_backbone

from datasets_ext.errors import UserError
from idkl.modeling import DualStreamFeatures


@pytest.mark.parametrize(
    ("depth", "options", "channels"),
    [
        ("10x", {}, 256),
        ("18x", {}, 512),
        ("34x", {"WITH_IBN": True}, 512),
        ("50x", {"WITH_IBN": True, "WITH_SE": True}, 2048),
        ("101x", {}, 2048),
    ],
)
def test_every_depth(cfg: CfgNode, depth: str, options: dict[str, bool], channels: int) -> None:
    cfg.MODEL.BACKBONE.DEPTH = depth
    for name, value in options.items():
        cfg.MODEL.BACKBONE[name] = value
    backbone = build_backbone(cfg)
    images = torch.rand(2, 3, 64, 32)
    features = backbone(images)
    assert isinstance(features, DualStreamFeatures)
    assert features.shared[4].shape == features.specific[4].shape == (2, channels, 4, 2)  # last stride 1
    assert features.shared[3].shape == (2, channels // 2, 4, 2)
    assert backbone.feature_dim == channels and backbone.stage_channels[3] == channels // 2
    assert backbone.eval()(images).shape == (2, channels, 4, 2)


def test_branches_are_the_two_copies_of_one_resnet(cfg: CfgNode) -> None:
    torch.manual_seed(3)
    backbone = build_backbone(cfg).eval()
    torch.manual_seed(3)
    resnet = build_resnet_backbone(cfg).eval()
    images = torch.rand(2, 3, 64, 32)
    with torch.no_grad():
        expected = resnet(images)
        assert torch.equal(backbone(images), expected)
        assert torch.equal(backbone.specific(backbone.stem(images)), expected)
    shared = {id(parameter) for parameter in backbone.shared.parameters()}
    assert not shared & {id(parameter) for parameter in backbone.specific.parameters()}


def test_specific_branch_does_not_run_in_evaluation(cfg: CfgNode) -> None:
    backbone = build_backbone(cfg)
    runs: list[str] = []
    backbone.specific.register_forward_hook(lambda *_: runs.append("whole"))
    for layer in backbone.specific:
        layer.register_forward_hook(lambda *_: runs.append("layer"))
    backbone.eval()(torch.rand(2, 3, 64, 32))
    assert runs == []
    backbone.train()(torch.rand(2, 3, 64, 32))
    assert runs == ["layer", "layer"]


def test_non_local_blocks_and_unknown_depths_are_refused(cfg: CfgNode) -> None:
    cfg.MODEL.BACKBONE.WITH_NL = True
    with pytest.raises(UserError, match="WITH_NL"):
        build_backbone(cfg)
    cfg.MODEL.BACKBONE.WITH_NL = False
    cfg.MODEL.BACKBONE.DEPTH = "19x"
    with pytest.raises(UserError, match="19x is unknown"):
        build_backbone(cfg)
