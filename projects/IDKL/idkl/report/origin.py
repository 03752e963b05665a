"""Where a run comes from: its commands, code, versions, data and seed, and the config keys that differ."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from datasets_ext.errors import UserError

from ..engine.provenance import PROVENANCE, differences, read_sessions
from ..engine.provenance.description import RESULTS_RECORDED, describe
from ..engine.provenance.software import without_home
from ..engine.setup import merge_config
from ..engine.sweep_plan import flatten_nested
from .run import Run

IN_PLACE = ("OUTPUT_DIR",)  # where a run lies: never the same, and no number depends on it
LONGEST = 200  # letters of the list of changed files
PREFIXES = {"versions": "versions.", "device": "device.", "weights": "weights.", "protocol": "protocol."}


@dataclass(frozen=True)
class Origin:
    """A run's origin: ``note`` on what is not known, ``facts`` (name, value), ``changes`` (key, default, value)."""

    name: str
    note: str
    facts: list[tuple[str, str]]
    changes: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Differing:
    """A key whose values differ between runs, each run's value, and whether it can change the numbers."""

    key: str
    values: list[str]
    matters: bool


def trace_origin(run: Run) -> Origin:
    """What is known of a run's origin; a run of before there was a ``provenance.json`` says so."""
    config, defaults = dict(flatten_nested(run.cfg)), dict(flatten_nested(merge_config("", [])))
    changes = [
        (key, str(defaults[key]), without_home(str(value))) for key, value in config.items() if value != defaults[key]
    ]
    facts = [("folder", without_home(str(run.folder))), ("seed", str(run.cfg.SEED))]
    path = run.folder / PROVENANCE
    if not path.is_file():
        note = f"This run has no {PROVENANCE}: it was made before runs recorded their command, code, versions and data."
        return Origin(run.name, note, facts, changes)
    try:
        sessions, values = read_sessions(path), describe(run.folder)
    except UserError as error:
        return Origin(run.name, f"Not known: {error}.", facts, changes)
    for session in sessions:
        facts.append(
            (f"{session['kind']} of {session.get('time', 'an unknown time')}", str(session.get("command", "")))
        )
    note = (
        ""
        if values[RESULTS_RECORDED]
        else "No recorded session wrote this results.json: it was changed or copied here."
    )
    return Origin(run.name, note, facts + _facts(values), changes)


def _facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("code", _code(values))]
    facts += [(name, _group(values, prefix)) for name, prefix in PREFIXES.items()]
    names = dict.fromkeys(key.split(".")[1] for key in values if key.startswith("datasets."))
    facts += [(f"data, {name}", _group(values, f"datasets.{name}.")) for name in names]
    return [(name, text) for name, text in facts if text]


def _code(values: Mapping[str, Any]) -> str:
    """The commit that ran, and whether files differed from it."""
    if "git.commit" not in values:
        return "installed, no checkout"
    changed = values.get("git.changed")
    state = f"with changes in {shorten(_text(changed), LONGEST, placeholder=' ...')}" if changed else "without changes"
    return f"commit {_text(values['git.commit'])} on {_text(values.get('git.branch', 'no branch'))}, {state}"


def _group(values: Mapping[str, Any], prefix: str) -> str:
    """All keys with a prefix in one line: ``torch 2.14.1, numpy 2.4.6``."""
    found = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
    return ", ".join(f"{key} {_text(value)}" for key, value in found.items())


def list_differences(runs: Sequence[Run]) -> list[Differing]:
    """What differs between runs: by what they recorded of themselves, or by their configs where one recorded nothing.

    What can change the numbers comes first.
    """
    if len(runs) < 2:
        return []
    try:
        known = [describe(run.folder) for run in runs]
        found = [one for run in runs[1:] for one in differences(runs[0].folder, run.folder)]
        matters = {one.key: one.matters for one in found if one.key not in IN_PLACE}
    except UserError:
        known = [dict(flatten_nested(run.cfg)) for run in runs]
        matters = {key: True for key in known[0] if key not in IN_PLACE and len({str(one[key]) for one in known}) > 1}
    ordered = sorted(matters, key=lambda key: not matters[key])
    return [Differing(key, [_text(one.get(key, "-")) for one in known], matters[key]) for key in ordered]


def _text(value: Any) -> str:
    """A value in words, hashes by their beginning."""
    text = ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28,52}\b", r"\1", text)
