"""The dual-stream ResNet: one stem, two tails (eq. 1)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from fastreid.config import CfgNode
from fastreid.modeling.backbones import BACKBONE_REGISTRY
from fastreid.modeling.backbones.resnet import ResNet, build_resnet_backbone
from torch import Tensor, nn

from datasets_ext.errors import UserError

from .choice import chosen
from .pretrained import load_pretrained
from .recompute import recomputed
from .resnet10 import build_resnet10

STAGES = (3, 4)  # the stages that each branch has of its own
# How the stem's max-pooling windows lie: as in fast-reid, or as in torchvision.
MAX_POOLS: dict[str, dict[str, Any]] = {"ceil": {"ceil_mode": True}, "padded": {"padding": 1}}


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
        checkpoint_stages: stages (0 the stem, 1 to 4, the last two in both branches) of whose blocks only the inputs
            are kept for the backward pass, which runs the blocks again. Results stay the same.
        chunks: parts of a training batch that go through one after the other, of which only the outputs are kept. A
            part holds as many visible as infrared images; the batch statistics of BN are a part's, and its running
            statistics are updated once a part.
    """

    def __init__(self, resnet: ResNet, checkpoint_stages: Iterable[int] = (), chunks: int = 1) -> None:
        super().__init__()
        self.stem = nn.Sequential(resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool, resnet.layer1, resnet.layer2)
        self.shared = nn.Sequential(resnet.layer3, resnet.layer4)
        self.specific = copy.deepcopy(self.shared)
        self.stage_channels = {3: _channels(resnet.layer3), 4: _channels(resnet.layer4)}
        self.checkpoint_stages = frozenset(checkpoint_stages)
        self.chunks = chunks

    @property
    def feature_dim(self) -> int:
        return self.stage_channels[4]

    def forward(self, images: Tensor) -> DualStreamFeatures | Tensor:
        """Normalised images ``[B, 3, H, W]`` to both branches' maps in training, to the shared branch's last map
        ``[B, C, h, w]`` in evaluation, where the specific branch does not run.

        Raises:
            UserError: in training with ``chunks``, the batch cannot be divided into them.
        """
        if not self.training:
            return self.shared(self.stem(images))
        if self.chunks > 1 and torch.is_grad_enabled():  # without gradients nothing is kept: no reason to divide
            return self._both_in_chunks(images)
        return self._both(images)

    def _both(self, images: Tensor) -> DualStreamFeatures:
        common = self._common(images)
        return DualStreamFeatures(
            shared=dict(zip(STAGES, self._stages(self.shared, common), strict=True)),
            specific=dict(zip(STAGES, self._stages(self.specific, common), strict=True)),
        )

    def _common(self, images: Tensor) -> Tensor:
        if self.checkpoint_stages.isdisjoint((0, 1, 2)):
            return self.stem(images)
        first = self.stem[:4]  # convolution, BN, ReLU, pooling: one block
        x = recomputed(first, first, images) if 0 in self.checkpoint_stages else first(images)
        for stage, layer in enumerate(self.stem[4:], start=1):
            x = self._stage(stage, layer, x)
        return x

    def _stages(self, tail: nn.Sequential, x: Tensor) -> Iterator[Tensor]:
        for stage, layer in zip(STAGES, tail, strict=True):
            x = self._stage(stage, layer, x)
            yield x

    def _stage(self, stage: int, layer: nn.Module, x: Tensor) -> Tensor:
        if stage not in self.checkpoint_stages:
            return layer(x)
        for block in layer.children():
            x = recomputed(block, block, x)
        return x

    def _both_in_chunks(self, images: Tensor) -> DualStreamFeatures:
        if len(images) % (2 * self.chunks):
            raise UserError(
                f"MODEL.BACKBONE.CHUNKS {self.chunks} does not divide a process's batch of {len(images)} images, half "
                f"visible, half infrared: make its share of SOLVER.IMS_PER_BATCH a multiple of {2 * self.chunks}"
            )
        rows = len(images) // (2 * self.chunks)  # of each modality in a part
        parts = [recomputed(self, self._part, images, start, rows) for start in range(0, len(images) // 2, rows)]
        return DualStreamFeatures(
            shared={stage: _join([part.shared[stage] for part in parts]) for stage in STAGES},
            specific={stage: _join([part.specific[stage] for part in parts]) for stage in STAGES},
        )

    def _part(self, images: Tensor, start: int, rows: int) -> DualStreamFeatures:
        return self._both(torch.cat([half[start : start + rows] for half in images.chunk(2)]))


def _join(parts: list[Tensor]) -> Tensor:
    """Maps of parts, each its visible then its infrared rows, in the batch's order: all visible, then all infrared."""
    halves = [part.chunk(2) for part in parts]
    return torch.cat([visible for visible, _ in halves] + [infrared for _, infrared in halves])


def _channels(layer: nn.Sequential) -> int:
    """Output channels of a ResNet layer: those of the last convolution of its last block."""
    return [module for module in layer[-1].modules() if isinstance(module, nn.Conv2d)][-1].out_channels


@BACKBONE_REGISTRY.register()
def build_dual_stream_resnet_backbone(cfg: CfgNode) -> DualStreamResNet:
    """The dual-stream backbone of ``MODEL.BACKBONE`` (DEPTH "10x" to "101x", LAST_STRIDE, WITH_IBN, WITH_SE, NORM).

    Raises:
        UserError: ``WITH_NL`` (non-local blocks sit between the layers and would be lost), an unknown depth, or
            ImageNet weights that ``PRETRAIN`` asks for and that are not to be had.
    """
    if cfg.MODEL.BACKBONE.WITH_NL:
        raise UserError("MODEL.BACKBONE.WITH_NL True: the dual-stream backbone has no non-local blocks; set it False")
    if cfg.MODEL.BACKBONE.DEPTH not in ("10x", "18x", "34x", "50x", "101x"):
        raise UserError(
            f"MODEL.BACKBONE.DEPTH {cfg.MODEL.BACKBONE.DEPTH} is unknown: choose 10x, 18x, 34x, 50x or 101x"
        )
    plain = cfg.clone()
    plain.defrost()
    plain.MODEL.BACKBONE.PRETRAIN = False
    resnet = (build_resnet10 if cfg.MODEL.BACKBONE.DEPTH == "10x" else build_resnet_backbone)(plain)
    resnet.maxpool = nn.MaxPool2d(3, 2, **chosen("MODEL.BACKBONE.MAX_POOL", cfg.MODEL.BACKBONE.MAX_POOL, MAX_POOLS))
    if cfg.MODEL.BACKBONE.PRETRAIN:
        load_pretrained(resnet, cfg.MODEL.BACKBONE)
    return DualStreamResNet(resnet, cfg.MODEL.BACKBONE.CHECKPOINT_STAGES, cfg.MODEL.BACKBONE.CHUNKS)
