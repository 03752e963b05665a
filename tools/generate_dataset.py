"""Draw people procedurally into the folder layout of a real visible-infrared data set.

python tools/generate_dataset.py --layout sysu --root datasets/generated/SYSU-MM01 --ids 64 --images 4 --seed 0

--specific says how far what tells people apart is seen by one modality alone: at 0 both see every cue (but a hue, which
no infrared camera sees), at 1 as many as possible are seen by one only, and a person is recognised across modalities by
body, cut of garments and little else.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from datasets_ext.errors import UserError, run_program
from datasets_ext.generated import LAYOUTS, CueStrength
from datasets_ext.image import IMAGE_EXTENSIONS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Draw people, visible and infrared, in a data set's layout.")
    parser.add_argument("--layout", choices=sorted(LAYOUTS), required=True, help="the data set whose layout to write")
    parser.add_argument("--root", type=Path, required=True, help="the data set's own folder, new or empty")
    parser.add_argument("--ids", type=int, required=True, help="number of people; half of them are for training")
    parser.add_argument("--images", type=int, required=True, help="images of a person and camera")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same files (default 0)")
    parser.add_argument(
        "--specific",
        type=float,
        default=CueStrength().specific,
        metavar="S",
        help="0: every cue in both modalities, 1: as many as possible in one only (default 0.5)",
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line), draw, and say what was written where. Raises UserError."""
    args = _parser().parse_args(argv)
    try:
        cues = CueStrength(specific=args.specific)
        written = LAYOUTS[args.layout](args.root, args.ids, args.images, args.seed, cues=cues, workers=args.workers)
    except KeyboardInterrupt:
        raise UserError(f"interrupted, {args.root} is incomplete: run the same command again") from None
    if not written:
        print(f"{args.root}: already generated with these parameters, nothing to do")
        return
    count = sum(path.suffix in IMAGE_EXTENSIONS for path in args.root.rglob("*"))
    print(f"{args.root}: wrote {count} images of {args.ids} people in the layout '{args.layout}'")


if __name__ == "__main__":
    run_program(main)
