"""One HTML file about one or several runs: :func:`gather_report` reads, :func:`write_page` writes."""

from .page import write_page
from .report import gather_report

__all__ = ["gather_report", "write_page"]
