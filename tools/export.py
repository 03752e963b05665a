#!/usr/bin/env python
"""Export what embeds images to a file that runs without this project: ONNX (.onnx) or torch's exported program (.pt2).

    python tools/export.py logs/demo --output demo.onnx
    python tools/export.py --config-file projects/IDKL/configs/sysu.yml --output sysu.pt2 MODEL.WEIGHTS model.pth

Of IDKL the shared branch is exported, nothing else. The file takes RGB images as they are loaded, float32 [batch, 3,
height, width] with values 0..255, normalises them itself, and gives embeddings of length 1, whose dot product is the
cosine that the evaluation ranks by; its metadata says so. It is compared with the model on random images and on test
images, and written only if no entry of an embedding differs by more than 1e-4. TorchScript is not offered: torch
deprecates it in favour of .pt2.

Anything in the config can be overridden at the end: KEY VALUE KEY VALUE ...
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from datasets_ext.errors import UserError, run_program
from idkl.engine.sweep_plan import split_overrides
from idkl.export import Exported, export_checkpoint, format_latencies
from idkl.visualization.source import open_source


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, help="run folder or checkpoint file; else give MODEL.WEIGHTS")
    parser.add_argument("--config-file", default="", metavar="FILE", help="in place of the config.yaml in the folder")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help=".onnx or .pt2; replaced if there")
    parser.add_argument("--time", action="store_true", help="measure the file beside torch, with as many threads")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line), export, and say how near the file is. Raises UserError."""
    flags, overrides = split_overrides(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(flags)
    run = args.run or dict(zip(overrides[::2], overrides[1::2], strict=False)).get("MODEL.WEIGHTS")
    if not run:
        raise UserError("what is to be exported? Give a run folder, or --config-file and MODEL.WEIGHTS")
    settled = ("MODEL.DEVICE", "cpu", "MODEL.COMPILE", "False", "DATALOADER.NUM_WORKERS", "0")
    source = open_source(Path(run), args.config_file, [*overrides, *settled])
    _report(args.output, export_checkpoint(source.cfg, args.output, timed=args.time))


def _report(output: Path, exported: Exported) -> None:
    said = exported.description
    print(f"{output}: {exported.bytes / 1e6:.1f} MB of {said['checkpoint']}")
    print(f"  input   {said['input']}; size {said['size']}")
    print(f"  output  {said['output']}; {said['dimensions']} dimensions")
    print(f"  trained values: {exported.parameters / 1e6:.1f} of the checkpoint's {exported.of / 1e6:.1f} million")
    for check in exported.checks:
        print(f"  {check.images}: max abs error {check.max_error:.1e}, lowest cosine {check.min_cosine:.7f}")
    if exported.unchecked:
        print(f"  not compared on test images: {exported.unchecked}")
    if exported.latencies:
        print(format_latencies(exported.latencies))


if __name__ == "__main__":
    run_program(main)
