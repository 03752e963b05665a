"""Checks of a config before anything is built from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from fastreid.config import CfgNode
from fastreid.data.datasets import DATASET_REGISTRY
from fastreid.modeling.backbones import BACKBONE_REGISTRY
from fastreid.modeling.heads import REID_HEADS_REGISTRY
from fastreid.modeling.meta_arch import META_ARCH_REGISTRY
from fastreid.utils.registry import Registry

from datasets_ext.errors import UserError

from ..evaluation.expansion import QueryExpansion
from ..evaluation.rerank import ReRanking
from ..modeling.backbone import build_dual_stream_resnet_backbone

POSITIVE = (
    "SOLVER.MAX_EPOCH",
    "SOLVER.IMS_PER_BATCH",
    "SOLVER.BASE_LR",
    "SOLVER.CHECKPOINT_PERIOD",
    "SOLVER.CHECKPOINT_KEEP",
    "SOLVER.LOG_PERIOD",
    "TEST.EVAL_PERIOD",
    "TEST.IMS_PER_BATCH",
    "DATALOADER.PREFETCH_FACTOR",
    "MODEL.BACKBONE.CHUNKS",
    "MODEL.IDKL.AFFINITY.TEMPERATURE",
)
NOT_NEGATIVE = (
    "DATALOADER.NUM_WORKERS",
    "DATALOADER.TIMEOUT",
    "SOLVER.CHECKPOINT_ITERS",
    "SOLVER.NONFINITE_SKIPS",
    "INPUT.CHANNEL_EXCHANGE",
    "MODEL.IDKL.REVERSAL_RAMP",
)


def check_config(cfg: CfgNode) -> None:
    """Refuse names that no registry knows, numbers that make fast-reid fail, and switches that nothing serves.

    Raises:
        UserError: names the key, the value and what can stand there.
    """
    _check_registry("MODEL.META_ARCHITECTURE", cfg.MODEL.META_ARCHITECTURE, META_ARCH_REGISTRY)
    _check_registry("MODEL.BACKBONE.NAME", cfg.MODEL.BACKBONE.NAME, BACKBONE_REGISTRY)
    _check_registry("MODEL.HEADS.NAME", cfg.MODEL.HEADS.NAME, REID_HEADS_REGISTRY)
    for name in (*cfg.DATASETS.NAMES, *cfg.DATASETS.TESTS):
        _check_registry("DATASETS", name, DATASET_REGISTRY)
    for side in ("NAMES", "TESTS"):
        if not cfg.DATASETS[side]:
            raise UserError(f"DATASETS.{side} is empty: name a dataset such as SYSU_MM01")
    for key in POSITIVE:
        if _value(cfg, key) <= 0:
            raise UserError(f"{key} is {_value(cfg, key)}: give a number above 0")
    if cfg.SEED >= 2**31:
        raise UserError(f"SEED is {cfg.SEED}: give a number from 0 to {2**31 - 1}, or -1 for a new one")
    for key in ("INPUT.SIZE_TRAIN", "INPUT.SIZE_TEST"):
        size = _value(cfg, key)
        if len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
            raise UserError(f"{key} is {size}: give two whole numbers of pixels, [height, width]")
    for key in NOT_NEGATIVE:
        if _value(cfg, key) < 0:
            raise UserError(f"{key} is {_value(cfg, key)}: give 0 or more")
    if cfg.INPUT.CHANNEL_EXCHANGE > 1:
        raise UserError(f"INPUT.CHANNEL_EXCHANGE is {cfg.INPUT.CHANNEL_EXCHANGE}: give a share from 0 to 1")
    if cfg.MODEL.IDKL.REVERSAL_RAMP > 0 and cfg.MODEL.IDKL.CONFUSER != "reversal":
        raise UserError(f"MODEL.IDKL.REVERSAL_RAMP: a {cfg.MODEL.IDKL.CONFUSER} confuser reverses nothing; set it to 0")
    _check_choice("SOLVER.SCHED", cfg.SOLVER.SCHED, ("MultiStepLR", "CosineAnnealingLR"))
    _check_choice("SOLVER.AMP.DTYPE", cfg.SOLVER.AMP.DTYPE, ("float16", "bfloat16"))
    optimizers = [name for name, value in vars(torch.optim).items() if isinstance(value, type)]
    _check_choice("SOLVER.OPT", cfg.SOLVER.OPT, sorted(set(optimizers) - {"Optimizer"}))
    evaluation_methods(cfg)
    _check_memory(cfg)
    _check_unsupported(cfg)


def check_given(cfg: CfgNode, parents: str = "") -> None:
    """Refuse keys without a value, such as a line ``BASE_LR:`` in a config file; yacs takes that for any key."""
    for name, value in cfg.items():
        if value is None:
            raise UserError(f"{parents}{name} has no value: give one, or leave the line out")
        if isinstance(value, CfgNode):
            check_given(value, f"{parents}{name}.")


def evaluation_methods(cfg: CfgNode) -> tuple[ReRanking | None, QueryExpansion | None]:
    """Re-ranking and query expansion as ``TEST.RERANK`` and ``TEST.AQE`` say; UserError for wrong numbers."""
    rerank, aqe = cfg.TEST.RERANK, cfg.TEST.AQE
    return (
        ReRanking(rerank.K1, rerank.K2, rerank.LAMBDA) if rerank.ENABLED else None,
        QueryExpansion(aqe.QE_TIME, aqe.QE_K, aqe.ALPHA) if aqe.ENABLED else None,
    )


def _check_memory(cfg: CfgNode) -> None:
    """Say no to ways of saving memory that the backbone does not have."""
    backbone, able = cfg.MODEL.BACKBONE, build_dual_stream_resnet_backbone.__name__
    if unknown := [stage for stage in backbone.CHECKPOINT_STAGES if stage not in range(5)]:
        raise UserError(f"MODEL.BACKBONE.CHECKPOINT_STAGES: {unknown[0]} is no stage; choose from 0, 1, 2, 3 and 4")
    for key, off in (("MAX_POOL", "ceil"), ("CHECKPOINT_STAGES", ()), ("CHUNKS", 1)):
        if backbone[key] == off:
            continue
        if able != backbone.NAME:
            raise UserError(f"MODEL.BACKBONE.{key} {backbone[key]}: only {able} has it; set it to {off}")
        if cfg.MODEL.COMPILE and key != "MAX_POOL":
            raise UserError(f"MODEL.BACKBONE.{key} {backbone[key]} cannot be compiled: set MODEL.COMPILE False")


def _check_unsupported(cfg: CfgNode) -> None:
    """Say no where fast-reid has a switch that would fail later or do nothing."""
    reasons = {
        "INPUT.AFFINE.ENABLED": "torchvision no longer takes fast-reid's arguments for it",
        "TEST.ROC.ENABLED": "the visible-infrared protocols have no ROC",
    }
    for key, reason in reasons.items():
        if _value(cfg, key):
            raise UserError(f"{key} True is not possible: {reason}; set it False")
    for key in ("MODEL.BACKBONE.NORM", "MODEL.HEADS.NORM"):
        if _value(cfg, key) == "syncBN":
            raise UserError(f"{key} syncBN: set it BN, which several processes synchronise by themselves")


def _check_registry(key: str, name: str, registry: Registry) -> None:
    _check_choice(key, name, sorted(registry._obj_map))


def _check_choice(key: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise UserError(f"{key} {value} is unknown: choose from {', '.join(known)}")


def _value(cfg: CfgNode, key: str) -> Any:
    node = cfg
    for part in key.split("."):
        node = node[part]
    return node
