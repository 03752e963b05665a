"""Rank lists as a picture: each query beside its nearest gallery images, right and wrong ones told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .canvas import GREY, MODALITIES, RIGHT, WRONG, in_style, new_figure
from .embedded import Embedded
from .ranks import RankList, describe_setting
from .thumbnails import thumbnail

_TILE, _ROW, _LABEL, _GAP = (
    1.12,
    2.42,
    2.75,
    0.35,
)  # of a column, a row, its label, the query's distance; in tile widths
_INCHES = 0.55  # of a tile's width
_LEAST = 8  # columns, for the title and the legend
_GLYPHS = ("\N{WHITE CIRCLE}", "\N{WHITE UP-POINTING TRIANGLE}")  # of a visible and an infrared image
_FRAMES = {True: (RIGHT, "-", "\N{CHECK MARK}"), False: (WRONG, (0, (3, 1.5)), "\N{BALLOT X}")}


@in_style
def rank_figure(embedded: Embedded, groups: Mapping[str, Sequence[RankList]], setting: int = 0) -> Figure:
    """A row a query: the query, then its rank list, nearest first.

    A right image has a solid blue frame and a check mark, a wrong one a dashed vermilion frame and a cross. Below an
    image stand its modality (circle visible, triangle infrared), its camera and its cosine with the query.

    Args:
        groups: rank lists under a heading, such as :func:`.ranks.choose_queries` gives them; at least one.
        setting: the one that they are of.

    Raises:
        UserError: an image cannot be read.
    """
    rows = [(name, entry) for name, entries in groups.items() for entry in entries]
    longest = max(_LEAST, *(len(entry.gallery) for _, entry in rows))
    width, height = _LABEL + _TILE * (longest + 1) + _GAP, _ROW * len(rows) + 1.0
    figure = new_figure(width * _INCHES, height * _INCHES + 0.3)
    axes = figure.add_subplot(frameon=False, xlim=(-_LABEL, width - _LABEL), ylim=(height - 0.5, -0.5), aspect="equal")
    axes.set_axis_off()
    for rank in range(1, longest + 1):
        axes.text(_left(rank) + 0.5, -0.12, str(rank), ha="center", color=GREY)
    axes.text(0.5, -0.12, "query", ha="center", color=GREY)
    heading = ""
    for number, (name, entry) in enumerate(rows):
        top = number * _ROW
        if name != heading:
            axes.text(-_LABEL, top + 0.3, name, weight="bold", va="center", size=10)
            heading = name
        _draw_row(axes, embedded, entry, top)
    _draw_legend(axes, len(rows) * _ROW + 0.15)
    chosen = embedded.settings[setting]
    once = ", CMC rank counts each identity once" if chosen.deduplicate else ""
    figure.suptitle(f"{embedded.name}\n{describe_setting(chosen)}\nfirst trial{once}", size=9)
    return figure


def _left(rank: int) -> float:
    """Where the image at a rank begins; rank 0 is the query."""
    return rank * _TILE + (_GAP if rank else 0.0)


def _draw_row(axes: Axes, embedded: Embedded, entry: RankList, top: float) -> None:
    pid = int(embedded.images.pids[entry.query])
    matched = f"AP {100 * entry.ap:.1f} %\nCMC rank {entry.first_rank}" if entry.first_rank else "no match"
    hidden = f"\n{len(entry.ignored)} ignored by\nthe camera rule" if len(entry.ignored) else ""
    axes.text(-_LABEL, top + 0.55, f"identity {pid}\n{matched}{hidden}", va="top", size=8, linespacing=1.35)
    _draw_tile(axes, embedded, entry.query, 0, top, "")
    for rank, (row, cosine, right) in enumerate(zip(entry.gallery, entry.cosines, entry.correct, strict=True), 1):
        _draw_tile(axes, embedded, int(row), rank, top, f" {cosine:.2f}")
        _draw_frame(axes, rank, top, *_FRAMES[bool(right)])


def _draw_tile(axes: Axes, embedded: Embedded, row: int, rank: int, top: float, cosine: str) -> None:
    left = _left(rank)
    axes.imshow(
        thumbnail(embedded, row), extent=(left, left + 1, top + 2, top), aspect="equal", interpolation="antialiased"
    )
    glyph = _GLYPHS[embedded.modalities[row]]
    label = f"{glyph} c{embedded.images.camids[row]}{cosine}"
    axes.text(left + 0.5, top + 2.2, label, ha="center", va="center", size=6.5)


def _draw_frame(axes: Axes, rank: int, top: float, color: str, style: object, mark: str) -> None:
    left = _left(rank)
    for shade, line in (("white", "-"), (color, style)):  # white behind the gaps of a dashed one
        axes.add_patch(Rectangle((left, top), 1, 2, fill=False, linewidth=2.4, edgecolor=shade, linestyle=line))
    box = {"boxstyle": "square,pad=0.12", "facecolor": color, "edgecolor": "white", "linewidth": 0.6}
    axes.text(left + 0.84, top + 0.17, mark, ha="center", va="center", color="white", size=7, weight="bold", bbox=box)


def _draw_legend(axes: Axes, top: float) -> None:
    for place, (right, what) in enumerate(((True, "same identity"), (False, "another identity"))):
        color, style, mark = _FRAMES[right]
        left = place * 3.4 - _LABEL
        axes.plot([left, left + 0.7], [top + 0.2] * 2, color=color, linestyle=style, linewidth=2.4)
        axes.text(left + 0.85, top + 0.2, f"{mark} {what}", va="center", size=8)
    glyphs = "   ".join(f"{glyph} {name}" for glyph, name in zip(_GLYPHS, MODALITIES, strict=True))
    axes.text(7.2 - _LABEL, top + 0.2, f"{glyphs}   c: camera, then cosine", va="center", size=8)
