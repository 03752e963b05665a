"""An index of gallery features, and the entries nearest to queries by cosine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from datasets_ext.errors import UserError

from ..evaluation.feature_set import FeatureSet
from ..evaluation.features import FeatureFile
from ..evaluation.images import Images
from ..evaluation.ranking import IntArray
from .device import to_gpu

SPARE = 8  # entries found beyond those asked for, in which to see whether a tie reaches over the end
_GPU_TOP = 2048  # faiss's kernels find no more


@dataclass(frozen=True)
class Neighbours:
    """The K entries nearest to each of Q queries, best first, equal cosines in the order of their rows."""

    rows: IntArray  # int64 [Q, K]
    cosines: NDArray[np.float64]  # [Q, K]; approximate for the kinds that keep codes


@dataclass(frozen=True)
class SearchIndex:
    """A trained faiss index of N unit vectors and the images they come from, row by row."""

    faiss_index: Any
    images: Images
    gpu_index: Any = None  # its copy on a GPU, where that is to search

    def to_device(self, device: str) -> SearchIndex:
        """This index, to be searched on ``device``; see :func:`.device.to_gpu`."""
        return SearchIndex(self.faiss_index, self.images, to_gpu(self.faiss_index, device))

    def search(self, queries: NDArray[np.float32], top: int) -> Neighbours:
        """The ``top`` entries nearest to each of ``queries`` float32 [Q, D] of length 1.

        Of a flat index they are exactly those of a comparison with all entries in float64.

        Raises:
            UserError: ``top`` is not in 1 ... N, or the queries have other dimensions than the entries.
        """
        index = self.faiss_index
        check_request(queries, top, index.ntotal, index.d)
        fast = index if self.gpu_index is None or top + SPARE > _GPU_TOP else self.gpu_index
        if isinstance(index, faiss.IndexFlat):
            return _search_all(index, fast, queries, top)
        cosines, rows = fast.search(queries, top)
        few = np.flatnonzero((rows < 0).any(axis=1))  # the lists that were looked into hold too few entries
        if len(few):
            everywhere = faiss.SearchParametersIVF(nprobe=index.nlist)  # type: ignore[call-arg]  # as faiss's stubs say
            cosines[few], rows[few] = index.search(queries[few], top, params=everywhere)
        order = np.lexsort((rows, -cosines))
        return Neighbours(
            np.take_along_axis(rows, order, axis=1), np.take_along_axis(cosines, order, axis=1).astype(np.float64)
        )


def check_request(queries: NDArray[np.float32], top: int, entries: int, dimensions: int) -> None:
    """Raise UserError if ``top`` is not in 1 ... ``entries``, or ``queries`` [Q, D] have other ``dimensions``."""
    if not 1 <= top <= entries:
        raise UserError(f"--top {top}: the index has {entries} entries; give 1 to {entries}")
    if queries.shape[1] != dimensions:
        raise UserError(f"queries of {queries.shape[1]} dimensions in an index of {dimensions}: give one model's")


def unit_vectors(file: FeatureFile, source: Path) -> NDArray[np.float32]:
    """The features of ``file`` at length 1, float32 [N, D]; UserError names ``source`` and the first bad row's path."""
    try:
        features = FeatureSet(file.features, file.images.pids, file.images.paths)
    except UserError as error:
        raise UserError(f"{source}: {error}") from None
    return np.ascontiguousarray(features.unit(np.arange(len(file.features))).numpy())


def _search_all(index: Any, fast: Any, queries: NDArray[np.float32], top: int) -> Neighbours:
    """Exact search: ``fast``, the flat ``index`` or its copy, proposes entries in float32, float64 decides.

    faiss orders ties as it happens to meet them and its sums are rounded. Whatever it leaves out scores below its last
    proposal, so that a last proposal well below the ``top``-th true cosine proves that nothing is missing. Where it is
    not, all entries near that cosine are looked at, on the CPU: a GPU index has no search by range.
    """
    entries = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(index.ntotal, index.d)
    rough, proposed = fast.search(queries, min(top + SPARE, index.ntotal))
    margin = 2 * index.d * float(np.finfo(np.float32).eps)  # 4 times what a sum of D rounded products can be off
    rows = np.empty((len(queries), top), dtype=np.int64)
    cosines = np.empty((len(queries), top))
    for number, query in enumerate(queries):
        found = proposed[number]
        exact = _cosines(entries[found], query)
        bound = float(np.partition(exact, -top)[-top]) - margin
        if len(found) < index.ntotal and rough[number, -1] >= bound:
            _, _, found = index.range_search(query[None], bound)
            exact = _cosines(entries[found], query)
        best = np.lexsort((found, -exact))[:top]
        rows[number], cosines[number] = found[best], exact[best]
    return Neighbours(rows, cosines)


def _cosines(entries: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float64]:
    """Summed row by row, the same for equal rows, which a matrix product is not."""
    return (entries * query.astype(np.float64)).sum(axis=1)
