#!/usr/bin/env python
"""Show the results of two runs side by side, and what differs between the runs.

    python tools/compare_runs.py logs/sysu logs/sysu_seed3
    python tools/compare_runs.py logs/sysu/results.json logs/sysu/results_best.json

Each is a run folder, whose results.json is taken, or a results file. What differs comes from provenance.json, which a
training or an evaluation writes: config, seed, versions, code, device, data and weights. What can change the numbers
is told apart from what cannot.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from datasets_ext.errors import run_program
from idkl.engine.provenance import compare_runs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("run_a", "run_b"):
        parser.add_argument(name, type=Path, metavar=name.upper(), help="a run folder or a results file")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line), compare, and print. Raises UserError."""
    args = _parser().parse_args(argv)
    print(compare_runs(args.run_a, args.run_b))


if __name__ == "__main__":
    run_program(main)
