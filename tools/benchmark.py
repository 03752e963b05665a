#!/usr/bin/env python
"""Measure training, its data, the evaluation and the search on this machine.

    python tools/benchmark.py train --config-file projects/IDKL/configs/sysu.yml --vs SOLVER.AMP.ENABLED True
    python tools/benchmark.py train --config-file projects/IDKL/configs/demo.yml --batches 8 16 32 64 --profile
    python tools/benchmark.py data --config-file projects/IDKL/configs/demo.yml DATALOADER.NUM_WORKERS 2
    python tools/benchmark.py eval --dimensions 64 2048 --scales 1 4 16
    python tools/benchmark.py search --entries 10000 100000 --dimensions 64

Overrides of the config, KEY VALUE, go before the first --vs or after another flag; each --vs adds a setting with
overrides of its own. The training step takes synthetic images, data the config's dataset.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from fastreid.config import CfgNode

from datasets_ext.errors import UserError, run_program
from idkl.benchmark.ceilings import format_ceilings, measure_ceilings, precision_of
from idkl.benchmark.loader_time import format_loader_times, time_loader
from idkl.benchmark.step_profile import format_profile, profile_step
from idkl.benchmark.step_time import (
    Setting,
    describe_step,
    format_growth,
    format_step_times,
    measure_alone,
    time_training_step,
)
from idkl.device import describe_device
from idkl.engine.setup import decide_device, load_config
from idkl.evaluation.benchmark import IDENTITIES, QUERIES, VISIBLE, format_evaluation_times, time_evaluation
from idkl.search import KINDS
from idkl.search.bench import format_search_times, time_search
from idkl.search.device import DEVICES

PLAIN = "as configured"
TOP = 15  # operations of the profile


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="what", required=True)
    train = kinds.add_parser("train", help="the training step, on synthetic images")
    compared = train.add_mutually_exclusive_group()
    add = compared.add_argument
    add(
        "--vs", action="append", nargs="+", default=[], metavar="KEY VALUE", help="another setting beside the plain one"
    )
    add("--batches", type=int, nargs="+", metavar="N", help="images of a step: how its time grows with them")
    train.add_argument("--profile", action="store_true", help="show what the configured step's time goes to")
    data = kinds.add_parser("data", help="the training loader, beside the step")
    for kind in (train, data):
        kind.add_argument("--config-file", required=True, help="model, batch and image size")
        kind.add_argument("--warmup", type=int, default=3, metavar="N", help="steps before the measured (default 3)")
        kind.add_argument("--steps", type=int, default=10, metavar="N", help="measured steps (default 10)")
    evaluation = kinds.add_parser("eval", help="the evaluation, at the size of SYSU-MM01's test set")
    evaluation.add_argument("--dimensions", type=int, nargs="+", default=[64, 2048], help="of the features")
    evaluation.add_argument("--scales", type=int, nargs="*", default=[], help="how many times as large a gallery")
    evaluation.add_argument("--device", default="cpu", help="where distances are computed: auto, cpu (default) or cuda")
    search = kinds.add_parser("search", help="the indexes of tools/search.py, on random clustered vectors")
    search.add_argument("--entries", type=int, nargs="+", default=[10000, 100000], metavar="N", help="of each gallery")
    search.add_argument("--dimensions", type=int, default=64, metavar="D", help="of the vectors (default 64)")
    search.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="default all")
    search.add_argument("--device", choices=DEVICES, default="auto", help="where faiss computes (default auto)")
    for kind in (train, data, evaluation, search):
        kind.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line) and measure. Raises UserError."""
    args, opts = _parser().parse_known_args(argv)
    takes_config = args.what in ("train", "data")
    if unknown := [word for word in opts if word.startswith("--") or not takes_config]:
        raise UserError(f"benchmark.py {args.what} does not know {unknown[0]}: see --help")
    if takes_config and (args.warmup < 0 or args.steps < 1):
        raise UserError(f"--warmup {args.warmup} and --steps {args.steps}: give 0 or more, and 1 or more")
    if args.what == "train":
        _train(args, opts)
    else:
        {"data": _data, "eval": _evaluate, "search": _search}[args.what](args, opts)


def _train(args: argparse.Namespace, opts: list[str]) -> None:
    plain = _config(args, opts)
    if args.batches:
        sizes = [(f"{size} images", ["SOLVER.IMS_PER_BATCH", str(size)]) for size in args.batches]
        settings = [Setting(name, _config(args, opts + words)) for name, words in sizes]
    else:
        compared = [Setting(_name(words), _config(args, opts + words)) for words in args.vs]
        settings = [Setting(PLAIN, plain), *compared]
    device = torch.device(plain.MODEL.DEVICE)
    ceilings = measure_ceilings(device, [precision_of(setting.cfg) for setting in settings])
    results = time_training_step(settings, ceilings, args.warmup, args.steps)
    table = format_growth(results) if args.batches else format_step_times(results)
    found = {"ceilings": asdict(ceilings), "train": [asdict(result) for result in results]}
    if args.profile:
        operations = profile_step(plain, args.warmup, args.steps)
        table += f"\n\n{format_profile(operations, TOP)}"
        found["profile"] = [asdict(operation) for operation in operations]
    _report(args, device, f"{describe_step(plain)}\n{format_ceilings(ceilings)}\n\n{table}", found)


def _data(args: argparse.Namespace, opts: list[str]) -> None:
    cfg = _config(args, opts)
    results = time_loader(cfg, args.warmup, args.steps)
    step = measure_alone(cfg, args.warmup, args.steps)
    loader = results[1 if cfg.DATALOADER.CACHE else 0]
    share = loader.images_per_second / step
    slower = "step" if share > 1 else "loader"
    verdict = f"the training step takes {step:.1f} images / s, {loader.what} brings {share:.2f} times as many"
    table = f"{describe_step(cfg)}\n\n{format_loader_times(results)}\n\n{verdict}: the {slower} is the slower"
    rows = [asdict(result) for result in results]
    _report(args, torch.device(cfg.MODEL.DEVICE), table, {"data": rows, "step_images_per_second": step})


def _evaluate(args: argparse.Namespace, _: list[str]) -> None:
    if min(*args.dimensions, *args.scales, 1) < 1:
        raise UserError("--dimensions and --scales take whole numbers of 1 or more")
    device = torch.device(decide_device(args.device, "--device"))
    results = time_evaluation(args.dimensions, args.scales, device)
    what = f"{QUERIES} queries, {VISIBLE} visible images, {IDENTITIES} identities"
    table = f"{what}\n\n{format_evaluation_times(results)}"
    _report(args, device, table, {"eval": [asdict(result) for result in results]})


def _search(args: argparse.Namespace, _: list[str]) -> None:
    results = time_search(args.entries, args.dimensions, args.kinds, args.device)
    table = format_search_times(results)
    _report(args, torch.device("cpu"), table, {"search": [asdict(result) for result in results]})


def _report(args: argparse.Namespace, device: torch.device, text: str, found: dict[str, Any]) -> None:
    if args.json:
        print(json.dumps({"device": describe_device(device), **found}, indent=2))
    else:
        print(f"{describe_device(device)}\n{text}")


def _config(args: argparse.Namespace, opts: list[str]) -> CfgNode:
    return load_config(argparse.Namespace(config_file=args.config_file, opts=opts, resume=False))


def _name(words: Sequence[str]) -> str:
    """Overrides in short: AMP.ENABLED True, AMP.DTYPE bfloat16."""
    pairs = zip(words[::2], words[1::2], strict=False)  # a key without its value is refused with the config
    return ", ".join(f"{'.'.join(key.split('.')[-2:])} {value}" for key, value in pairs)


if __name__ == "__main__":
    run_program(main)
