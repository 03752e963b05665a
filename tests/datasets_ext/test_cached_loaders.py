"""Loaders with DATALOADER.CACHE: the same batches as without it, bit by bit."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from fastreid.config import CfgNode

from datasets_ext import UserError
from datasets_ext.loaders import build_test_loader, build_train_loader


@pytest.fixture(autouse=True)
def _datasets(datasets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))


def train_batches(cfg: CfgNode) -> list[dict[str, Any]]:
    loader, _ = build_train_loader(cfg, seed=11)
    return list(islice(loader, 4))


def all_test_batches(cfg: CfgNode) -> list[dict[str, Any]]:
    return list(build_test_loader(cfg, "SYSU_MM01")[0])


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("draw", [train_batches, all_test_batches])
@pytest.mark.parametrize("options", [[], ["INPUT.CROP.ENABLED", True, "INPUT.CROP.SIZE", [60, 30]]])
def test_batches_are_the_same_bit_by_bit(
    cfg: CfgNode,
    tmp_path: Path,
    workers: int,
    draw: Callable[[CfgNode], list[dict[str, Any]]],
    options: list[object],
) -> None:
    cfg.merge_from_list([*options, "TEST.IMS_PER_BATCH", 32])
    expected = draw(cfg)
    cfg.merge_from_list(["DATALOADER.CACHE", str(tmp_path / "cache"), "DATALOADER.NUM_WORKERS", workers])
    for _ in ("made", "found"):
        for a, b in zip(expected, draw(cfg), strict=True):
            assert a.keys() == b.keys() and a["img_paths"] == b["img_paths"]
            assert a["images"].dtype == b["images"].dtype == torch.float32
            assert all(torch.equal(a[key], b[key]) for key in ("images", "targets", "camids", "modalities"))
    assert len(os.listdir(tmp_path / "cache")) == 1


def test_the_loaders_read_nothing_but_the_cache(cfg: CfgNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg.DATALOADER.CACHE = str(tmp_path)
    train_batches(cfg)
    for module in ("cache", "loaders"):
        monkeypatch.setattr(f"datasets_ext.{module}.read_image", lambda path: pytest.fail(f"{path} was decoded"))
    assert len(train_batches(cfg)) == 4


@pytest.mark.parametrize(
    "options",
    [["INPUT.AUTOAUG.ENABLED", True], ["INPUT.SIZE_TRAIN", [0, 0]], ["INPUT.SIZE_TRAIN", [64]]],
)
def test_transforms_that_do_not_begin_with_a_resize_are_refused(
    cfg: CfgNode, tmp_path: Path, options: list[object]
) -> None:
    cfg.merge_from_list([*options, "DATALOADER.CACHE", str(tmp_path)])
    with pytest.raises(UserError, match="DATALOADER.CACHE keeps images resized to one height and width, but") as error:
        build_train_loader(cfg, seed=0)
    assert "\n" not in str(error.value) and os.listdir(tmp_path) == []
