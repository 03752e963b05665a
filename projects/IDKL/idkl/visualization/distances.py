"""How far apart images of one identity and of two are, within a modality and across."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .canvas import BLUE, VERMILION, in_style, new_figure
from .embedded import Embedded

BINS = 100  # from a model's smallest distance to its largest
KINDS = ("within a modality", "across modalities")
_ROWS = 512  # compared at once


@dataclass(frozen=True)
class Distances:
    """Pairs of images by their cosine distance, 1 - cosine; every pair of different images counts once.

    Attributes:
        edges: of the bins, [BINS + 1], the same in all of a model's histograms.
        intra, inter: shares [BINS] of the pairs of one identity and of two, each with sum 1 (0: no such pair).
        intra_mean, inter_mean: mean distances; NaN without a pair.
    """

    edges: NDArray[np.float64]
    intra: NDArray[np.float64]
    inter: NDArray[np.float64]
    intra_mean: float
    inter_mean: float

    @property
    def overlap(self) -> float:
        """The area that both histograms have in common, 0 (told apart at one threshold) to 1 (alike)."""
        return float(np.minimum(self.intra, self.inter).sum())


def measure_distances(embedded: Embedded) -> dict[str, Distances]:
    """:class:`Distances` by the names in :data:`KINDS`."""
    ends = [(distances.min(), distances.max()) for distances, _, _ in _pairs(embedded) if len(distances)]
    low, high = float(min(low for low, _ in ends)), float(max(high for _, high in ends))
    edges = np.linspace(low, max(high, low + 1e-6), BINS + 1)
    counts, sums = np.zeros((2, 2, BINS)), np.zeros((2, 2))  # [across, same identity, ...]
    for distances, across, same in _pairs(embedded):
        for a in range(2):
            for s in range(2):
                chosen = distances[(across == a) & (same == s)].astype(np.float64)
                counts[a, s] += np.histogram(chosen, edges)[0]
                sums[a, s] += chosen.sum()
    totals = counts.sum(axis=2)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: no pair
        means, shares = sums / totals, np.nan_to_num(counts / totals[:, :, None])
    return {
        kind: Distances(edges, shares[a, 1], shares[a, 0], float(means[a, 1]), float(means[a, 0]))
        for a, kind in enumerate(KINDS)
    }


def _pairs(embedded: Embedded) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]]:
    """Distance, whether across modalities, whether of one identity; of all pairs, a block [n] at a time."""
    unit, pids, modalities = embedded.unit, embedded.images.pids, embedded.modalities
    for start in range(0, len(unit), _ROWS):
        rows, columns = slice(start, start + _ROWS), slice(start, None)
        distances = (1 - unit[rows] @ unit[columns].T).clip(0, 2)
        later = np.triu(np.ones(distances.shape, dtype=bool), k=1)
        across = modalities[rows, None] != modalities[columns]
        same = pids[rows, None] == pids[columns]
        yield distances[later], across[later], same[later]


@in_style
def distance_figure(models: Sequence[Embedded]) -> Figure:
    """A column a model: histograms of cosine distances within a modality and across, with their overlap.

    The less the two histograms of a panel overlap, the better a threshold tells whether two images show one person.
    Vertical lines are means. Every model has its own scale: a network may keep all its features close together.

    Args:
        models: one or more.
    """
    measured = [measure_distances(model) for model in models]
    figure = new_figure(4.6 * len(models) + 0.4, 5.2)
    grid = figure.subplots(2, len(models), sharex="col", squeeze=False)
    for column, (model, found) in enumerate(zip(models, measured, strict=True)):
        for axes, kind in zip(grid[:, column], KINDS, strict=True):
            _draw(axes, found[kind])
            axes.set_title(f"{model.name}: {kind}")
        grid[-1, column].set_xlabel("cosine distance of two test images")
    for axes in grid[:, 0]:
        axes.set_ylabel("share of pairs")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _draw(axes: Axes, found: Distances) -> None:
    for shares, mean, color, style, hatch, name in (
        (found.inter, found.inter_mean, VERMILION, "--", "", "two identities"),
        (found.intra, found.intra_mean, BLUE, "-", "////", "the same identity"),
    ):
        axes.stairs(
            shares, found.edges, fill=True, facecolor=color, alpha=0.22, hatch=hatch, edgecolor=color, linewidth=0
        )
        axes.stairs(shares, found.edges, color=color, linestyle=style, linewidth=1.4, label=name)
        axes.axvline(mean, color=color, linestyle=style, linewidth=0.9)
    text = f"overlap {100 * found.overlap:.1f} %\nmean {found.intra_mean:#.2g} and {found.inter_mean:#.2g}"
    axes.text(0.98, 0.97, text, transform=axes.transAxes, ha="right", va="top", linespacing=1.4)
    axes.set_ylim(0, 1.25 * max(found.intra.max(), found.inter.max()))  # room for the text
