"""A flat index is exact, also in ties; the others find most of what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from datasets_ext import UserError
from idkl.evaluation.features import FeatureFile
from idkl.search import KINDS, SearchIndex, unit_vectors
from tests.idkl.search.made import images, index_of, naive_search, unit

Vectors = tuple[NDArray[np.float32], NDArray[np.float32]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 5), st.integers(0, 10**6), st.data())
def test_flat_is_brute_force(entries: int, dimensions: int, values: int, seed: int, data: st.DataObject) -> None:
    """Few values make many ties, at the end of the list, too."""
    rng = np.random.default_rng(seed)
    gallery = unit(rng.integers(1, values + 1, (entries, dimensions)).astype(np.float32))
    queries = unit(rng.integers(-values, values + 1, (25, dimensions)).astype(np.float32) + np.float32(0.5))
    top = data.draw(st.integers(1, entries))
    found = index_of(gallery).search(queries, top)
    for query, rows, cosines in zip(queries, found.rows, found.cosines, strict=True):
        assert (rows.tolist(), cosines.tolist()) == naive_search(gallery, query, top)


def test_flat_on_many_entries_with_copies(vectors: Vectors) -> None:
    gallery = np.concatenate([vectors[0][:300]] * 4)
    for count in (1, 30):  # faiss compares one query and many in different ways
        found = index_of(gallery).search(vectors[1][:count], 6)
        for query, rows, cosines in zip(vectors[1], found.rows, found.cosines, strict=False):
            assert (rows.tolist(), cosines.tolist()) == naive_search(gallery, query, 6)


def test_equal_entries_come_in_the_order_of_their_rows() -> None:
    gallery = np.repeat(unit(np.ones((1, 24), dtype=np.float32)), 500, axis=0)
    assert index_of(gallery).search(gallery[:2], 12).rows.tolist() == [list(range(12))] * 2


@pytest.mark.parametrize(("kind", "floor"), [("flat", 1.0), ("ivf", 0.98), ("pq", 0.55), ("ivfpq", 0.6)])
def test_recall(kind: str, floor: float, indexes: Mapping[str, SearchIndex], vectors: Vectors) -> None:
    gallery, queries = vectors
    found = indexes[kind].search(queries, 10)
    true = np.argsort(-(queries @ gallery.T), axis=1)[:, :10]
    shares = [len(set(one) & set(other)) / 10 for one, other in zip(found.rows.tolist(), true.tolist(), strict=True)]
    assert np.mean(shares) >= floor
    assert (np.diff(found.cosines, axis=1) <= 0).all()
    exact = (queries[:, None] * gallery[found.rows]).sum(axis=2)
    assert np.abs(found.cosines - exact).max() < (0.25 if kind.endswith("pq") else 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_can_be_asked_for(kind: str, indexes: Mapping[str, SearchIndex], vectors: Vectors) -> None:
    """The lists that an ivf index looks into hold fewer."""
    found = indexes[kind].search(vectors[1][:2], 10000)
    assert [sorted(rows) for rows in found.rows.tolist()] == [list(range(10000))] * 2


def test_the_length_of_features_does_not_matter() -> None:
    features = np.random.default_rng(0).standard_normal((30, 6), dtype=np.float32)
    lengths = 10 ** np.linspace(-6, 6, 30, dtype=np.float32)[:, None]
    results = []
    for values in (features, features * lengths):
        vectors = unit_vectors(FeatureFile(values, images(30)), Path("a.npz"))
        results.append(index_of(vectors).search(vectors, 30))
    assert np.array_equal(results[0].rows, results[1].rows) and (results[0].rows[:, 0] == np.arange(30)).all()
    assert np.allclose(results[0].cosines, results[1].cosines, atol=1e-6)


@pytest.mark.parametrize("bad", [0, np.nan, np.inf])
def test_a_row_without_a_direction_is_named(bad: float) -> None:
    features = np.ones((5, 3), dtype=np.float32)
    features[3] = bad
    with pytest.raises(UserError, match=r"^a\.npz: 1 of 5 feature rows are .* \(first: row 3, cam1/000003\.jpg\)"):
        unit_vectors(FeatureFile(features, images(5)), Path("a.npz"))


@pytest.mark.parametrize(
    ("top", "dimensions", "message"),
    [
        (0, 3, "--top 0: the index has 5 entries; give 1 to 5"),
        (6, 3, "--top 6: the index has 5 entries"),
        (1, 4, "queries of 4 dimensions in an index of 3"),
    ],
)
def test_what_cannot_be_searched_is_refused(top: int, dimensions: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        index_of(np.eye(5, 3, dtype=np.float32)).search(np.ones((1, dimensions), dtype=np.float32), top)
