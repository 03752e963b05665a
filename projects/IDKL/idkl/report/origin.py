"""Where a run comes from: its command, versions and code, and the config keys that differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.setup import merge_config
from ..engine.sweep_plan import flatten_nested
from .run import Run

IN_PLACE = ("OUTPUT_DIR",)  # where a run lies; never the same, and nothing depends on it


@dataclass(frozen=True)
class Origin:
    """A run's origin: ``note`` on what is not known, ``facts`` (name, value), ``changes`` (key, default, value)."""

    name: str
    note: str
    facts: list[tuple[str, str]]
    changes: list[tuple[str, str, str]]


def trace_origin(run: Run) -> Origin:
    """What is known of a run's origin."""
    config, defaults = dict(flatten_nested(run.cfg)), dict(flatten_nested(merge_config("", [])))
    changes = [(key, str(defaults[key]), str(value)) for key, value in config.items() if value != defaults[key]]
    return Origin(run.name, "", [("folder", str(run.folder)), ("seed", str(run.cfg.SEED))], changes)


def config_differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Config keys whose values differ between runs, each with every run's value."""
    configs: list[dict[str, Any]] = [dict(flatten_nested(run.cfg)) for run in runs]
    keys = [key for key in configs[0] if key not in IN_PLACE]
    return [
        (key, [str(config[key]) for config in configs])
        for key in keys
        if any(config[key] != configs[0][key] for config in configs)
    ]
