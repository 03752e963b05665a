"""Two runs as text: their tables side by side, and what differs between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from ...evaluation.results import LABELS, RESULTS, Row, format_table, read_results
from .differences import Difference, differences

LONGEST = 60  # letters of a value in the table


def compare_runs(a: Path, b: Path) -> str:
    """The rows of both results, those of a setting one below the other, and what differs between the runs.

    Args:
        a, b: each a run folder or a results file.

    Raises:
        UserError: a run has no results or no provenance, or they are damaged.
    """
    found = differences(a, b)
    rows = [read_results(run / RESULTS if run.is_dir() else run) for run in (a, b)]
    return f"{_side_by_side(rows, [str(a), str(b)])}\n\n{format_differences(found, [str(a), str(b)])}"


def format_differences(found: Sequence[Difference], names: Sequence[str]) -> str:
    """A text table of what can change the numbers, and one of what cannot.

    Args:
        found: of :func:`.differences.differences`.
        names: what the two runs are called.
    """
    parts = []
    for matters, title in ((True, "can change the numbers"), (False, "cannot change the numbers")):
        lines = [(one.key, _cell(one.a), _cell(one.b)) for one in found if one.matters == matters]
        table = tabulate(lines, ["key", *names], disable_numparse=True) if lines else "nothing"
        parts.append(f"What differs and {title}\n\n{table}")
    return "\n\n".join(parts)


def _side_by_side(rows: Sequence[Sequence[Row]], names: Sequence[str]) -> str:
    """One table of two results; settings in the order of the first, then those of the second alone."""
    order = list(dict.fromkeys(_setting(row) for some in rows for row in some))
    labelled = [(order.index(_setting(row)), name, row) for name, some in zip(names, rows, strict=True) for row in some]
    labelled.sort(key=lambda line: line[0])  # stable: the first run's row stands above the second's
    return format_table([row for *_, row in labelled], [name for _, name, _ in labelled])


def _setting(row: Row) -> tuple[Any, ...]:
    return tuple(row[label] for label in LABELS)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28,52}\b", r"\1", text)  # a hash by its beginning
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
