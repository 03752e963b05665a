"""How well and how fast the kinds of indexes find neighbours, on random clustered unit vectors."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from ..evaluation.images import Images
from ..evaluation.ranking import IntArray
from .index import SearchIndex
from .kinds import plan_index, train_index

QUERIES = 200
TOP = 10
_A_CLUSTER = 20  # entries, as the images of an identity
_NOISE = 0.5  # length of what sets an entry apart from its cluster's centre: cosines of about 0.8 within a cluster


@dataclass(frozen=True)
class SearchTime:
    """One measured index."""

    entries: int
    kind: str
    recall: float  # share of the true 10 nearest that are among the 10 found, mean over queries
    build_seconds: float
    query_ms: float  # median over queries, searched one at a time
    size_mb: float  # 10^6 bytes of the faiss index


def clustered_vectors(entries: int, dimensions: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Entries float32 [N, D] in clusters of about 20, and queries float32 [200, D] from the same clusters."""
    rng = np.random.default_rng(seed)
    centres = _unit(rng.standard_normal((-(-entries // _A_CLUSTER), dimensions), dtype=np.float32))
    chosen = rng.integers(len(centres), size=entries + QUERIES)
    noise = rng.standard_normal((len(chosen), dimensions), dtype=np.float32)
    vectors = _unit(centres[chosen] + noise * np.float32(_NOISE / dimensions**0.5))
    return vectors[:entries], vectors[entries:]


def time_search(entries: Sequence[int], dimensions: int, kinds: Sequence[str]) -> list[SearchTime]:
    """Build and search an index of each of ``kinds`` for each number of entries, of 10 or more.

    Raises:
        UserError: a kind does not take so few entries, or the dimensions; before anything is measured.
    """
    for count in entries:
        for kind in kinds:
            plan_index(kind, count, dimensions)
    results = []
    for count in entries:
        vectors, queries = clustered_vectors(count, dimensions)
        exact = _wrap(train_index(plan_index("flat", count, dimensions), vectors)).search(queries, TOP).rows
        results += [_measure(kind, vectors, queries, exact) for kind in kinds]
    return results


def format_search_times(results: Sequence[SearchTime]) -> str:
    """A text table, a line an index."""
    rows = [
        (r.entries, r.kind, f"{r.recall:.3f}", f"{r.build_seconds:.2f}", f"{r.query_ms:.3f}", f"{r.size_mb:.2f}")
        for r in results
    ]
    headers = ("entries", "kind", f"recall@{TOP}", "build s", "ms a query", "MB")
    alignment = ("right", "left", *["right"] * 4)
    return tabulate(rows, headers, disable_numparse=True, colalign=alignment)


def _measure(kind: str, vectors: NDArray[np.float32], queries: NDArray[np.float32], exact: IntArray) -> SearchTime:
    start = time.perf_counter()
    index = _wrap(train_index(plan_index(kind, *vectors.shape), vectors))
    build = time.perf_counter() - start
    times, shares = [], []
    for query, true in zip(queries, exact, strict=True):
        start = time.perf_counter()
        found = index.search(query[None], TOP).rows
        times.append(time.perf_counter() - start)
        shares.append(len(np.intersect1d(found, true)) / TOP)
    size = len(faiss.serialize_index(index.faiss_index))
    return SearchTime(len(vectors), kind, statistics.fmean(shares), build, 1e3 * statistics.median(times), size / 1e6)


def _wrap(faiss_index: object) -> SearchIndex:
    nothing = np.empty(0, dtype=np.int64)
    return SearchIndex(faiss_index, Images([], nothing, nothing))  # rows are all that is looked at


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
