#!/usr/bin/env python
"""Measure everything worth knowing on a machine with a GPU, and print one table.

    python tools/measure_gpu.py --output measured
    python tools/measure_gpu.py --output measured --parts precision memory --config-file projects/IDKL/configs/sysu.yml

It needs no data and no network. Each part takes a few minutes at most and stands alone: one that fails is a line of the
table. The table, measured.md, and all numbers, measured.json, are written after every part. Overrides of the config,
KEY VALUE, may follow.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from datasets_ext.errors import UserError, run_program
from datasets_ext.files import write_atomically
from idkl.benchmark import gpu_around, gpu_training
from idkl.benchmark.ceilings import PRECISIONS, format_ceilings, measure_ceilings
from idkl.benchmark.gpu_report import Plan, Row, format_markdown
from idkl.benchmark.step_time import describe_step
from idkl.device import describe_device
from idkl.engine.setup import decide_device, load_config, make_folder
from idkl.engine.sweep_plan import split_overrides

CONFIG = Path(__file__).parents[1] / "projects" / "IDKL" / "configs" / "sysu.yml"
PARTS: dict[str, Callable[[Plan], list[Row]]] = {
    "exactness": gpu_training.exactness,
    "precision": gpu_training.precision,
    "profile": gpu_training.profiled,
    "switches": gpu_training.switches,
    "memory": gpu_training.memory,
    "growth": gpu_training.growth,
    "augmentation": gpu_around.augmentation,
    "evaluation": gpu_around.evaluation,
    "search": gpu_around.search,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="folder for the table and the numbers"
    )
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), help="default all, in order")
    parser.add_argument("--config-file", default=str(CONFIG), help="model, batch and image size (default sysu.yml)")
    parser.add_argument("--device", default="cuda", help="cuda (default), or cpu to try the program out")
    parser.add_argument("--warmup", type=int, default=5, metavar="N", help="steps before the measured (default 5)")
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="measured steps (default 20)")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line) and measure.

    Raises:
        UserError: there is no such device, the config is wrong, or DIR cannot be written.
        SystemExit: with status 1, after everything else, when a part failed.
    """
    flags, overrides = split_overrides(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(flags)
    if args.warmup < 0 or args.steps < 1:
        raise UserError(f"--warmup {args.warmup} and --steps {args.steps}: give 0 or more, and 1 or more")
    words = [*overrides, "MODEL.DEVICE", decide_device(args.device, "--device"), "OUTPUT_DIR", str(args.output)]
    cfg = load_config(argparse.Namespace(config_file=args.config_file, opts=words, resume=False))
    make_folder(args.output)
    device = torch.device(cfg.MODEL.DEVICE)
    ceilings = measure_ceilings(device, PRECISIONS)
    heading = f"# {describe_device(device)}\n\n{describe_step(cfg)}, synthetic\n\n{format_ceilings(ceilings)}"
    print(heading, flush=True)
    plan, rows, failed = Plan(cfg, ceilings, args.warmup, args.steps), [], False
    for part in args.parts:
        start = time.perf_counter()
        try:
            rows += PARTS[part](plan)
        except Exception as error:  # whatever it is, the other parts are worth having
            if not isinstance(error, UserError):
                traceback.print_exc()
            failed = True
            rows.append(Row(part, "failed", remark=" ".join(f"{type(error).__name__}: {error}".split())[:300]))
        _write(args.output, heading, rows)
        print(f"{part}: {time.perf_counter() - start:.0f} s", flush=True)
    print(f"\n{format_markdown(rows)}")
    if failed:
        sys.exit(1)


def _write(folder: Path, heading: str, rows: list[Row]) -> None:
    text = f"{heading}\n\n{format_markdown(rows)}\n"
    found = {"heading": heading, "rows": [asdict(row) for row in rows]}
    write_atomically(folder / "measured.md", lambda file: file.write(text.encode()))
    write_atomically(folder / "measured.json", lambda file: file.write(json.dumps(found, indent=2).encode()))


if __name__ == "__main__":
    run_program(main)
