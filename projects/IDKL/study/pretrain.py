"""Stand-in for ImageNet weights in the study: a ResNet that tells drawn people apart in visible light alone.

    DATA=datasets/generated/pretrain/SYSU-MM01
    python tools/generate_dataset.py --layout sysu --root $DATA --ids 400 --images 3 --seed 99
    python projects/IDKL/study/pretrain.py $DATA pretrained.pth

The people are others than the study's (another seed), no infrared image is seen, and the file has torchvision's names,
for MODEL.BACKBONE.PRETRAIN True and MODEL.BACKBONE.PRETRAIN_PATH.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from datasets_ext.generated.cameras import SYSU_CAMERAS
from idkl.engine.setup import merge_config
from idkl.modeling.pooling import GeneralizedMeanPool
from idkl.modeling.resnet10 import build_resnet10
from idkl.report.reproduce import QUICK

STEPS, BATCH, RATE = 1200, 64, 1e-3


def read_images(root: Path, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """All visible images, uint8 [N, 3, H, W], and whom they show, int [N]."""
    visible = [camera.number for camera in SYSU_CAMERAS.values() if not camera.infrared]
    paths = sorted(path for number in visible for path in root.glob(f"cam{number}/*/*.jpg"))
    images = [np.asarray(Image.open(path).convert("RGB").resize(size[::-1])) for path in paths]
    return torch.as_tensor(np.stack(images)).permute(0, 3, 1, 2), torch.tensor([int(p.parent.name) - 1 for p in paths])


def main(root: Path, output: Path) -> None:
    cfg = merge_config(str(QUICK), [])
    torch.manual_seed(0)
    images, people = read_images(root, tuple(cfg.INPUT.SIZE_TRAIN))
    mean, std = (torch.tensor(values)[:, None, None] for values in (cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD))
    backbone, neck = build_resnet10(cfg), nn.BatchNorm1d(cfg.MODEL.BACKBONE.FEAT_DIM)
    classifier = nn.Linear(cfg.MODEL.BACKBONE.FEAT_DIM, int(people.max()) + 1, bias=False)
    model = nn.Sequential(backbone, GeneralizedMeanPool(), neck, classifier).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for step in range(STEPS):
        rows = torch.randint(len(images), (BATCH,))
        batch = (images[rows].float() - mean) / std
        if torch.rand(()) < 0.5:
            batch = batch.flip(3)
        shift = torch.randint(-3, 4, (2,)).tolist()
        batch = batch.roll(shift, (2, 3)).contiguous(memory_format=torch.channels_last)
        logits = model(batch)
        loss = F.cross_entropy(logits, people[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            right = (logits.argmax(1) == people[rows]).float().mean()
            print(f"step {step + 1}: loss {loss.item():.3f}, {100 * right:.0f}% of the batch right", flush=True)
    torch.save(backbone.state_dict(), output)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
