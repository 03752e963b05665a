"""A report as text for a person, and as plain data for a program."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tabulate import tabulate

from .findings import Finding, Level, Report

_NAMED = 5  # items of a finding that are named


def format_report(report: Report) -> str:
    """A table with one line a finding, then what to do about those that are not ok, then the verdict."""
    rows = [(f.what, f.expected, f.found, f.level.name.lower()) for f in report.findings]
    lines = [f"{report.dataset} at {report.root}", ""]
    lines += [tabulate(rows, headers=("check", "expected", "found", "result"), disable_numparse=True), ""]
    same_advice: dict[tuple[Level, str], list[Finding]] = defaultdict(list)
    for finding in sorted(report.findings, key=lambda finding: -finding.level):
        if finding.level > Level.OK:
            same_advice[finding.level, finding.advice].append(finding)
    for (_, advice), findings in same_advice.items():
        lines += [line for finding in findings for line in _explain(finding)]
        lines += [f"  to do: {advice}", ""]
    text = "\n".join([*lines, f"verdict: {report.verdict}"])
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # a file name may be no text


def _explain(finding: Finding) -> list[str]:
    lines = [f"{finding.level.name.lower()}: {finding.what}: {finding.found}, expected {finding.expected}"]
    lines += [f"    {item}" for item in finding.items[:_NAMED]]
    if len(finding.items) > _NAMED:
        lines.append(f"    and {len(finding.items) - _NAMED} more")
    return lines


def report_data(report: Report) -> dict[str, Any]:
    """The same content for ``json.dumps``; a finding's ``items`` are all named."""
    return {
        "dataset": report.dataset,
        "root": report.root,
        "generated": report.generated,
        "verdict": report.verdict,
        "findings": [
            {
                "what": f.what,
                "expected": f.expected,
                "found": f.found,
                "result": f.level.name.lower(),
                "advice": f.advice,
                "items": list(f.items),
            }
            for f in report.findings
        ],
    }
