#!/usr/bin/env python
"""Train what stands behind a table or figure of the paper, and print its figures beside ours.

    python tools/reproduce.py table4 --dataset generated --quick
    python tools/reproduce.py table1
    python tools/reproduce.py table4 --seeds 1 2 3 --gpus 0 1

table1 SYSU-MM01, table2 RegDB (ten splits), table3 LLCM (its full gallery), table4 each loss term, fig5 the weights of
L_ip, L_tgsa and L_csa, fig6 the runs whose features its t-SNE shows. On the paper's data as README.md places it, or,
with --dataset generated, on people drawn below --data. --quick trains at the scale of configs/quick.yml, for a CPU.
What differs from the paper is printed with the table.

The runs are those of tools/sweep.py: the same command again skips what is finished and goes on with what was stopped.
Overrides KEY VALUE KEY VALUE ... may follow the flags, such as SOLVER.IMS_PER_BATCH 60. Figures are of the last epoch.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from datasets_ext.errors import run_program
from idkl.engine.sweep import run_sweep
from idkl.engine.sweep_plan import Sweep, split_overrides
from idkl.engine.sweep_summary import SWEEP_RESULTS
from idkl.report import reproduce
from idkl.visualization.canvas import save_figure
from idkl.visualization.sweep import sweep_figure

TRAIN = Path(__file__).with_name("train_net.py")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(reproduce.EXPERIMENTS), help="table or figure of the paper")
    parser.add_argument("--dataset", choices=("real", "generated"), default="real", help="default real, the paper's")
    parser.add_argument("--quick", action="store_true", help="the small scale of configs/quick.yml")
    parser.add_argument("--seeds", nargs="+", metavar="N", help="default 1 2 3; for table2 1")
    parser.add_argument("--gpus", type=int, nargs="+", default=[], metavar="N", help="as for tools/sweep.py")
    parser.add_argument(
        "--data", type=Path, default=Path("datasets/generated/reproduce"), help="where people are drawn"
    )
    parser.add_argument("--output", type=Path, help="folder of the runs (default logs/reproduce/<what>_<dataset>)")
    return parser


def main(argv: list[str] | None = None) -> None:
    flags, given = split_overrides(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(flags)
    experiment = reproduce.EXPERIMENTS[args.what]
    name = "_".join([args.what, args.dataset, *(["quick"] if args.quick else [])])
    folder = args.output or Path("logs/reproduce") / name
    overrides = [*(reproduce.quick_overrides() if args.quick else []), *given]
    if args.dataset == "generated":
        os.environ["FASTREID_DATASETS"] = str(reproduce.draw(experiment, args.data, os.cpu_count() or 1))
    else:
        reproduce.find_real(experiment)
    sweeps = reproduce.plan(experiment, folder, args.seeds or experiment.seeds, overrides)
    for sweep in sweeps:
        run_sweep(sweep, args.gpus, TRAIN)
    print(f"\n{args.what}: {experiment.title}. Means and population standard deviations over the runs, in percent")
    _show(args.what, sweeps, folder)
    people = ", ".join(f"{name} {value}" for name, value in reproduce.GENERATED.items())
    data = [f"data: people drawn by tools/generate_dataset.py, {people}"] if args.dataset == "generated" else []
    for line in [*data, *reproduce.changed(sweeps, overrides)]:
        print(f"differs: {line}")


def _show(what: str, sweeps: list[Sweep], folder: Path) -> None:
    """The table beside the paper's, or the figure."""
    if what in reproduce.PUBLISHED:
        print(f"\n{reproduce.compare(what, sweeps)}\n")
    elif what == "fig5":
        save_figure(sweep_figure([sweep.folder / SWEEP_RESULTS for sweep in sweeps]), folder / "fig5.pdf")
        print(f"Plot: {folder / 'fig5.pdf'}")
    else:
        first = sweeps[0].runs[0].values["SEED"]
        runs = " ".join(str(run.folder) for sweep in sweeps for run in sweep.runs if run.values["SEED"] == first)
        print(f"Draw it: python tools/visualize.py tsne --run {runs} --output {folder / 'fig6.pdf'}")


if __name__ == "__main__":
    run_program(main)
