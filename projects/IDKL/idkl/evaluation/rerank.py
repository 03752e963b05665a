"""k-reciprocal re-ranking (Zhong et al., CVPR 2017, https://arxiv.org/abs/1701.08398).

An image is described by its k-reciprocal neighbours among queries and gallery, each weighted by exp(-distance); the
Jaccard distance of two descriptions is mixed with the original distance. Distances are squared Euclidean ones of unit
features, divided by the largest in the row of the image whose neighbours are meant, as in the authors' code.

Trials differ in their galleries only. So what concerns the queries alone is computed once, a trial adds its gallery,
and descriptions are sparse: no matrix over all pairs of images is ever built.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets_ext.errors import UserError

from .feature_set import FeatureSet
from .methods import Rescore
from .neighbours import ITSELF, Nearest, nearest_of_each_other, nearest_queries, to_squared_distance
from .ranking import IntArray

FloatArray = NDArray[np.float32]

_BLOCK_ENTRIES = 1_000_000  # of a temporary array


@dataclass(frozen=True)
class ReRanking:
    """A method: ``k1`` neighbours, ``k2`` of them for query expansion, ``weight`` (lambda) of the old distance."""

    k1: int = 20
    k2: int = 6
    weight: float = 0.3

    def __post_init__(self) -> None:
        if not (self.k1 >= 1 and 1 <= self.k2 <= self.k1 + 1 and 0 <= self.weight <= 1):
            raise UserError(
                f"re-ranking with k1 {self.k1}, k2 {self.k2}, lambda {self.weight}: give k1 of 1 or more, k2 from 1 to "
                "k1 + 1, lambda from 0 to 1"
            )

    label = True
    knob = "TEST.RERANK.K1 (--k1)"

    @property
    def what(self) -> str:
        return f"re-ranking with k1 {self.k1}"

    @property
    def least(self) -> int:
        return self.k1 + 1

    def rescore(self, features: FeatureSet, query: IntArray, cosine: Tensor) -> Rescore:
        reranker = Reranker(self, features.unit(query), cosine)
        return lambda gallery, columns: reranker.distances(features.unit(gallery), columns)


class Reranker:
    """Re-ranks galleries of one set of queries; together they are more than k1 images.

    Args:
        settings: the parameters.
        query: unit features of the queries, float32 [Q, D].
        cosine: minus the cosine of every query and every image of the pool, float32 [Q, M].
    """

    def __init__(self, settings: ReRanking, query: Tensor, cosine: Tensor) -> None:
        self._settings = settings
        self._query = query
        self._to_pool = cosine
        to_queries = to_squared_distance(query @ -query.T)
        count = settings.k1 + 1
        self._near_query = Nearest.among(to_queries.fill_diagonal_(ITSELF), count)
        self._to_queries = to_queries.fill_diagonal_(0).cpu().numpy()
        self._near_pool = nearest_queries(cosine, count)

    def distances(self, gallery: Tensor, columns: IntArray) -> FloatArray:
        """Re-ranked distances float32 [Q, G].

        Args:
            gallery: unit features of one trial's gallery, float32 [G, D].
            columns: which images of the pool these are, int64 [G].
        """
        k1, queries = self._settings.k1, len(self._query)
        chosen = torch.from_numpy(columns).to(gallery.device)
        distance = to_squared_distance(self._to_pool.index_select(1, chosen))
        of_query = self._near_query.merge(Nearest.among(distance, k1 + 1), queries, k1 + 1)
        of_gallery = self._near_pool.rows(chosen).merge(nearest_of_each_other(gallery, k1 + 1), queries, k1 + 1)
        near = Nearest.stack([of_query, of_gallery])
        neighbours, farthest = near.index.cpu().numpy(), near.farthest.cpu().numpy()
        to_gallery = distance.cpu().numpy()
        rows, others = _expanded_reciprocal(neighbours, k1)
        weights = np.exp(-self._pair_distances(rows, others, to_gallery, gallery) / farthest[rows])
        described = self._describe(rows, others, weights, neighbours)
        shared = _sum_of_minima(described[:queries], described[queries:])
        return self._mix(shared, to_gallery, farthest[:queries, None])

    def _mix(self, shared: FloatArray, original: FloatArray, farthest: FloatArray) -> FloatArray:
        """``shared`` [Q, G], what descriptions have in common, overwritten by the final distances."""
        old = np.float32(self._settings.weight)
        step = max(1, _BLOCK_ENTRIES // shared.shape[1])
        for start in range(0, len(shared), step):
            rows = slice(start, start + step)
            block = shared[rows]
            block /= 2 - block  # the Jaccard similarity
            np.subtract(1, block, out=block)
            block *= 1 - old
            block += original[rows] / farthest[rows] * old
        return shared

    def _pair_distances(self, rows: IntArray, others: IntArray, to_gallery: FloatArray, gallery: Tensor) -> FloatArray:
        """Squared distances of pairs of images, counted through queries and gallery."""
        queries = len(self._query)
        first, second = np.minimum(rows, others), np.maximum(rows, others)
        result = np.empty(len(rows), dtype=np.float32)
        among_queries, among_gallery = second < queries, first >= queries
        mixed = ~(among_queries | among_gallery)
        result[among_queries] = self._to_queries[first[among_queries], second[among_queries]]
        result[mixed] = to_gallery[first[mixed], second[mixed] - queries]
        ends = [torch.from_numpy(end[among_gallery] - queries).to(gallery.device) for end in (first, second)]
        step = max(1, _BLOCK_ENTRIES // gallery.shape[1])
        blocks = zip(*(end.split(step) for end in ends), strict=True)
        cosine = torch.cat([(gallery[i] * gallery[j]).sum(dim=1) for i, j in blocks])
        result[among_gallery] = to_squared_distance(-cosine).cpu().numpy()
        return result

    def _describe(
        self, rows: IntArray, others: IntArray, weights: FloatArray, neighbours: IntArray
    ) -> scipy.sparse.csr_array:
        """Every image's weights over its neighbours, summing to 1, then averaged over its k2 nearest images."""
        total, k2 = len(neighbours), self._settings.k2
        shares = (weights / np.bincount(rows, weights, total)[rows]).astype(np.float32)
        own = scipy.sparse.csr_array((shares, (rows, others)), (total, total))
        nearest = np.full(total * k2, np.float32(1 / k2)), neighbours[:, :k2].ravel(), np.arange(0, total * k2 + 1, k2)
        return scipy.sparse.csr_array(nearest, (total, total)) @ own


def _expanded_reciprocal(neighbours: IntArray, k1: int) -> tuple[IntArray, IntArray]:
    """Pairs (image, member of its expanded k-reciprocal set), by image.

    ``neighbours`` int64 [N, K]: the images nearest to each of N, itself included.
    """
    total = len(neighbours)
    everyone = np.arange(total)[:, None, None]
    half = neighbours[:, : round(k1 / 2) + 1]
    is_reciprocal = (neighbours[neighbours] == everyone).any(axis=2)
    is_half_reciprocal = (half[half] == everyone).any(axis=2)
    half_size = is_half_reciprocal.sum(axis=1)
    step = max(1, _BLOCK_ENTRIES // total)
    pairs = []
    for start in range(0, total, step):
        own, accepted = neighbours[start : start + step], is_reciprocal[start : start + step]
        row = np.arange(len(own))[:, None]
        is_member = np.zeros((len(own), total), dtype=bool)
        is_member[row, own] = accepted
        candidates, real = half[own], is_half_reciprocal[own] & accepted[:, :, None]
        overlap = (is_member[row[:, :, None], candidates] & real).sum(axis=2)
        joins = real & (overlap > 2 / 3 * half_size[own])[:, :, None]
        image, rank, other = np.nonzero(joins)
        is_member[image, candidates[image, rank, other]] = True
        pairs.append(np.flatnonzero(is_member) + start * total)
    flat = np.concatenate(pairs)
    return flat // total, flat % total


def _sum_of_minima(query: scipy.sparse.csr_array, gallery: scipy.sparse.csr_array) -> FloatArray:
    """Sum over k of min(query[q, k], gallery[g, k]), float32 [Q, G]; only entries that are there on both sides meet."""
    by_dimension = gallery.T.tocsr()
    meetings = np.cumsum(np.diff(by_dimension.indptr)[query.indices], dtype=np.int64)
    up_to = np.concatenate([[0], meetings])[query.indptr]
    blocks = np.unique([0, *np.searchsorted(up_to, np.arange(0, up_to[-1], _BLOCK_ENTRIES)), query.shape[0]])
    sums = np.empty((query.shape[0], gallery.shape[0]), dtype=np.float32)
    for first, last in itertools.pairwise(blocks):
        part = query[first:last]
        met = by_dimension[part.indices]  # a row for every entry of the part: the gallery's entries in its column
        smaller = np.minimum(met.data, np.repeat(part.data, np.diff(met.indptr)))
        # Entries of the same place add up when a sparse array is written out.
        shape = last - first, gallery.shape[0]
        scipy.sparse.csr_array((smaller, met.indices, met.indptr[part.indptr]), shape).toarray(out=sums[first:last])
    return sums
