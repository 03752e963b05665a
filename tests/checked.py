"""Reading a report in tests."""

from __future__ import annotations

from datasets_ext.checks import Finding, Level, Report


def finding(report: Report, what: str) -> Finding:
    """The one finding whose ``what`` is this, else the one whose starts so."""
    same = [f for f in report.findings if f.what == what]
    (found,) = same or [f for f in report.findings if f.what.startswith(what)]
    return found


def faults(report: Report) -> list[str]:
    """What is not as it should be: findings that change the verdict."""
    return [f.what for f in report.findings if f.level > Level.NOTE]
