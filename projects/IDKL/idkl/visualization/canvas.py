"""What all figures share: colours and marks that print and colour blindness leave apart, and files that repeat."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from datasets_ext.errors import UserError
from datasets_ext.files import write_atomically

# Okabe and Ito's palette, https://jfly.uni-koeln.de/color/; a grey for its yellow, which is hard to see on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000", "#999999")
BLUE, VERMILION = COLORS[:2]
GREY = "#666666"  # of text
RIGHT, WRONG = BLUE, VERMILION  # of retrieved images
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))  # one a line, beside its colour
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
MODALITIES = ("visible", "infrared")
MODALITY_MARKERS = ("o", "^")  # as in the paper's Fig. 6

FORMATS = ("png", "pdf")
DPI = 150
# Without a date or a version a figure has the same bytes each time. Type 42: text of a PDF stays text.
_METADATA = {"png": {"Software": None}, "pdf": {"Creator": None, "Producer": None, "CreationDate": None}}
_STYLE: dict[str, Any] = {"pdf.fonttype": 42, "font.size": 9.0, "axes.spines.top": False, "axes.spines.right": False}

# A decorator: what the function draws does not depend on settings of the user's.
in_style = matplotlib.rc_context(_STYLE)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, laid out so that nothing overlaps."""
    return Figure(figsize=(width, height), layout="constrained")


@in_style
def encode_figure(figure: Figure, kind: str = "png") -> bytes:
    """The figure as the bytes of a PNG or PDF, ``kind`` "png" or "pdf"; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=DPI, metadata=_METADATA[kind])
    return buffer.getvalue()


def check_format(path: Path) -> str:
    """The kind of file that ``path`` names by its suffix, "png" or "pdf"; UserError for any other."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise UserError(f"--output {path} does not end in .png or .pdf: figures are written in these formats")
    return kind


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure whole or not at all, as PNG or PDF by the suffix. UserError for another, or if it cannot be."""
    content = encode_figure(figure, check_format(path))
    write_atomically(path, lambda file: file.write(content))
