from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import torch
from fastreid.config import CfgNode

from datasets_ext.channel_exchange import ChannelExchange
from datasets_ext.loaders import build_test_loader, build_train_loader


def test_every_channel_and_the_image_itself_come_as_often_as_they_should() -> None:
    torch.manual_seed(0)
    image = torch.arange(3, dtype=torch.uint8)[:, None, None].expand(3, 4, 2)
    counts = {"0": 0, "1": 0, "2": 0, "012": 0}
    for _ in range(2000):
        exchanged = ChannelExchange(0.6)(image)
        assert exchanged.shape == image.shape and exchanged.dtype == torch.uint8
        values = [int(channel.unique()) for channel in exchanged]
        counts["".join(map(str, sorted(set(values))))] += 1
    # Four standard deviations of a binomial of 2000 with probability 0.2 and 0.4 are 72 and 88.
    assert all(abs(counts[channel] - 400) < 72 for channel in "012") and abs(counts["012"] - 800) < 88


def test_visible_training_images_only(cfg: CfgNode, datasets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))
    plain = list(islice(build_train_loader(cfg, seed=5)[0], 2))
    cfg.INPUT.CHANNEL_EXCHANGE = 1.0
    exchanged = list(islice(build_train_loader(cfg, seed=5)[0], 2))
    for before, after in zip(plain, exchanged, strict=True):
        (visible, infrared), (old_visible, old_infrared) = (b["images"].chunk(2) for b in (after, before))
        assert torch.equal(infrared, old_infrared)
        assert torch.equal(visible, visible[:, :1].expand_as(visible)) and not torch.equal(visible, old_visible)
    assert not torch.equal(old_visible, old_visible[:, :1].expand_as(old_visible))
    tests = next(iter(build_test_loader(cfg, "SYSU_MM01")[0]))["images"]
    cfg.INPUT.CHANNEL_EXCHANGE = 0.0
    assert torch.equal(tests, next(iter(build_test_loader(cfg, "SYSU_MM01")[0]))["images"])
