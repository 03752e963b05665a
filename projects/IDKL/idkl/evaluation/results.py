"""Result rows: their keys, a text table of them, and ``results.json``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from datasets_ext.errors import UserError
from datasets_ext.files import write_atomically

Row = dict[str, Any]

RESULTS = "results.json"  # of a run folder: its last evaluation

RANKS = (1, 5, 10, 20)
METRICS = (*(f"Rank-{k}" for k in RANKS), "mAP", "mINP")
# What a row was measured on; null where a label does not apply. "rerank": false plain, true k-reciprocal re-ranking,
# "aqe" average query expansion.
LABELS = ("protocol", "mode", "shots", "direction", "gallery", "rerank", "trials")
INTERVALS = ("Rank-1", "mAP")  # metrics with a 95% interval over query identities
ROW_KEYS = (*LABELS, *METRICS, "std", "ci95")


def format_table(rows: Sequence[Row], models: Sequence[str] | None = None) -> str:
    """A text table: one caption line with what all rows share, then a line a row in the order given.

    A metric is shown in percent as ``mean±std`` over trials (the mean alone for one trial); behind Rank-1 and mAP
    stands the 95% interval over query identities.

    Args:
        rows: as :func:`read_results` returns them; at least one.
        models: one name a row for a leading "model" column, such as "untrained" and "trained".
    """
    varying = varying_labels(rows)
    names = [*(["model"] if models is not None else []), *varying]
    columns = [
        column for metric in METRICS for column in ([metric, f"{metric} 95%"] if metric in INTERVALS else [metric])
    ]
    lines = []
    for i, row in enumerate(rows):
        name = [models[i]] if models is not None else []
        cells = [cell for metric in METRICS for cell in _cells(row, metric)]
        lines.append([*name, *(label_text(key, row[key]) for key in varying), *cells])
    alignment = ["left"] * len(names) + ["right"] * len(columns)
    table = tabulate(lines, [*names, *columns], disable_numparse=True, colalign=alignment)
    spread = ", ± standard deviation over trials" if any(row["trials"] > 1 for row in rows) else ""
    return f"{shared_labels(rows)} (percent{spread}; 95%: bootstrap interval over query identities)\n\n{table}"


def row_name(row: Row, rows: Sequence[Row]) -> str:
    """A short name of ``row`` among ``rows``, such as ``all-1`` or ``indoor-10-reranked``."""
    labels = [str(row[key]) for key in varying_labels(rows) if key not in ("rerank", "trials")]
    return "-".join([*labels, *{False: [], True: ["reranked"]}.get(row["rerank"], [row["rerank"]])])


def varying_labels(rows: Sequence[Row]) -> list[str]:
    """The labels that tell the rows apart."""
    return [key for key in LABELS if len({row[key] for row in rows}) > 1]


def shared_labels(rows: Sequence[Row]) -> str:
    """What all rows were measured on, such as ``protocol sysu, gallery official, rerank no, trials 10``."""
    varying = varying_labels(rows)
    shared = [key for key in LABELS if key not in varying and rows[0][key] is not None]
    return ", ".join(f"{key} {label_text(key, rows[0][key])}" for key in shared)


def write_results(rows: Sequence[Row], path: str | Path) -> None:
    """Write ``rows`` as a JSON list to ``path``; folders are made, and an older file is replaced whole or not at all.

    Raises:
        UserError: ``path`` cannot be written.
    """
    text = json.dumps([{key: row[key] for key in ROW_KEYS} for row in rows], indent=2, allow_nan=False)
    write_atomically(Path(path), lambda file: file.write((text + "\n").encode()))


def read_results(path: str | Path) -> list[Row]:
    """Rows written by :func:`write_results`.

    Raises:
        UserError: the file cannot be read, or is not a list of such rows.
    """
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read results from {path}: {error.strerror}; give a results.json") from error
    except (ValueError, RecursionError) as error:  # not JSON, or not text
        raise UserError(f"{path} is not JSON ({error}); give a results.json written by this project") from error
    if not isinstance(rows, list):
        raise UserError(f"{path} is not a list of rows; give a results.json written by this project")
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or set(row) != set(ROW_KEYS):
            raise UserError(f"{path}: row {number} does not have the keys {', '.join(ROW_KEYS)}; write the file again")
        if wrong := _wrong_key(row):
            raise UserError(f"{path}: row {number} has {str(row[wrong])[:40]!r} as {wrong}; write the file again")
    return rows


def _wrong_key(row: Row) -> str | None:
    """The first key of a row with something else than it must have; None if there is none."""

    def numbers(values: Any, keys: Sequence[str], test: Callable[[Any], bool]) -> bool:
        return isinstance(values, dict) and set(values) == set(keys) and all(map(test, values.values()))

    tests = {
        **dict.fromkeys(LABELS, lambda value: value is None or isinstance(value, str | int)),
        "trials": lambda value: type(value) is int and value > 0,
        **dict.fromkeys(METRICS, _is_percentage),
        "std": lambda value: numbers(value, METRICS, _is_percentage),
        "ci95": lambda value: numbers(value, INTERVALS, _is_interval),
    }
    return next((key for key, test in tests.items() if not test(row[key])), None)


def _is_percentage(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 100  # False for NaN


def _is_interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_percentage, value))


def label_text(key: str, value: Any) -> str:
    """A label's value in a table."""
    if key == "rerank":
        return {False: "no", True: "yes"}.get(value, value)
    return "-" if value is None else str(value)


def _cells(row: Row, metric: str) -> list[str]:
    """A metric, and its interval where it has one."""
    spread = f"±{row['std'][metric]:.2f}" if row["trials"] > 1 else ""
    interval = ["{:.1f}-{:.1f}".format(*row["ci95"][metric])] if metric in INTERVALS else []
    return [f"{row[metric]:.2f}{spread}", *interval]
