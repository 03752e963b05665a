"""What a check says: a finding a line, and the verdict over all of them. Only data; ``text.py`` formats it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass


class Level(enum.IntEnum):
    """How much a finding matters, in rising order."""

    OK = 0
    NOTE = 1  # worth knowing; changes no verdict
    DIFFERS = 2  # the dataset can be used, but is not the published one
    PROBLEM = 3  # training or evaluation stops, or is wrong


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        what: what was looked at.
        expected, found: in a few words, or numbers.
        advice: what to do about it; empty where all is well.
        items: which ones, each in a few words; all of them.
    """

    what: str
    expected: str
    found: str
    level: Level = Level.OK
    advice: str = ""
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """All findings about one folder, in the order in which they were made."""

    dataset: str
    root: str
    generated: bool
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Level:
        return max(finding.level for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One of three: ``ok: the published dataset``, ``usable, but not ...``, ``not usable``."""
        if self.worst == Level.PROBLEM:
            return "not usable"
        if self.worst == Level.DIFFERS or self.generated:
            return "usable, but not the published dataset"
        return "ok: the published dataset"

    @property
    def exit_status(self) -> int:
        """0 where the folder is what it says it is: the published dataset, or generated data without a fault."""
        return int(self.worst > Level.NOTE)


def none_expected(what: str, items: Sequence[str], level: Level, advice: str) -> Finding:
    """The finding about things of which there should be none; ``level`` and ``advice`` count if there are some."""
    if not items:
        return Finding(what, "0", "0")
    return Finding(what, "0", str(len(items)), level, advice, tuple(items))
