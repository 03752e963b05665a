#!/usr/bin/env python
"""Train one config, or several side by side, over values of any keys, and report means and standard deviations.

    python tools/sweep.py --config-file projects/IDKL/configs/regdb.yml --over DATASETS.SPLIT 1-10 \\
        OUTPUT_DIR logs/regdb_splits
    python tools/sweep.py --config-file projects/IDKL/configs/sysu.yml --over SEED 1 2 3 \\
        --over MODEL.IDKL.WEIGHTS.TGSA 0 0.6 --gpus 0 1 OUTPUT_DIR logs/tgsa SOLVER.MAX_EPOCH 60
    python tools/sweep.py --config-file projects/IDKL/configs/ablation/row1_base.yml projects/IDKL/configs/sysu.yml \\
        --over SEED 1 2 3 OUTPUT_DIR logs/compare
    python tools/sweep.py --config-file projects/IDKL/configs/sysu.yml --study 30 --over SEED 1 2 \\
        --between MODEL.IDKL.WEIGHTS.TGSA 0 1 --between MODEL.IDKL.WEIGHTS.CSA 0 1 OUTPUT_DIR logs/study

Several --over train every combination of their values. Flags come first; the overrides KEY VALUE KEY VALUE ...
begin at the first config key that does not follow --over, and hold for all runs. OUTPUT_DIR is the sweep's folder,
in which each run has its own, named by its values, such as SPLIT-3 or SEED-1_TGSA-0.6.

Every config is checked before the first run starts. The same command again skips finished runs and goes on with
stopped ones; values may be added to --over. Other keys or overrides need another OUTPUT_DIR. A run that fails does
not stop the others; the exit status is then 2, and the table says that it is incomplete.

The table and sweep_results.json cover the values of the command. Means and population standard deviations are over
runs that differ in SEED and DATASETS.SPLIT only; every config and every value of another key is a group of its own.
Below stand the differences of each group from the first one, run by run with the same seed and split.
--study searches instead: each of its trials is a sweep over the seeds or splits of --over, at values between the bounds
that Optuna (pip install 'idkl-fastreid[study]') chooses by the mAP of the trials before.
--plot draws a metric against the values of the one swept key with numbers, with its spread, as in Fig. 5 of the paper.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from datasets_ext.errors import UserError, run_program
from idkl.engine.study import read_ranges
from idkl.engine.sweep import run_sweep
from idkl.engine.sweep_plan import plan_sweep, split_overrides
from idkl.engine.sweep_study import study_sweeps
from idkl.engine.sweep_summary import SWEEP_RESULTS
from idkl.visualization.canvas import check_format, save_figure
from idkl.visualization.sweep import sweep_figure

TRAIN = Path(__file__).with_name("train_net.py")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="%(prog)s --config-file FILE ... --over KEY VALUE ... [--over ...] [OPTION ...] [KEY VALUE ...]",
    )
    parser.add_argument(
        "--config-file", required=True, nargs="+", metavar="FILE", help="as for tools/train_net.py; several: compare"
    )
    parser.add_argument(
        "--over",
        required=True,
        action="append",
        nargs="+",
        metavar=("KEY", "VALUE"),
        help="a config key and its values; 1-10 stands for the numbers 1 to 10",
    )
    parser.add_argument("--study", type=int, metavar="TRIALS", help="search, with one --between or more")
    parser.add_argument(
        "--between",
        action="append",
        nargs=3,
        default=[],
        metavar=("KEY", "LOW", "HIGH"),
        help="a config key and the bounds of its values, for --study",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="PNG or PDF: a metric against the swept numbers")
    parser.add_argument(
        "--gpus",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="train on these GPUs, one run at a time on each (default: one run at a time, where MODEL.DEVICE says)",
    )
    return parser


def main(argv: list[str] | None = None) -> None:
    flags, overrides = split_overrides(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(flags)
    if args.study:
        ranges, (config, *others) = read_ranges(args.between), args.config_file
        if others or args.plot or not ranges:
            raise UserError("--study is of one --config-file with one --between or more, and without --plot")
        study_sweeps(config, args.over, overrides, ranges, args.study, args.gpus, TRAIN)
        return
    sweep = plan_sweep(args.config_file, args.over, overrides)
    if args.plot:
        check_format(args.plot)
    run_sweep(sweep, args.gpus, TRAIN)
    if args.plot:
        save_figure(sweep_figure([sweep.folder / SWEEP_RESULTS]), args.plot)
        print(f"Plot: {args.plot}")


if __name__ == "__main__":
    run_program(main)
