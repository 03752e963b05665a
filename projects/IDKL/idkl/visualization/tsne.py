"""t-SNE of test features, as in the paper's Fig. 6: identities by colour, modality by marker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from datasets_ext.errors import UserError

from ..evaluation.ranking import IntArray
from .canvas import COLORS, MODALITIES, MODALITY_MARKERS, in_style, new_figure
from .embedded import Embedded, check_same_images

IDENTITIES = len(COLORS)
_LEAST = 8  # points


@in_style
def tsne_figure(models: Sequence[Embedded], identities: int = IDENTITIES, seed: int = 0) -> Figure:
    """A panel a model, all of the same images: those of some test identities.

    A line joins an identity's centres in both modalities, and its number stands on it.

    t-SNE (van der Maaten and Hinton, 2008) keeps neighbours and no distances, so each panel also says two shares that
    are measured between the features themselves, by their cosine, among the images shown: how often an image's
    nearest one of the other modality has its identity, and how often its nearest one of all is of the other modality
    (about half, if the modalities are mixed).

    Args:
        models: one or more, on the same test set.
        identities: how many, drawn with ``seed`` among those with images in both modalities; beyond 8, colours repeat.

    Raises:
        UserError: the models saw different images, or there are too few.
    """
    check_same_images(models)
    rows = _choose_rows(models[0], identities, seed)
    pids, modalities = models[0].images.pids[rows], models[0].modalities[rows]
    figure = new_figure(4.3 * len(models) + 0.4, 4.9)
    for place, model in enumerate(models, 1):
        axes = figure.add_subplot(1, len(models), place)
        _draw(axes, _project(model.unit[rows], seed), pids, modalities)
        axes.set_title(f"{model.name}\n{_describe(model.unit[rows], pids, modalities)}", size=9)
    handles = [
        Line2D([], [], linestyle="", marker=marker, color="#444444", markerfacecolor="none", label=name)
        for name, marker in zip(MODALITIES, MODALITY_MARKERS, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _choose_rows(model: Embedded, identities: int, seed: int) -> IntArray:
    pids, modalities = model.images.pids, model.modalities
    both = np.intersect1d(pids[modalities == 0], pids[modalities == 1])
    if identities < 1:
        raise UserError(f"--identities {identities}: give 1 or more")
    chosen = np.sort(np.random.default_rng(seed).permutation(both)[:identities])
    rows = np.flatnonzero(np.isin(pids, chosen))
    if len(rows) < _LEAST:
        raise UserError(
            f"t-SNE needs {_LEAST} images, but {len(chosen)} identities have {len(rows)}: show more of them"
        )
    return rows


def _project(unit: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Places [N, 2]. One thread: with another number of them sums are rounded otherwise, and the picture is another."""
    perplexity = min(30.0, (len(unit) - 1) / 3)
    with threadpool_limits(1):
        return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(unit)


def _draw(axes: Axes, places: NDArray[np.float32], pids: IntArray, modalities: IntArray) -> None:
    for number, pid in enumerate(np.unique(pids)):
        color = COLORS[number % len(COLORS)]
        for modality, marker in enumerate(MODALITY_MARKERS):
            x, y = places[(pids == pid) & (modalities == modality)].T
            # Visible ones are filled, infrared ones open: told apart where the shapes are too small.
            face = color if modality == 0 else "none"
            axes.scatter(x, y, s=26, marker=marker, facecolors=face, edgecolors=color, linewidths=1.1, alpha=0.85)
        centres = np.array([np.median(places[(pids == pid) & (modalities == m)], axis=0) for m in (0, 1)])
        axes.plot(*centres.T, color=color, linewidth=1.0, zorder=0.5)
        x, y = centres.mean(axis=0)
        outline = [withStroke(linewidth=2.5, foreground="white")]
        axes.text(x, y, str(pid), ha="center", va="center", size=8, weight="bold", path_effects=outline)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color("#BBBBBB")
    axes.margins(0.06)


def _describe(unit: NDArray[np.float32], pids: IntArray, modalities: IntArray) -> str:
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    other = modalities[:, None] != modalities
    right = (pids[np.where(other, cosines, -np.inf).argmax(axis=1)] == pids).mean()
    mixed = (modalities[cosines.argmax(axis=1)] != modalities).mean()
    return f"nearest across modalities is right: {100 * right:.0f} %\nnearest of all is across: {100 * mixed:.0f} %"
