"""Sizes and batches for tests."""

from __future__ import annotations

from pathlib import Path

import torch
from fastreid.config import CfgNode, get_cfg

from idkl import add_idkl_config

REPOSITORY = Path(__file__).parents[1]
CONFIGS = REPOSITORY / "projects" / "IDKL" / "configs"

# Last stride 1: with stride 2 these images end at 2x1 pixels, where torch's bfloat16 convolution on a CPU with AMX
# gives garbage now and then (torch 2.14; the like of github.com/pytorch/pytorch/issues/169688).
SMALL = [
    *("MODEL.BACKBONE.LAST_STRIDE", 1),
    *("INPUT.SIZE_TRAIN", [64, 32], "INPUT.SIZE_TEST", [64, 32]),
    *("SOLVER.IMS_PER_BATCH", 8, "DATALOADER.NUM_INSTANCE", 4, "DATALOADER.NUM_WORKERS", 0),
]

# What makes a preset of the released code as small, without dropout.
SMALL_RELEASED = [
    *("MODEL.DEVICE", "cpu", "MODEL.HEADS.NUM_CLASSES", 5, *SMALL),
    *("MODEL.BACKBONE.DEPTH", "18x", "MODEL.BACKBONE.FEAT_DIM", 512, "MODEL.BACKBONE.PRETRAIN", False),
    *("MODEL.IDKL.MODALITY.HIDDEN", (24, 12), "MODEL.IDKL.MODALITY.DROPOUT", 0.0),
]


def load(path: Path) -> CfgNode:
    """A shipped config as it is written."""
    cfg = get_cfg()
    add_idkl_config(cfg)
    cfg.merge_from_file(str(path))
    return cfg


def make_batch(
    identities: int = 2, per_modality: int = 2, dtype: torch.dtype = torch.float32
) -> dict[str, torch.Tensor]:
    """A random training batch in the sampler's order."""
    half = torch.arange(identities).repeat_interleave(per_modality)
    rows = 2 * len(half)
    images = torch.rand(rows, 3, 64, 32, dtype=dtype, generator=torch.Generator().manual_seed(0)) * 255
    modalities = torch.tensor([0] * len(half) + [1] * len(half))
    return {"images": images, "targets": half.repeat(2), "modalities": modalities}
