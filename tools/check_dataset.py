"""Say whether a copy of a dataset is what it should be: folders, split files, counts, and every image.

python tools/check_dataset.py --dataset SYSU_MM01
python tools/check_dataset.py --dataset RegDB --root datasets/RegDB --json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from datasets_ext.checks import CHECKS, check_dataset
from datasets_ext.checks.text import format_report, report_data
from datasets_ext.cross_modality import datasets_root
from datasets_ext.errors import UserError, run_program

_VERDICTS = """\
verdicts and exit status:
  ok: the published dataset                      0
  usable, but not the published dataset          0 if generated.json says that it was generated and nothing is wrong
                                                 with it; else 1: counts or images differ from the published ones
  not usable                                     1
  wrong --dataset, or no such folder             2

results of a check:
  ok, note (changes no verdict), differs (usable, but not the published dataset), problem (not usable)
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Check a copy of a dataset and open every image. Nothing is changed.",
        epilog=_VERDICTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--dataset", required=True, metavar="NAME", help=f"one of {', '.join(CHECKS)}, or sysu for short"
    )
    parser.add_argument("--root", type=Path, help="its own folder (default: the folder that training would read)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, all items named, and nothing else")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line), check, print, and exit with the verdict's status.

    Raises:
        UserError: the dataset is unknown, or its folder does not exist.
    """
    args = _parser().parse_args(argv)
    names = {spelling.lower(): name for name, check in CHECKS.items() for spelling in (name, check.layout)}
    name = names.get(args.dataset.lower())
    if name is None:
        raise UserError(f"--dataset {args.dataset} is unknown: choose from {', '.join(CHECKS)}")
    root = args.root or CHECKS[name].dataset.find_root(datasets_root())
    if not root.is_dir():
        raise UserError(f"--root {root} is not a folder: give the one that holds the files of {name}")
    report = check_dataset(name, root)
    print(json.dumps(report_data(report), indent=1) if args.json else format_report(report))
    sys.exit(report.exit_status)


if __name__ == "__main__":
    run_program(main)
