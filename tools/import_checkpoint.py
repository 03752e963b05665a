"""Turn a checkpoint of the IDKL authors' released code into one of ours, and say what became of every tensor.

    python tools/import_checkpoint.py theirs.t model.pth
    python tools/train_net.py --config-file projects/IDKL/configs/released/sysu.yml --eval-only MODEL.WEIGHTS model.pth

IN is their state dict, bare or under "model", with or without "module." before the names. OUT, replaced if it is there,
evaluates with the presets of configs/released, whose max-pooling is theirs; the number of identities is the
checkpoint's. A line for each tensor: their name -> ours, or why it is skipped. Nothing else is dropped: a tensor of
unknown place, or one that is missing, ends the program with nothing written. Only tensors are read, no code is run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from datasets_ext.errors import run_program
from datasets_ext.files import check_writable
from idkl.engine.import_checkpoint import import_checkpoint
from idkl.engine.setup import merge_config

CONFIG = Path(__file__).parents[1] / "projects" / "IDKL" / "configs" / "released" / "sysu.yml"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="IN", help="a checkpoint of the authors' code")
    parser.add_argument("target", type=Path, metavar="OUT", help="the checkpoint to write, such as model.pth")
    parser.add_argument(
        "--config-file", default=str(CONFIG), metavar="FILE", help="what it must fit (released/sysu.yml)"
    )
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line), convert, and report. Raises UserError."""
    args = _parser().parse_args(argv)
    cfg = merge_config(args.config_file, [])
    check_writable(args.target)
    placed = import_checkpoint(cfg, args.source, args.target)
    print(*placed, sep="\n")
    skipped = sum(line.ours is None for line in placed)
    print(f"{args.target}: {len(placed) - skipped} tensors taken over, {skipped} skipped")


if __name__ == "__main__":
    run_program(main)
