"""Short trainings for tests, in this process, and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from fastreid.config import CfgNode
from fastreid.engine import default_argument_parser
from fastreid.utils.events import EventStorage
from torch import nn

from idkl.engine import Trainer
from idkl.engine.main import run
from idkl.engine.setup import merge_config
from tests.small import CONFIGS, SMALL, make_batch

BASELINE = [
    *("MODEL.META_ARCHITECTURE", "Baseline", "MODEL.BACKBONE.NAME", "build_resnet_backbone"),
    *("MODEL.HEADS.NAME", "EmbeddingHead"),
]


def train(folder: Path, *words: str) -> None:
    flags = [word for word in words if word.startswith("--")]
    options = [word for word in words if not word.startswith("--")]
    small = [str(value) for value in (*SMALL, "TEST.EVAL_START", False, "SOLVER.LOG_PERIOD", 4)]
    config = ["--config-file", str(CONFIGS / "demo.yml"), *flags]
    run(default_argument_parser().parse_args([*config, "OUTPUT_DIR", str(folder), *small, *options]))


def save_network(folder: Path, *words: str) -> nn.Module:
    """A run folder of a network that was not trained, and the network in evaluation mode.

    Its embeddings differ from image to image as a trained one's do: its batch normalisation has seen some.
    """
    small = [*map(str, SMALL), "MODEL.DEVICE", "cpu", "MODEL.HEADS.NUM_CLASSES", "5", "DATALOADER.NUM_WORKERS", "0"]
    cfg = merge_config(str(CONFIGS / "demo.yml"), [*small, *words])
    torch.manual_seed(0)
    model = Trainer.build_model(cfg)
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.momentum = 1.0
    with EventStorage():
        model.train()(make_batch(4))
    torch.save({"model": model.state_dict()}, folder / "model_final.pth")
    (folder / "config.yaml").write_text(cfg.dump())
    return model.eval()


def weights(folder: Path, name: str = "model_final") -> dict[str, torch.Tensor]:
    return torch.load(folder / f"{name}.pth", weights_only=True)["model"]


def records(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]


def untrained_run(folder: Path, cfg: CfgNode) -> Path:
    """A run folder as a training leaves it, of a network with random weights that was never trained."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    state = Trainer.build_model(cfg).state_dict()
    # Both branches start from the same weights: these would not tell them apart.
    noisy = {
        name: value + 0.02 * torch.randn_like(value) if value.is_floating_point() else value
        for name, value in state.items()
    }
    torch.save({"model": noisy}, folder / "model_final.pth")
    (folder / "config.yaml").write_text(cfg.dump())
    lines = [
        {"iteration": 0, "untrained/mAP": 5.0},
        *({"iteration": i, "total_loss": 9.0 - i, "lr": 0.1} for i in (3, 7)),
    ]
    (folder / "metrics.json").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder
