"""ImageNet weights: loaded into both branches, from a path or torch's cache, and refused when they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fastreid.config import CfgNode
from fastreid.modeling.backbones import build_backbone
from fastreid.modeling.backbones.resnet import build_resnet_backbone
from torch import Tensor

from datasets_ext.errors import UserError
from idkl.modeling import pretrained


@pytest.fixture
def weights(cfg: CfgNode) -> dict[str, Tensor]:
    torch.manual_seed(5)
    state = build_resnet_backbone(cfg).state_dict()
    # As published: with the ImageNet classifier, without the counters that newer torch adds.
    state = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    return {**state, "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}


def test_path_fills_both_branches(cfg: CfgNode, weights: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "resnet18.pth")
    cfg.merge_from_list(
        ["MODEL.BACKBONE.PRETRAIN", True, "MODEL.BACKBONE.PRETRAIN_PATH", str(tmp_path / "resnet18.pth")]
    )
    torch.manual_seed(6)
    backbone = build_backbone(cfg)
    assert torch.equal(backbone.stem[0].weight, weights["conv1.weight"])
    for branch in (backbone.shared, backbone.specific):
        assert torch.equal(branch[1][1].conv2.weight, weights["layer4.1.conv2.weight"])


def test_cache_is_used_without_the_network(
    cfg: CfgNode, weights: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(weights, tmp_path / "hub" / "checkpoints" / "resnet18-5c106cde.pth")
    cfg.MODEL.BACKBONE.PRETRAIN = True
    assert torch.equal(build_backbone(cfg).stem[0].weight, weights["conv1.weight"])


def test_neither_cached_nor_reachable(cfg: CfgNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained.urllib.request, "urlopen", unreachable)
    cfg.MODEL.BACKBONE.PRETRAIN = True
    with pytest.raises(UserError, match=r"neither at .*resnet18-5c106cde.pth nor reachable \(no route\)"):
        build_backbone(cfg)


def test_unfit_missing_and_broken_files(cfg: CfgNode, weights: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    cfg.merge_from_list(["MODEL.BACKBONE.PRETRAIN", True, "MODEL.BACKBONE.PRETRAIN_PATH", str(path)])
    with pytest.raises(UserError, match="weights.pth is missing: check the path"):
        build_backbone(cfg)
    del weights["layer1.0.conv1.weight"]
    torch.save(weights, path)
    with pytest.raises(UserError, match="1 parameters missing"):
        build_backbone(cfg)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="is truncated, damaged or no such file"):
        build_backbone(cfg)
