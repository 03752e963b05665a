"""The table of the GPU's measurement."""

from __future__ import annotations

from idkl.benchmark.gpu_report import Row, format_markdown


def test_the_table() -> None:
    full = Row("precision", "fp32", 0.5, 240.0, 1.0, 20.5, 16.25, 0.4, 0.125, "a|b")
    head, rule, *lines = format_markdown([full, Row("search", "failed", remark="why")]).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in (head, *lines)]
    names = ["part", "what", "s", "images / s", "times the first", "peak GiB", "counted GiB", "of matmul", "of copy"]
    assert cells[0] == [*names, "remark"]
    assert cells[1] == ["precision", "fp32", "0.5000", "240", "1.00", "20.50", "16.25", "40%", "12%", "a/b"]
    assert cells[2] == ["search", "failed", *[""] * 7, "why"]
    assert set(rule) == {"|", "-"}
