"""How well and how fast the kinds of indexes find neighbours, on random clustered unit vectors."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from datasets_ext.errors import UserError

from ..evaluation.images import Images
from ..evaluation.ranking import IntArray
from .device import check_device
from .index import SearchIndex
from .kinds import plan_index, train_index
from .store import write_faiss

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
    batch_qps: float  # queries a second where all are searched at once, best of 3
    size_mb: float  # 10^6 bytes of the faiss index, in memory and on the disk


def clustered_vectors(entries: int, dimensions: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Entries float32 [N, D] in clusters of about 20, and queries float32 [200, D] from the same clusters."""
    rng = np.random.default_rng(seed)
    centres = _unit(rng.standard_normal((-(-entries // _A_CLUSTER), dimensions), dtype=np.float32))
    chosen = rng.integers(len(centres), size=entries + QUERIES)
    vectors = rng.standard_normal((len(chosen), dimensions), dtype=np.float32)
    vectors *= np.float32(_NOISE / dimensions**0.5)
    vectors += centres[chosen]
    _unit(vectors)
    return vectors[:entries], vectors[entries:]


def time_search(
    entries: Sequence[int], dimensions: int, kinds: Sequence[str], device: str = "auto"
) -> list[SearchTime]:
    """Build and search an index of each of ``kinds`` for each number of entries, on ``device`` (:mod:`.device`).

    Raises:
        UserError: fewer than 10 entries or 1 dimension, a kind does not take so few, or there is no GPU; before
            anything is measured.
    """
    if min(entries) < TOP or dimensions < 1:
        raise UserError(f"the search takes {TOP} entries or more, and 1 dimension or more")
    check_device(device)
    for count in entries:
        for kind in kinds:
            plan_index(kind, count, dimensions)
    results = []
    for count in entries:
        vectors, queries = clustered_vectors(count, dimensions)
        exact = _wrap(train_index(plan_index("flat", count, dimensions), vectors)).search(queries, TOP).rows
        results += [_measure(kind, vectors, queries, exact, device) for kind in kinds]
    return results


def format_search_times(results: Sequence[SearchTime]) -> str:
    """A text table, a line an index."""
    rows = [
        (
            *(r.entries, r.kind, f"{r.recall:.3f}", f"{r.build_seconds:.2f}", f"{r.query_ms:.3f}"),
            *(f"{r.batch_qps:.0f}", f"{r.size_mb:.2f}", f"{1e6 * r.size_mb / r.entries:.0f}"),
        )
        for r in results
    ]
    headers = ("entries", "kind", f"recall@{TOP}", "build s", "ms a query", "queries a second", "MB", "bytes an entry")
    alignment = ("right", "left", *["right"] * 6)
    return tabulate(rows, headers, disable_numparse=True, colalign=alignment)


def _measure(
    kind: str, vectors: NDArray[np.float32], queries: NDArray[np.float32], exact: IntArray, device: str
) -> SearchTime:
    build, trained = _timed(lambda: train_index(plan_index(kind, *vectors.shape), vectors, device))
    index = _wrap(trained).to_device(device)
    single = [_timed(partial(index.search, query[None], TOP)) for query in queries]
    shares = [len(np.intersect1d(found.rows, true)) / TOP for (_, found), true in zip(single, exact, strict=True)]
    batch = min(_timed(lambda: index.search(queries, TOP))[0] for _ in range(3))
    sizes: list[int] = []
    write_faiss(trained, lambda block: sizes.append(len(block)))
    return SearchTime(
        entries=len(vectors),
        kind=kind,
        recall=statistics.fmean(shares),
        build_seconds=build,
        query_ms=1e3 * statistics.median(seconds for seconds, _ in single),
        batch_qps=len(queries) / batch,
        size_mb=sum(sizes) / 1e6,
    )


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """The seconds that ``call`` took, and what it gave."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def _wrap(faiss_index: object) -> SearchIndex:
    nothing = np.empty(0, dtype=np.int64)
    return SearchIndex(faiss_index, Images([], nothing, nothing))  # rows are all that is looked at


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """``vectors`` [N, D] at length 1, in place: a million take a good part of the memory."""
    vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    return vectors
