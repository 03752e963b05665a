"""Batches on a device: the bits of fast-reid's own steps, and a GPU's next batch under way in time."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastreid.config import CfgNode, get_cfg
from fastreid.data.transforms import ToTensor, build_transforms

from datasets_ext.dataset import Draw, generators_kept, seed_generators
from datasets_ext.image import read_image
from datasets_ext.loaders import build_test_loader, build_train_loader
from idkl import add_idkl_config
from tests.small import CONFIGS


@pytest.fixture(autouse=True)
def _datasets(datasets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))


def by_fastreid(steps: list[Any], path: str, draw: Draw) -> torch.Tensor:
    """The naive reference: fast-reid's steps on one image, its conversion to a tensor written out."""
    value: Any = read_image(path)
    with generators_kept():
        seed_generators(draw.seed)
        for step in steps:
            to_float = isinstance(step, ToTensor)
            value = torch.from_numpy(np.array(value)).permute(2, 0, 1).float() if to_float else step(value)
    return value


@pytest.mark.parametrize("config", ["demo.yml", "sysu.yml"])
@pytest.mark.parametrize("options", [[], ["DATALOADER.NUM_WORKERS", 1], ["DATALOADER.CACHE", "cache"]])
def test_batches_are_what_fastreids_own_steps_make_of_each_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, options: list[object]
) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = get_cfg()
    add_idkl_config(cfg)
    cfg.merge_from_file(str(CONFIGS / config))
    small = ["INPUT.SIZE_TRAIN", [96, 32], "SOLVER.IMS_PER_BATCH", 8, "DATALOADER.NUM_INSTANCE", 4]
    cfg.merge_from_list(["MODEL.DEVICE", "cpu", *small, "DATALOADER.NUM_WORKERS", 0, *options])
    loader, _ = build_train_loader(cfg, seed=5)
    again, _ = build_train_loader(cfg, seed=5)
    steps = build_transforms(cfg, is_train=True).transforms
    compared = 0
    for batch, draws in islice(zip(loader, again.batch_sampler, strict=False), 3):
        for image, path, draw in zip(batch["images"], batch["img_paths"], draws, strict=True):
            assert path == loader.dataset.img_items[draw.index][0]
            assert torch.equal(image, by_fastreid(steps, path, draw))
            compared += 1
    assert compared == 24


class Stream:
    """Stands in for a GPU's: notes what is asked of it."""

    def __init__(self, log: list[str]) -> None:
        self.log, self.events = log, 0

    def record_event(self) -> str:
        self.events += 1
        self.log.append(f"batch {self.events} sent")
        return f"batch {self.events}"

    def wait_event(self, event: str) -> None:
        self.log.append(f"wait for {event}")


def test_a_gpus_next_batch_is_under_way_before_the_step_on_this_one(
    cfg: CfgNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    current, kept = Stream(log), []
    monkeypatch.setattr("torch.cuda.Stream", lambda device: Stream(log))
    monkeypatch.setattr("torch.cuda.stream", lambda stream: nullcontext())
    monkeypatch.setattr("torch.cuda.current_stream", lambda device: current)
    monkeypatch.setattr("torch.Tensor.record_stream", lambda tensor, stream: kept.append((tensor, stream)))
    cfg.TEST.IMS_PER_BATCH = 16
    loader, _ = build_test_loader(cfg, "SYSU_MM01")
    seen: list[dict[str, Any]] = []
    for batch in loader._ahead():
        seen.append(batch)
        log.append(f"step {len(seen)}")
    count = len(loader)
    expected = ["batch 1 sent"]
    for step in range(1, count + 1):
        expected += [f"batch {step + 1} sent"] * (step < count) + [f"wait for batch {step}", f"step {step}"]
    assert count > 2 and log == expected
    for ahead, plain in zip(seen, loader, strict=True):
        assert ahead.keys() == plain.keys() and ahead["img_paths"] == plain["img_paths"]
        assert torch.equal(ahead["images"], plain["images"]) and torch.equal(ahead["targets"], plain["targets"])
    tensors = [value for batch in seen for value in batch.values() if isinstance(value, torch.Tensor)]
    assert len(kept) == len(tensors) == 4 * count
    assert all(own is tensor and stream is current for tensor, (own, stream) in zip(tensors, kept, strict=True))
