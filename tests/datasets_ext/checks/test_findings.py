"""The verdict follows from the worst finding and from what the folder says of itself."""

from __future__ import annotations

import itertools

import pytest

from datasets_ext.checks.findings import Finding, Level, Report, none_expected

PUBLISHED, USABLE, BROKEN = "ok: the published dataset", "usable, but not the published dataset", "not usable"


def report(*levels: Level, generated: bool = False) -> Report:
    return Report("RegDB", "RegDB", generated, tuple(Finding("what", "1", "2", level) for level in levels))


@pytest.mark.parametrize(
    ("levels", "generated", "verdict", "status"),
    [
        ((Level.OK,), False, PUBLISHED, 0),
        ((Level.OK, Level.NOTE), False, PUBLISHED, 0),
        ((Level.OK, Level.NOTE), True, USABLE, 0),
        ((Level.DIFFERS, Level.NOTE), False, USABLE, 1),
        ((Level.DIFFERS,), True, USABLE, 1),
        ((Level.PROBLEM,), False, BROKEN, 1),
        ((Level.OK, Level.PROBLEM, Level.DIFFERS), True, BROKEN, 1),
    ],
)
def test_verdict_and_status(levels: tuple[Level, ...], generated: bool, verdict: str, status: int) -> None:
    made = report(*levels, generated=generated)
    assert (made.verdict, made.exit_status) == (verdict, status)


def test_the_order_of_findings_changes_nothing() -> None:
    for levels in itertools.permutations(Level):
        assert report(*levels).verdict == BROKEN


def test_none_expected() -> None:
    assert none_expected("gaps", [], Level.PROBLEM, "mend") == Finding("gaps", "0", "0", Level.OK, "", ())
    assert none_expected("gaps", ["a", "b"], Level.NOTE, "mend") == Finding(
        "gaps", "0", "2", Level.NOTE, "mend", ("a", "b")
    )
