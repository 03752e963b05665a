"""The report for a person and for a program say the same."""

from __future__ import annotations

import json

from datasets_ext.checks.findings import Finding, Level, Report
from datasets_ext.checks.text import format_report, report_data

FINDINGS = (
    Finding("folders", "0", "0"),
    Finding("test images", "5", "4", Level.DIFFERS, "copy again"),
    Finding("unreadable", "0", "7", Level.PROBLEM, "mend", tuple(f"image {k}" for k in range(7))),
    Finding("lost", "0", "5", Level.NOTE, "look", tuple(f"file {k}" for k in range(5))),
    Finding("training images", "9", "8", Level.DIFFERS, "copy again"),
)
REPORT = Report("RegDB", "data/RegDB", False, FINDINGS)


def test_one_line_a_finding_then_what_to_do_then_the_verdict() -> None:
    lines = format_report(REPORT).splitlines()
    assert lines[0] == "RegDB at data/RegDB"
    assert [line.split() for line in lines[4:9]] == [
        [*f.what.split(), f.expected, f.found, f.level.name.lower()] for f in FINDINGS
    ]
    assert lines[10:] == [
        "problem: unreadable: 7, expected 0",
        *[f"    image {k}" for k in range(5)],
        "    and 2 more",
        "  to do: mend",
        "",
        "differs: test images: 4, expected 5",
        "differs: training images: 8, expected 9",
        "  to do: copy again",
        "",
        "note: lost: 5, expected 0",
        *[f"    file {k}" for k in range(5)],
        "  to do: look",
        "",
        "verdict: not usable",
    ]


def test_data_has_the_same_content_and_every_item() -> None:
    data = json.loads(json.dumps(report_data(REPORT)))
    assert (data["dataset"], data["root"], data["generated"], data["verdict"]) == (
        "RegDB",
        "data/RegDB",
        False,
        "not usable",
    )
    again = [
        Finding(f["what"], f["expected"], f["found"], Level[f["result"].upper()], f["advice"], tuple(f["items"]))
        for f in data["findings"]
    ]
    assert tuple(again) == FINDINGS


def test_a_file_name_that_is_no_text_can_be_printed() -> None:
    report = Report("RegDB", "RegDB", False, (Finding("lost", "0", "1", Level.NOTE, "look", ("a\udcff.jpg",)),))
    assert "a\\udcff.jpg" in format_report(report)
    format_report(report).encode("utf-8")
