#!/usr/bin/env python
"""Measure the training step on this machine, on synthetic images.

python tools/benchmark.py train --config-file projects/IDKL/configs/sysu.yml --modes fp32 fp16 bf16
python tools/benchmark.py train --config-file projects/IDKL/configs/sysu.yml SOLVER.IMS_PER_BATCH 20
"""

from __future__ import annotations

import argparse
import json
import platform

import torch

from datasets_ext.errors import UserError, run_program
from idkl.engine.benchmark import MODES, as_json, format_step_times, time_training_step
from idkl.engine.setup import load_config


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure how fast this machine trains.")
    train = parser.add_subparsers(dest="what", required=True).add_parser("train", help="the training step")
    train.add_argument("--config-file", required=True, help="model, batch and image size")
    train.add_argument("--modes", nargs="+", choices=list(MODES), default=["fp32"], help="precisions to measure")
    train.add_argument("--warmup", type=int, default=3, help="steps before the measured ones (default 3)")
    train.add_argument("--steps", type=int, default=10, help="measured steps, of which the median counts (default 10)")
    train.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def main(argv: list[str] | None = None) -> None:
    args, opts = _parser().parse_known_args(argv)
    if args.warmup < 0 or args.steps < 1:
        raise UserError(f"--warmup {args.warmup} and --steps {args.steps}: give 0 or more, and 1 or more")
    cfg = load_config(argparse.Namespace(config_file=args.config_file, opts=opts, resume=False))
    results = time_training_step(cfg, args.modes, args.warmup, args.steps)
    device = torch.cuda.get_device_name() if cfg.MODEL.DEVICE.startswith("cuda") else _processor()
    if args.json:
        print(json.dumps({"device": device, "torch": torch.__version__, "train": as_json(results)}, indent=2))
        return
    height, width = cfg.INPUT.SIZE_TRAIN
    print(f"{device}, torch {torch.__version__}")
    print(f"{cfg.MODEL.META_ARCHITECTURE}, ResNet {cfg.MODEL.BACKBONE.DEPTH}", end=", ")
    print(f"{cfg.SOLVER.IMS_PER_BATCH} images of {height}x{width}\n\n{format_step_times(results)}")


def _processor() -> str:
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    run_program(main)
