#!/usr/bin/env python
"""Which term of IDKL's loss drives the network: values and gradients of each at some steps of a training.

    python tools/diagnose.py --config-file projects/IDKL/configs/quick.yml --steps 0 50 200
    python tools/diagnose.py --config-file projects/IDKL/configs/quick.yml --steps 0 50 200 \\
        MODEL.IDKL.AFFINITY.NORMALIZE True

Trains as the config says, writes nothing, and prints one table a step: each weighted term, the norm of its gradient
into the stem (Theta), the shared (Phi) and the specific branch (Psi), and the cosine between its gradient and that of
the shared branch's own identity loss, below 0 where the two work against each other. Overrides KEY VALUE may follow.
"""

from __future__ import annotations

import argparse
import sys

from datasets_ext.errors import run_program
from idkl.benchmark.term_gradients import format_step, measure_terms
from idkl.engine.setup import load_config
from idkl.engine.sweep_plan import split_overrides


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config-file", required=True, metavar="FILE", help="as for tools/train_net.py")
    parser.add_argument("--steps", type=int, nargs="+", required=True, metavar="N", help="steps to look at, from 0")
    return parser


def main(argv: list[str] | None = None) -> None:
    flags, overrides = split_overrides(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(flags)
    cfg = load_config(argparse.Namespace(config_file=args.config_file, opts=overrides, resume=False))
    for step, found in measure_terms(cfg, args.steps):
        print(f"{format_step(step, found)}\n", flush=True)


if __name__ == "__main__":
    run_program(main)
