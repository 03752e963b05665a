"""The tables of the study from its runs.

    python projects/IDKL/study/table.py

prints, from results.json beside this file, a table for each data set and start: mean and population standard deviation
over seeds, and the difference from row 1 of Table 4, seed by seed. The README's tables are its output.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

RESULTS = Path(__file__).with_name("results.json")
REFERENCE = "row1_base"
HEAD = ("setting", "seeds", "Rank-1", "mAP", "re-ranked mAP", "mAP less row1_base's", "better")


def tables(study: dict[str, Any]) -> list[str]:
    """Markdown tables, one for each of the study's ``groups``.

    Args:
        study: ``groups`` (title and, for each setting, its runs by seed), each run's "Rank-1", "mAP" and
            "re-ranked mAP" in percent, mean over the directions.
    """
    return [f"{group['title']}\n\n{_table(group['settings'])}" for group in study["groups"]]


def _table(settings: dict[str, dict[str, dict[str, float]]]) -> str:
    reference = settings[REFERENCE]
    lines = []
    for name, runs in settings.items():
        change = [run["mAP"] - reference[seed]["mAP"] for seed, run in runs.items() if seed in reference]
        paired = "" if name == REFERENCE else f"{np.mean(change):+.2f}±{np.std(change):.2f}"
        better = "" if name == REFERENCE else f"{sum(value > 0 for value in change)} of {len(change)}"
        cells = [_mean([run[metric] for run in runs.values()]) for metric in ("Rank-1", "mAP", "re-ranked mAP")]
        lines.append([name, " ".join(runs), *cells, paired, better])
    return tabulate(lines, HEAD, tablefmt="pipe", disable_numparse=True, colalign=("left", "left", *["right"] * 5))


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):.2f}±{np.std(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


if __name__ == "__main__":
    print("\n\n".join(tables(json.loads(RESULTS.read_text(encoding="utf-8")))))
