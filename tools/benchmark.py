#!/usr/bin/env python
"""Measure the training step or the evaluation on this machine, on synthetic data.

python tools/benchmark.py train --config-file projects/IDKL/configs/sysu.yml --modes fp32 fp16 bf16
python tools/benchmark.py train --config-file projects/IDKL/configs/sysu.yml SOLVER.IMS_PER_BATCH 20
python tools/benchmark.py eval --dimensions 64 2048 --scales 1 4 16
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from datasets_ext.errors import UserError, run_program
from idkl.engine.benchmark import MODES, format_step_times, time_training_step
from idkl.engine.setup import load_config
from idkl.evaluation.benchmark import IDENTITIES, QUERIES, VISIBLE, format_evaluation_times, time_evaluation


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure how fast this machine trains and evaluates.")
    kinds = parser.add_subparsers(dest="what", required=True)
    train = kinds.add_parser("train", help="the training step")
    train.add_argument("--config-file", required=True, help="model, batch and image size")
    train.add_argument("--modes", nargs="+", choices=list(MODES), default=["fp32"], help="precisions to measure")
    train.add_argument("--warmup", type=int, default=3, help="steps before the measured ones (default 3)")
    train.add_argument("--steps", type=int, default=10, help="measured steps, of which the median counts (default 10)")
    evaluation = kinds.add_parser("eval", help="the evaluation, at the size of SYSU-MM01's test set")
    evaluation.add_argument("--dimensions", type=int, nargs="+", default=[64, 2048], help="of the features")
    evaluation.add_argument("--scales", type=int, nargs="*", default=[], help="how many times as large a gallery")
    for kind in (train, evaluation):
        kind.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def main(argv: list[str] | None = None) -> None:
    args, opts = _parser().parse_known_args(argv)
    if args.what == "train":
        _train(args, opts)
    else:
        _evaluate(args, opts)


def _train(args: argparse.Namespace, opts: list[str]) -> None:
    if args.warmup < 0 or args.steps < 1:
        raise UserError(f"--warmup {args.warmup} and --steps {args.steps}: give 0 or more, and 1 or more")
    cfg = load_config(argparse.Namespace(config_file=args.config_file, opts=opts, resume=False))
    results = time_training_step(cfg, args.modes, args.warmup, args.steps)
    device = torch.cuda.get_device_name() if cfg.MODEL.DEVICE.startswith("cuda") else _processor()
    height, width = cfg.INPUT.SIZE_TRAIN
    batch = f"{cfg.SOLVER.IMS_PER_BATCH} images of {height}x{width}"
    what = f"{cfg.MODEL.META_ARCHITECTURE}, ResNet {cfg.MODEL.BACKBONE.DEPTH}, {batch}"
    _report(args, device, what, results, format_step_times(results))


def _evaluate(args: argparse.Namespace, opts: list[str]) -> None:
    if opts:
        raise UserError(f"benchmark.py eval does not know {opts[0]}: see --help")
    if min(*args.dimensions, *args.scales, 1) < 1:
        raise UserError("--dimensions and --scales take whole numbers of 1 or more")
    results = time_evaluation(args.dimensions, args.scales)
    what = f"{QUERIES} queries, {VISIBLE} visible images, {IDENTITIES} identities"
    _report(args, _processor(), what, results, format_evaluation_times(results))


def _report(args: argparse.Namespace, device: str, what: str, results: Sequence[Any], table: str) -> None:
    if args.json:
        rows = [asdict(result) for result in results]
        print(json.dumps({"device": device, "torch": torch.__version__, args.what: rows}, indent=2))
    else:
        print(f"{device}, torch {torch.__version__}\n{what}\n\n{table}")


def _processor() -> str:
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    run_program(main)
