"""Short trainings for tests, in this process, and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from fastreid.engine import default_argument_parser

from idkl.engine.main import run
from tests.small import CONFIGS, SMALL

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


def weights(folder: Path, name: str = "model_final") -> dict[str, torch.Tensor]:
    return torch.load(folder / f"{name}.pth", weights_only=True)["model"]


def records(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]
