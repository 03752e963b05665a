"""The search benchmark: its vectors are clustered, and what it prints was measured."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from datasets_ext import UserError
from idkl.search.bench import clustered_vectors, format_search_times, time_search


def test_the_vectors_are_clustered() -> None:
    entries, queries = clustered_vectors(4000, 64)
    assert entries.shape == (4000, 64) and queries.shape == (200, 64)
    assert np.allclose(np.linalg.norm(entries, axis=1), 1, atol=1e-6)
    near = (queries @ entries.T > 0.6).sum(axis=1)
    assert 15 < near.mean() < 25
    assert np.array_equal(entries, clustered_vectors(4000, 64)[0])


def test_every_line_is_measured() -> None:
    results = time_search([200, 1000], 8, ["flat", "ivf"])
    assert [(r.entries, r.kind) for r in results] == [(n, kind) for n in (200, 1000) for kind in ("flat", "ivf")]
    assert [r.recall for r in results[::2]] == [1, 1] and all(0.9 <= r.recall <= 1 for r in results)
    assert all(r.build_seconds > 0 and r.query_ms > 0 and r.batch_qps > 0 for r in results)
    assert [round(1e6 * r.size_mb) // (4 * 8) // r.entries for r in results[::2]] == [1, 1]
    table = format_search_times(results).splitlines()
    assert len(table) == 6 and table[0].split()[0] == "entries" and "ivf" in table[-1]
    assert int(table[2].split()[-1]) == round(1e6 * results[0].size_mb / 200) >= 32


def test_what_cannot_be_measured_is_refused_before_anything_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    with pytest.raises(UserError, match="kind pq takes 9984 entries or more"):
        time_search([10**9, 500], 64, ["flat", "pq"])
    for entries, dimensions in ((9, 8), (10, 0)):
        with pytest.raises(UserError, match="takes 10 entries or more, and 1 dimension or more"):
            time_search([10**9, entries], dimensions, ["flat"])
    with pytest.raises(UserError, match="--device cuda: faiss sees no GPU"):
        time_search([10**9], 8, ["flat"], "cuda")
