#!/usr/bin/env python
"""Run the features of any method through a dataset's protocol, all settings and trials.

    python tools/evaluate_features.py --protocol sysu --features features.npz --split-dir datasets/SYSU-MM01
    python tools/evaluate_features.py --protocol llcm --features features.npz --gallery full --rerank --output out.json

An .npz holds one row a test image: features float[N, D] of any length, pids and camids int[N], and paths str[N]
relative to the dataset's folder, such as cam3/0006/0001.jpg. For SYSU-MM01, --features may also be one of the six files
NAME_cam1.mat ... NAME_cam6.mat that the dataset's authors use, or DIR/NAME.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from datasets_ext.errors import UserError, run_program
from datasets_ext.files import check_writable
from idkl.engine.provenance import features_session, keep_alone
from idkl.engine.setup import decide_device
from idkl.evaluation import PROTOCOLS, QueryExpansion, ReRanking, evaluate
from idkl.evaluation.features import read_features
from idkl.evaluation.results import format_table

# Options of the re-ranking, and what they are called there.
_RERANKING = {"--k1": ("k1", int), "--k2": ("k2", int), "--lambda": ("weight", float)}


def _parser() -> argparse.ArgumentParser:
    rules = {name: [rule for rule in p.galleries if rule is not None] for name, p in PROTOCOLS.items()}
    choices = "; ".join(f"{name}: {' or '.join(known)}" for name, known in rules.items() if known)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", required=True, choices=list(PROTOCOLS), help="the dataset's")
    parser.add_argument("--features", required=True, type=Path, metavar="FILE", help="the features")
    parser.add_argument(
        "--split-dir", type=Path, metavar="DIR", help="the dataset's folder, or the one with its split files"
    )
    every = ",".join(dict.fromkeys(rule for known in rules.values() for rule in known))
    parser.add_argument("--gallery", metavar=f"{{{every}}}", help=f"rule of the galleries ({choices}; default: first)")
    parser.add_argument("--rerank", action="store_true", help="k-reciprocal re-ranking, in rows beside the plain ones")
    for option, (name, kind) in _RERANKING.items():
        default = getattr(ReRanking, name)
        parser.add_argument(option, dest=name, type=kind, metavar="N", help=f"of the re-ranking (default {default})")
    parser.add_argument("--aqe", action="store_true", help="average query expansion as in fast-reid, in further rows")
    parser.add_argument("--device", default="auto", help="auto (a GPU where there is one), cpu or cuda")
    parser.add_argument(
        "--output", type=Path, metavar="OUT.json", help="write the rows there, too, and beside it their provenance"
    )
    return parser


def _reranking(args: argparse.Namespace) -> ReRanking | None:
    given = {option: getattr(args, name) for option, (name, _) in _RERANKING.items() if getattr(args, name) is not None}
    if given and not args.rerank:
        raise UserError(f"{', '.join(given)} without --rerank does nothing: add --rerank, or leave it out")
    return ReRanking(**{_RERANKING[option][0]: value for option, value in given.items()}) if args.rerank else None


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line), evaluate, print the table, write the rows. Raises UserError."""
    args = _parser().parse_args(argv)
    device = decide_device(args.device, "--device")
    protocol, reranking = PROTOCOLS[args.protocol], _reranking(args)
    if args.split_dir is not None and not args.split_dir.is_dir():
        raise UserError(f"--split-dir {args.split_dir} is not a folder: give the dataset's, or that of its split files")
    protocol.needed_file(args.split_dir, args.gallery)  # before the features are read
    if args.output is not None:
        check_writable(args.output)
    file = read_features(args.features, args.split_dir)
    if file.left_out:
        print(f"note: {file.left_out} identities of {args.features} are not for testing and left out", file=sys.stderr)
    settings = protocol.settings(file.images, args.split_dir, args.gallery)
    features = torch.from_numpy(file.features).to(device)
    methods = reranking, QueryExpansion() if args.aqe else None
    rows = evaluate(features, file.images, settings, *methods)
    try:
        if args.output is not None:
            origin = args.features, file.images, protocol, args.split_dir, args.gallery, methods, device
            keep_alone(rows, args.output, features_session(*origin))
    finally:  # a full disk does not take the table with it
        print(format_table(rows))


if __name__ == "__main__":
    run_program(main)
