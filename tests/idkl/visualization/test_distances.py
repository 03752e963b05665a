"""Distances of pairs against a slow recomputation."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from idkl.evaluation import Images
from idkl.visualization import distances
from idkl.visualization.distances import BINS, KINDS, distance_figure, measure_distances
from tests.idkl.visualization.made import make_embedded


@pytest.mark.parametrize("block", [4, 512])
def test_every_pair_counts_once(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "_ROWS", block)
    made = make_embedded()
    found = measure_distances(made)
    unit = made.features.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    pairs: dict[tuple[str, bool], list[float]] = {(kind, same): [] for kind in KINDS for same in (False, True)}
    for i, j in itertools.combinations(range(len(unit)), 2):
        kind = KINDS[int(made.modalities[i] != made.modalities[j])]
        pairs[kind, bool(made.images.pids[i] == made.images.pids[j])].append(1 - float(unit[i] @ unit[j]))
    everything = list(itertools.chain(*pairs.values()))
    for kind in KINDS:
        edges = found[kind].edges
        assert (edges[0], edges[-1], len(edges)) == pytest.approx(
            (min(everything), max(everything), BINS + 1), abs=1e-6
        )
        shares = {}
        for same, shown, mean in (
            (True, found[kind].intra, found[kind].intra_mean),
            (False, found[kind].inter, found[kind].inter_mean),
        ):
            values = pairs[kind, same]
            shares[same] = np.histogram(values, found[kind].edges)[0] / len(values)
            assert np.abs(shown - shares[same]).sum() * len(values) <= 2  # one pair may fall beside an edge
            assert mean == pytest.approx(np.mean(values), abs=1e-6) and shown.sum() == pytest.approx(1)
        assert found[kind].overlap == pytest.approx(np.minimum(shares[True], shares[False]).sum(), abs=0.05)


def test_overlap_is_0_for_separate_and_1_for_equal_histograms() -> None:
    apart = measure_distances(make_embedded(spread=0.01))
    assert all(found.overlap == 0 for found in apart.values())
    made = make_embedded()
    alike = measure_distances(dataclasses.replace(made, features=np.ones_like(made.features)))
    assert all(found.overlap == pytest.approx(1) for found in alike.values())


def test_the_picture_says_the_overlap_of_each_panel() -> None:
    models = [make_embedded(name="one"), make_embedded(name="two", spread=0.3)]
    figure = distance_figure(models)
    assert [axes.get_title() for axes in figure.axes] == [f"{m.name}: {kind}" for kind in KINDS for m in models]
    expected = [measure_distances(model)[kind].overlap for kind in KINDS for model in models]
    said = [axes.texts[0].get_text() for axes in figure.axes]
    assert all(f"overlap {100 * o:.1f} %" in text for o, text in zip(expected, said, strict=True))


def test_a_test_set_without_pairs_of_one_identity_across_is_drawn() -> None:
    made = make_embedded()
    others = Images(made.images.paths, made.images.pids + 100 * made.modalities, made.images.camids)
    apart = dataclasses.replace(made, images=others)
    found = measure_distances(apart)[KINDS[1]]
    assert np.isnan(found.intra_mean) and found.overlap == 0 and found.inter.sum() == pytest.approx(1)
    assert len(distance_figure([apart]).axes) == 2
