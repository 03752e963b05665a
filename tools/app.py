#!/usr/bin/env python
"""Try a trained model in the browser: give an infrared or visible image, see the people that it finds in the other.

    python tools/app.py logs/demo
    FASTREID_DATASETS=datasets/generated python tools/app.py logs/demo --port 8001

takes a run folder (config.yaml and model_final.pth) or a checkpoint file, embeds the test images of its dataset once,
and serves a page to this machine alone, without any request to another. It needs the extra `app`: Flask and grad-cam.

Anything in the config can be overridden at the end: KEY VALUE KEY VALUE ...
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from datasets_ext.errors import UserError, run_program
from idkl.engine.sweep_plan import split_overrides
from idkl.visualization.source import open_source

PORT = 7860


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder or checkpoint file")
    parser.add_argument("--config-file", default="", metavar="FILE", help="in place of the config.yaml in the folder")
    parser.add_argument("--port", type=int, default=PORT, help=f"of 127.0.0.1; 0 for any free one (default {PORT})")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line), embed the test images, and serve until Ctrl-C. Raises UserError."""
    flags, overrides = split_overrides(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(flags)
    try:
        import pytorch_grad_cam  # noqa: F401 - else the first answer would miss it

        from idkl.application.pages import create_app
        from idkl.application.search import PersonSearch
        from idkl.application.serve import make_app_server, open_port
    except ModuleNotFoundError as error:
        raise UserError(f"the application needs {error.name}: pip install 'Flask>=3.1' 'grad-cam>=1.5'") from None
    # A cache of decoded images knows the dataset's alone, and what is uploaded is none of them.
    source = open_source(args.run, args.config_file, [*overrides, "DATALOADER.CACHE", ""])
    listening = open_port(args.port)
    print(f"Embedding the test images of {source.cfg.DATASETS.TESTS[0]} ...", flush=True)
    server = make_app_server(create_app(PersonSearch(source)), listening)
    print(f"Open http://{server.host}:{server.port} in a browser; Ctrl-C ends it", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    run_program(main)
