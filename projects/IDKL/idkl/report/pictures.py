"""The figures of a report as data URIs, and for each that cannot be drawn the reason why."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from PIL import Image

from datasets_ext.errors import UserError

from ..visualization.cam_figure import cam_figure
from ..visualization.canvas import DPI, encode_figure
from ..visualization.cmc import cmc_figure
from ..visualization.distances import distance_figure
from ..visualization.embedded import Embedded
from ..visualization.source import Source
from ..visualization.tsne import tsne_figure
from .viewer import data_uri


@dataclass(frozen=True)
class Picture:
    """A figure with its words, ``width`` in pixels; ``uri`` is None where it is missing, and ``missing`` says why."""

    title: str
    caption: str
    uri: str | None
    width: int
    missing: str


def draw_pictures(models: Sequence[tuple[Source, Embedded]]) -> list[Picture]:
    """The figures of all models together, then the heat maps of each model.

    Args:
        models: one or more; those on one test set are drawn side by side.
    """
    together = [embedded for _, embedded in models]
    pictures = [
        _draw(
            "Where the features lie (t-SNE)",
            "Some test people, each in a colour, their visible images as filled circles and their infrared ones as "
            "open triangles. Good features bring both marks of a colour together, apart from the other colours.",
            lambda: tsne_figure(together),
        ),
        _draw(
            "How far apart images are",
            "Distances between two images of one person and of two people, within a modality and across. The less the "
            "two hills overlap, the better.",
            lambda: distance_figure(together),
        ),
        _draw(
            "How soon the right person comes (CMC)",
            "Of how many queries the right person is among the first k gallery images, for every setting.",
            lambda: cmc_figure(together),
        ),
    ]
    return pictures + [_heat(source, embedded, len(models) > 1) for source, embedded in models]


def _png(figure: Figure) -> str:
    return data_uri(encode_figure(figure), "image/png")


def _jpeg(figure: Figure) -> str:
    """A quarter of the bytes where a figure is made of photographs."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(encode_figure(figure))) as image:
        image.convert("RGB").save(buffer, "JPEG", quality=88)
    return data_uri(buffer.getvalue(), "image/jpeg")


def _heat(source: Source, embedded: Embedded, named: bool) -> Picture:
    return _draw(
        f"What the network looks at (Grad-CAM){f': {embedded.name}' if named else ''}",
        "Bright places make the network call a person's visible and infrared image alike: by the shared feature, with "
        "which it searches, and by the specific and purified ones, which only teach it.",
        lambda: cam_figure(source, embedded),
        _jpeg,
    )


def _draw(title: str, caption: str, draw: Callable[[], Figure], encode: Callable[[Figure], str] = _png) -> Picture:
    try:
        figure = draw()
    except UserError as error:
        return Picture(title, caption, None, 0, f"Not drawn: {error}.")
    return Picture(title, caption, encode(figure), round(figure.get_figwidth() * DPI), "")
