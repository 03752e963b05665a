#!/usr/bin/env python
"""Train or evaluate a visible-infrared person re-identification model.

    python tools/train_net.py --config-file projects/IDKL/configs/sysu.yml
    python tools/train_net.py --config-file projects/IDKL/configs/sysu.yml --resume
    python tools/train_net.py --config-file projects/IDKL/configs/sysu.yml --eval-only MODEL.WEIGHTS model.pth

Anything in the config can be overridden at the end: KEY VALUE KEY VALUE ...
"""

from __future__ import annotations

import torch

from datasets_ext.errors import UserError, run_program
from fastreid.engine import default_argument_parser, launch
from idkl.engine.main import run


def main(argv: list[str] | None = None) -> None:
    args = default_argument_parser().parse_args(argv)
    if args.num_gpus > 1 and torch.cuda.device_count() < args.num_gpus:
        raise UserError(f"--num-gpus {args.num_gpus}, but this machine has {torch.cuda.device_count()}")
    launch(run, args.num_gpus, args.num_machines, args.machine_rank, args.dist_url, args=(args,))


if __name__ == "__main__":
    run_program(main)
