#!/usr/bin/env python
"""Draw what a trained model does: PNG or PDF, by the end of --output.

    python tools/visualize.py ranks --run logs/demo --output ranks.png
    python tools/visualize.py tsne --run logs/demo logs/baseline --output tsne.pdf
    python tools/visualize.py cam --run logs/demo --output cam.png
    python tools/visualize.py distances --run logs/demo --output distances.png
    python tools/visualize.py cmc --run logs/demo logs/baseline --output cmc.png
    python tools/visualize.py curves --run logs/demo logs/baseline --output curves.png

--run takes run folders (config.yaml, model_final.pth) or checkpoint files; a checkpoint without a config.yaml beside
it needs --config-file. Config keys to override, KEY VALUE KEY VALUE ..., come last. Nothing is written but --output.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from matplotlib.figure import Figure

from datasets_ext.errors import UserError, run_program
from datasets_ext.files import check_writable
from idkl.engine.sweep_plan import split_overrides
from idkl.visualization.cam_figure import cam_figure
from idkl.visualization.cam_model import FEATURES
from idkl.visualization.canvas import check_format, save_figure
from idkl.visualization.cmc import cmc_figure
from idkl.visualization.curves import curve_figure
from idkl.visualization.distances import distance_figure
from idkl.visualization.embedded import Embedded, embed
from idkl.visualization.rank_figure import rank_figure
from idkl.visualization.ranks import choose_queries, rank_lists
from idkl.visualization.source import open_source
from idkl.visualization.tsne import IDENTITIES, tsne_figure

FIGURES = {
    "ranks": "queries beside their nearest gallery images: worst, best and random ones",
    "tsne": "features of some identities in the plane, each model in its panel",
    "cam": "where the shared, the specific and the purified feature look",
    "distances": "histograms of distances, within and across identities and modalities",
    "cmc": "matches among the first k, in every setting of the protocol",
    "curves": "losses, learning rate and test metrics over the training",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    figures = parser.add_subparsers(dest="figure", required=True)
    for name, what in FIGURES.items():
        figure = figures.add_parser(name, help=what, description=what)
        add = figure.add_argument
        add("--run", required=True, nargs="+", type=Path, metavar="PATH", help="run folders or checkpoints")
        add("--output", required=True, type=Path, metavar="FILE", help="ends in .png or .pdf; replaced if it is there")
        if name != "curves":
            add("--config-file", default="", metavar="FILE", help="in place of a run's own config.yaml")
        if name in ("ranks", "tsne", "cam"):
            add("--seed", type=int, default=0, metavar="N", help="of what is drawn at random (default 0)")
        if name == "ranks":
            add("--top", type=int, default=10, metavar="N", help="images of a list (default 10)")
            add("--queries", type=int, default=3, metavar="N", help="of each kind (default 3)")
            add("--setting", type=int, default=1, metavar="N", help="of the protocol, as in its table (default 1)")
        if name == "tsne":
            add("--identities", type=int, default=IDENTITIES, metavar="N", help=f"shown (default {IDENTITIES})")
        if name == "cam":
            add("--count", type=int, default=4, metavar="N", help="identities (default 4)")
            add("--features", nargs="+", choices=FEATURES, default=FEATURES, help="default all")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line), draw, and write. Raises UserError."""
    flags, overrides = split_overrides(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(flags)
    check_format(args.output)
    figure = _draw(args, overrides)
    save_figure(figure, args.output)
    print(f"{args.output}: {args.figure} of {', '.join(map(str, args.run))}")


def _draw(args: argparse.Namespace, overrides: list[str]) -> Figure:
    if args.figure == "curves":
        if overrides:
            raise UserError(f"curves are read from files, where {overrides[0]} means nothing: leave it out")
        check_writable(args.output)
        return curve_figure(args.run)
    if args.figure in ("ranks", "cam") and len(args.run) > 1:
        raise UserError(f"{args.figure} shows one model, but --run gives {len(args.run)}: draw them one by one")
    sources = [open_source(path, args.config_file, overrides) for path in args.run]
    check_writable(args.output)
    models = [embed(source) for source in sources]
    if args.figure == "ranks":
        return _draw_ranks(args, models[0])
    if args.figure == "cam":
        return cam_figure(sources[0], models[0], args.count, args.features, args.seed)
    if args.figure == "tsne":
        return tsne_figure(models, args.identities, args.seed)
    return {"distances": distance_figure, "cmc": cmc_figure}[args.figure](models)


def _draw_ranks(args: argparse.Namespace, model: Embedded) -> Figure:
    if not 1 <= args.setting <= len(model.settings):
        raise UserError(f"--setting {args.setting}: the protocol has settings 1 to {len(model.settings)}")
    lists = rank_lists(model, args.top, args.setting - 1)
    chosen = choose_queries(lists, model.images.pids, args.queries, args.seed)
    return rank_figure(model, chosen, args.setting - 1)


if __name__ == "__main__":
    run_program(main)
