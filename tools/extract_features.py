#!/usr/bin/env python
"""Write the features of a dataset's test images from a checkpoint, for tools/evaluate_features.py or anything else.

    python tools/extract_features.py --config-file projects/IDKL/configs/sysu.yml --output features.npz \\
        MODEL.WEIGHTS logs/sysu/model_final.pth

The dataset is the one in DATASETS.TESTS. The .npz holds, a row an image, features (float32, as the model gives them,
not normalised; the mean with those of the mirror image if TEST.FLIP.ENABLED), pids, camids and paths (relative to the
dataset's folder). Anything in the config can be overridden at the end: KEY VALUE KEY VALUE ...
"""

from __future__ import annotations

import argparse
from pathlib import Path

from datasets_ext.errors import UserError, run_program
from datasets_ext.files import check_writable
from idkl.engine.extract import extract_features
from idkl.engine.launch import launch
from idkl.engine.setup import load_config, start_run
from idkl.evaluation.features import write_features


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config-file", required=True, metavar="FILE", help="as for tools/train_net.py")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.npz", help="replaced if it is there")
    parser.add_argument("--num-gpus", type=int, default=1, metavar="N", help="processes that share the images")
    parser.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config keys to override")
    # What the run's set-up and the launcher ask for.
    parser.set_defaults(eval_only=True, resume=False, num_machines=1, machine_rank=0)
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line), extract, and write. Raises UserError."""
    args = _parser().parse_args(argv)
    if args.output.suffix != ".npz":
        raise UserError(f"--output {args.output} does not end in .npz: features are written in that format")
    launch(run, args)


def run(args: argparse.Namespace) -> None:
    """What each process does."""
    cfg = load_config(args)
    check_writable(args.output)
    start_run(cfg, args)
    if (extracted := extract_features(cfg)) is not None:
        features, images = extracted
        write_features(args.output, features, images)
        print(f"{args.output}: {len(features)} features of {features.shape[1]} dimensions")


if __name__ == "__main__":
    run_program(main)
