"""What ``tools/sweep.py`` does: plan, train what is missing, summarise what is there."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from datasets_ext.errors import UserError

from .sweep_differences import differences, format_differences
from .sweep_folder import State, opened, state_of
from .sweep_plan import Run, Sweep
from .sweep_run import OUTPUT, train_runs, visible_gpus
from .sweep_summary import format_sweep, read_runs, summarize, write_sweep_results


def run_sweep(sweep: Sweep, gpus: Sequence[int], program: Path) -> None:
    """Train the runs that are not finished, print the table of all, and write ``sweep_results.json``.

    Args:
        gpus: numbers of the GPUs to use, one run at a time on each; none: one run at a time, where the config says.
        program: ``tools/train_net.py``.

    Raises:
        UserError: the folder holds something else, or runs failed (after the others and the table).
        KeyboardInterrupt: the sweep was told to stop; its runs are stopped.
    """
    if gpus and sweep.device != "cuda":
        raise UserError(f"--gpus, but MODEL.DEVICE is {sweep.device}: set it cuda, or leave --gpus out")
    places = visible_gpus(gpus, torch.cuda.device_count()) if gpus else [None]
    with opened(sweep) as lock:
        states = {run.folder: state_of(run) for run in sweep.runs}
        _say_states(sweep, states)
        todo = [run for run in sweep.runs if states[run.folder] != "finished"]

        def command(run: Run) -> list[str]:
            flags = ["--resume"] if states[run.folder] == "begun" else []
            return [sys.executable, str(program), "--config-file", run.config_file, *flags, *run.words]

        def report(run: Run, text: str) -> None:
            print(f"[{sweep.runs.index(run) + 1}/{len(sweep.runs)}] {run.folder.name} {text}", flush=True)

        try:
            train_runs(todo, command, places, lock, report)
        except KeyboardInterrupt:
            done = len(_finished(sweep))
            print(f"Stopped with {done} of {len(sweep.runs)} runs finished; the same command goes on", flush=True)
            raise
        finished = _finished(sweep)
        _summarize(sweep, finished)
    if failed := [run for run in sweep.runs if run not in finished]:
        names = ", ".join(run.folder.name for run in failed)
        raise UserError(
            f"{len(failed)} of {len(sweep.runs)} runs failed ({names}): see {OUTPUT} in their folders; the same "
            "command tries them again"
        )


def _finished(sweep: Sweep) -> list[Run]:
    return [run for run in sweep.runs if state_of(run) == "finished"]


def _say_states(sweep: Sweep, states: dict[Path, State]) -> None:
    counts = Counter(states.values())
    texts: dict[State, str] = {"finished": "finished already", "begun": "to go on with", "new": "to start"}
    parts = [f"{counts[state]} {text}" for state, text in texts.items() if counts[state]]
    print(f"Sweep of {len(sweep.runs)} runs in {sweep.folder}: {', '.join(parts)}", flush=True)


def _summarize(sweep: Sweep, finished: list[Run]) -> None:
    if not finished:
        return
    results = read_runs(finished)
    summary, paired = summarize(results, sweep.keys), differences(results, sweep.keys)
    if len(finished) < len(sweep.runs):
        print(f"\nINCOMPLETE: {len(finished)} of {len(sweep.runs)} runs")
    print(f"\n{format_sweep(results, summary)}")
    if paired:
        print(f"\n{format_differences(paired)}")
    path = write_sweep_results(sweep, results, summary, paired)
    print(f"\nFiles in {sweep.folder}: {path.name}, a folder for each run")
