"""What ``tools/sweep.py --study`` does: an Optuna study whose every trial is a sweep over seeds or splits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tabulate import tabulate

from datasets_ext.errors import UserError

from .setup import merge_config
from .study import Ranges, run_study
from .sweep import run_sweep
from .sweep_plan import plan_sweep
from .sweep_summary import AVERAGED, SWEEP_RESULTS


def study_sweeps(
    config_file: str,
    over: Sequence[Sequence[str]],
    overrides: Sequence[str],
    ranges: Ranges,
    trials: int,
    gpus: Sequence[int],
    program: Path,
) -> None:
    """Search for the values with the highest mAP (plain, mean over settings and runs), and print all trials.

    Args:
        over: seeds and splits that each trial averages over.
        overrides: for all runs; ``OUTPUT_DIR`` names the folder of the journal and of a folder for each trial.

    Raises:
        UserError: ``over`` has another key; a run failed; Optuna is not installed.
    """
    if other := [words[0] for words in over if words[0] not in AVERAGED]:
        raise UserError(f"--over {other[0]} with --study: a trial is over {' and '.join(AVERAGED)} only")
    folder = Path(merge_config(config_file, list(overrides)).OUTPUT_DIR)

    def score(number: int, values: dict[str, float]) -> float:
        own = folder / f"trial-{number:03d}"
        chosen = [word for key, value in values.items() for word in (key, repr(value))]
        run_sweep(plan_sweep([config_file], over, [*overrides, *chosen, "OUTPUT_DIR", str(own)]), gpus, program)
        return mean_map(own / SWEEP_RESULTS)

    study = run_study(score, ranges, trials, folder)
    scores = {trial.number: trial.value for trial in study.trials if trial.value is not None}
    lines = [
        [number, f"{reached:.2f}", *(f"{study.trials[number].params[key]:.4g}" for key in ranges)]
        for number, reached in sorted(scores.items(), key=lambda pair: -pair[1])
    ]
    table = tabulate(lines, ["trial", "mAP", *ranges], disable_numparse=True)
    print(f"\nTrials, best first (mAP in percent)\n\n{table}")
    print("\nThese values are chosen by their test score: a figure to report needs other identities or another split")


def mean_map(path: Path) -> float:
    """Mean mAP of a ``sweep_results.json`` over its settings, without re-ranking."""
    rows = json.loads(path.read_text(encoding="utf-8"))["summary"]
    return float(np.mean([row["mAP"] for row in rows if row["rerank"] is False]))
