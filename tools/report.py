#!/usr/bin/env python
"""Write one HTML file about one or several runs: tables, the paper's figures beside them, curves, rank lists, pictures.

    python tools/report.py logs/demo
    python tools/report.py logs/demo logs/baseline --output report.html

RUN is the OUTPUT_DIR of a training. The network is run over the test images once more, for the rank lists and the
pictures; where the dataset (FASTREID_DATASETS) or model_final.pth is not at hand, the report says so and has the rest.
Several runs stand side by side. The file needs nothing else and asks nothing of any network.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from datasets_ext.errors import UserError, run_program
from datasets_ext.files import check_writable
from idkl.report import gather_report, write_page

NAME = "report.html"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="the folder of a run")
    parser.add_argument(
        "--output", type=Path, metavar="FILE.html", help=f"default: {NAME} in the run's folder; of several runs, here"
    )
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line), gather, write. Raises UserError."""
    args = _parser().parse_args(argv)
    output = args.output or (args.runs[0] / NAME if len(args.runs) == 1 else Path(NAME))
    if output.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--output {output} does not end in .html: the report is written in that format")
    if args.output is not None:
        check_writable(output)
    logging.basicConfig(format="%(message)s")
    for name in ("idkl.report", "fastreid.evaluation"):  # how far the network is, on a large test set
        logging.getLogger(name).setLevel(logging.INFO)
    report = gather_report(args.runs)
    size = write_page(report, output)
    for note in report.notes:
        print(f"note: {note}")
    print(f"Report: {output} ({size / 2**20:.1f} MiB), to be opened with any browser")


if __name__ == "__main__":
    run_program(main)
