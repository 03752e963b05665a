"""Grad-CAM heat over images: both modalities of some people, each feature beside the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from datasets_ext.errors import UserError

from ..evaluation.ranking import IntArray
from .cam import Heat, choose_pairs, heat_maps
from .cam_model import FEATURES
from .canvas import GREY, MODALITIES, in_style, new_figure
from .embedded import Embedded
from .source import Source
from .thumbnails import HEIGHT, WIDTH, thumbnail

_COMPARED = 16  # people, shown or not
_HEAT = "inferno"  # its lightness rises with the value, in print and to colour-blind readers as well
_INCHES = 0.82  # of a tile's width
_TILE, _ROW, _LABEL, _GAP = 1.06, 2.3, 0.95, 0.3  # of a column, a row, its label, between modalities; in tile widths


@in_style
def cam_figure(
    source: Source, embedded: Embedded, count: int = 4, features: Sequence[str] = FEATURES, seed: int = 0
) -> Figure:
    """A row a person: its visible image and the heat of each feature on it, then the same for an infrared one.

    What the heat raises is said in :mod:`.cam`. Below it stands the cosine of the two images by that feature, the mean
    of their modality taken off. A white line is drawn at half the highest heat.

    Args:
        source: the model, which ``embedded`` is of.
        count: people, drawn with ``seed`` as their images are.
        features: of :data:`.cam_model.FEATURES`.

    Raises:
        UserError: ``count`` is below 1, or as for :func:`.cam.choose_pairs` and :func:`.cam.heat_maps`.
    """
    if count < 1:
        raise UserError(f"--count {count}: give 1 or more")
    pairs = choose_pairs(embedded.images.pids, embedded.modalities, max(count, _COMPARED), seed)
    heats = heat_maps(source, pairs, min(count, pairs.shape[1]), features)
    shown = pairs[:, :count]
    half = _TILE * (1 + len(features))
    width, height = _LABEL + 2 * half + _GAP, _ROW * shown.shape[1] + 0.6
    figure = new_figure(width * _INCHES, height * _INCHES + 0.75)
    axes = figure.add_subplot(frameon=False, xlim=(-_LABEL, width - _LABEL), ylim=(height - 0.6, -0.6), aspect="equal")
    axes.set_axis_off()
    for modality, rows in enumerate(shown):
        _draw_side(axes, embedded, rows, heats, modality, modality * (half + _GAP))
    for i, row in enumerate(shown[0]):
        axes.text(-_LABEL, i * _ROW + 1, f"identity\n{embedded.images.pids[row]}", va="center")
    bar = figure.colorbar(ScalarMappable(cmap=_HEAT), ax=axes, location="bottom", aspect=45, shrink=0.5, pad=0.01)
    _label_bar(bar, *next(iter(heats.values())).cells)
    figure.suptitle(f"{embedded.name}: Grad-CAM of what the two images of a person have in common", size=10)
    return figure


def _draw_side(
    axes: Axes, embedded: Embedded, rows: IntArray, heats: Mapping[str, Heat], modality: int, start: float
) -> None:
    """The images ``rows`` of one modality and the heat on them, from ``start`` to the right."""
    axes.text(start + _TILE * (1 + len(heats)) / 2, -0.42, MODALITIES[modality], ha="center", weight="bold", size=10)
    for column, what in enumerate(("image", *heats)):
        axes.text(start + column * _TILE + 0.5, -0.1, what, ha="center", color=GREY)
    for i, row in enumerate(rows):
        top, picture = i * _ROW, thumbnail(embedded, int(row))
        _draw_tile(axes, picture, start, top, f"camera {embedded.images.camids[row]}")
        for column, heat in enumerate(heats.values(), 1):
            text = f"cosine {heat.cosines[i]:.2f}"
            _draw_heat(axes, picture, heat.maps[modality, i], start + column * _TILE, top, text)


def _label_bar(bar: Colorbar, height: int, width: int) -> None:
    bar.set_ticks([0, 1], labels=["none", "highest of the image"])
    bar.outline.set_visible(False)
    bar.set_label(f"what brings the two images together, on maps of {height} x {width} cells", size=8)


def _draw_tile(axes: Axes, picture: NDArray[np.uint8], left: float, top: float, text: str) -> None:
    axes.imshow(picture, extent=(left, left + 1, top + 2, top), interpolation="antialiased")
    axes.text(left + 0.5, top + 2.13, text, ha="center", va="center", size=7)


def _draw_heat(
    axes: Axes, picture: NDArray[np.uint8], heat: NDArray[np.float32], left: float, top: float, text: str
) -> None:
    grey = np.asarray(Image.fromarray(picture).convert("L").convert("RGB"))
    _draw_tile(axes, grey, left, top, text)
    extent = (left, left + 1, top + 2, top)
    spread = np.asarray(Image.fromarray(heat).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).clip(0, 1)
    # Where there is little heat the image stays to be seen.
    axes.imshow(spread, extent=extent, cmap=_HEAT, vmin=0, vmax=1, alpha=0.2 + 0.5 * spread, interpolation="nearest")
    if spread.max() > 0:
        axes.contour(spread, levels=[spread.max() / 2], extent=extent, origin="upper", colors="white", linewidths=0.9)
