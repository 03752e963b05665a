"""The page: a report as one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from datasets_ext.files import write_atomically

from . import charts
from .report import Report
from .run import UNTRAINED

# Section by section: the name of its template and anchor, its title, and what it cannot be without.
SECTIONS = (
    ("short", "In short", "cards"),
    ("results", "Results", "cards"),
    ("paper", "Beside the paper", "comparisons"),
    ("ranks", "Rank lists", "viewer"),
    ("hardest", "Hardest people", "hardest"),
    ("pictures", "Pictures", "pictures"),
    ("curves", "Training curves", "charts"),
    ("origin", "Where it comes from", "origins"),
)
CHART_SIZE = {
    "width": charts.WIDTH,
    "height": charts.HEIGHT,
    "left": charts.LEFT,
    "right": charts.RIGHT,
    "top": charts.TOP,
    "bottom": charts.BOTTOM,
}


def render_page(report: Report) -> str:
    """The HTML text. Every value of the report is escaped: names, paths and config values are anybody's."""
    environment = Environment(
        loader=PackageLoader("idkl.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [(name, title) for name, title, needed in SECTIONS if getattr(report, needed)]
    template = environment.get_template("report.html.j2")
    return template.render(report=report, sections=sections, chart_size=CHART_SIZE, untrained=UNTRAINED)


def write_page(report: Report, path: Path) -> int:
    """Write the page to ``path``, whole or not at all, and return its bytes. UserError if it cannot be written."""
    content = render_page(report).encode("utf-8", "replace")
    write_atomically(path, lambda file: file.write(content))
    return len(content)
