"""Ranks of every query's matches in many galleries at once.

CMC, AP and INP follow from the ranks of a query's matches. The galleries of all trials are subsets of one pool, so a
query's pool is sorted once; how many members of each trial lie between two of its matches is then a sum of rows of
the membership table, taken for all trials together. Equal distances rank in the order of the columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Distances = NDArray[np.float32] | NDArray[np.float64]
# (slice of query rows) -> bool[rows, M]: pool entries that do not exist for these queries.
IgnoreRule = Callable[[slice], BoolArray]

# Rows sorted together: their keys stay in a core's cache. Entries of a block that one thread works on.
_ROWS = 64
_BLOCK_ENTRIES = 6_500_000
_LAST = np.iinfo(np.int32).max  # sorts behind every distance


@dataclass(frozen=True)
class QueryScores:
    """One entry a query, [Q] each. ``valid``: has a match; elsewhere ``first_rank`` is 0, ``ap`` and ``inp`` NaN.

    ``first_rank`` (1-based) follows the CMC rule in force, de-duplicated or plain; ``ap`` and ``inp`` never
    de-duplicate.
    """

    first_rank: IntArray
    ap: FloatArray
    inp: FloatArray
    valid: BoolArray


@dataclass(frozen=True)
class Pool:
    """The columns of a distance matrix and the galleries among them.

    Args:
        pids: int64[M].
        members: bool[T, M]; the columns that are the gallery of each trial.
        deduplicate: CMC counts only the first hit of each gallery identity.
    """

    pids: IntArray
    members: BoolArray
    deduplicate: bool


class _Groups:
    """Columns of a pool by identity, ascending within one: ``columns`` int64[M], ``starts`` and ``sizes`` int64[I]."""

    def __init__(self, pids: IntArray) -> None:
        self.columns = np.argsort(pids, kind="stable")
        self.identities, self.starts, self.sizes = np.unique(pids[self.columns], return_index=True, return_counts=True)

    def of(self, query_pids: IntArray) -> tuple[IntArray, BoolArray]:
        """Columns [B, P] of each query's own identity, and which entries of that array are real."""
        group = np.minimum(np.searchsorted(self.identities, query_pids), len(self.identities) - 1)
        sizes = np.where(self.identities[group] == query_pids, self.sizes[group], 0)
        slot = np.arange(max(1, sizes.max()))
        position = np.minimum(self.starts[group][:, None] + slot, len(self.columns) - 1)
        return self.columns[position], slot < sizes[:, None]

    def members(self, is_member: BoolArray) -> list[IntArray]:
        """The columns of one gallery, an array for each identity that has any there."""
        parts = np.split(self.columns, self.starts[1:])
        return [part for part in (columns[is_member[columns]] for columns in parts) if len(part)]


def score_queries(
    dist: Distances, query_pids: IntArray, pool: Pool, ignore: IgnoreRule | None = None
) -> list[QueryScores]:
    """Scores of every query, one list entry a trial of ``pool``.

    Args:
        dist: [Q, M] without NaN, smaller is nearer; equal distances rank in the order of the columns.
        query_pids: int64[Q].
        ignore: entries that do not exist for a query.

    Runs on as many threads as torch uses, each with memory for a few million entries of ``dist``.
    """
    scorer = _Scorer(pool)

    def score(rows: slice) -> tuple[FloatArray, FloatArray, FloatArray]:
        return scorer.score(dist[rows], query_pids[rows], None if ignore is None else ignore(rows))

    threads = torch.get_num_threads()
    rows = -(-len(dist) // (threads * -(-dist.size // (threads * _BLOCK_ENTRIES))))
    with ThreadPoolExecutor(threads) as workers:  # numpy and torch release the interpreter lock
        parts = list(workers.map(score, _slices(len(dist), rows)))
    first, ap, inp = (np.concatenate(values).T for values in zip(*parts, strict=True))
    valid = ~np.isnan(ap)
    first = np.where(valid, first, 0).astype(np.int64)
    return [QueryScores(*of_trial) for of_trial in zip(first, ap, inp, valid, strict=True)]


def _slices(length: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


class _Scorer:
    """What all blocks of queries need of a pool, and the scores of a block."""

    def __init__(self, pool: Pool) -> None:
        self._groups = _Groups(pool.pids)
        self._member = np.ascontiguousarray(pool.members.T, dtype=np.float64)  # [M, T]
        self._counts = torch.from_numpy(self._member).float()
        self._deduplicate = pool.deduplicate
        self._galleries = [self._groups.members(members) for members in pool.members] if pool.deduplicate else []

    def score(
        self, dist: Distances, query_pids: IntArray, ignored: BoolArray | None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rank of the first match (anything: none), AP and INP (NaN: none), [B, T] each, of rows ``dist`` [B, M]."""
        scored = [
            self._score_rows(dist[part], query_pids[part], None if ignored is None else ignored[part])
            for part in _slices(len(dist), _ROWS)
        ]
        first, column, ap, inp = (np.concatenate(parts) for parts in zip(*scored, strict=True))
        if self._deduplicate:
            first = _identity_ranks(dist, ignored, column, self._galleries)
        return first, ap, inp

    def _score_rows(
        self, dist: Distances, query_pids: IntArray, ignored: BoolArray | None
    ) -> tuple[FloatArray, IntArray, FloatArray, FloatArray]:
        """Rank of the first match (if all images count), its column, AP and INP, [B, T] each."""
        keys = _sort_keys(dist, ignored)
        own, exists = self._groups.of(query_pids)
        if ignored is not None:
            exists &= ~np.take_along_axis(ignored, own, axis=1)
        matches = np.where(exists, np.take_along_axis(keys, own, axis=1), np.iinfo(np.int64).max)
        matches.sort(axis=1)
        keys.sort(axis=1)
        position = torch.searchsorted(torch.from_numpy(keys), torch.from_numpy(matches)).numpy()
        between = self._count_between(keys.view(np.int32)[:, ::2], position)  # of a key the low half, the column

        is_real = np.arange(matches.shape[1]) < exists.sum(axis=1)[:, None]
        matches = np.where(is_real, matches & _LAST, 0)
        member = np.take(self._member, matches, axis=0)
        member *= is_real[:, :, None]
        nearest = member.argmax(axis=1)
        first = np.zeros(nearest.shape)
        if not self._deduplicate:
            first = np.take_along_axis(between.cumsum(axis=1), nearest[:, None], axis=1)[:, 0] + 1.0
        return first, np.take_along_axis(matches, nearest, axis=1), *_average_precision(between, member)

    def _count_between(self, columns: NDArray[np.int32], position: IntArray) -> NDArray[np.float32]:
        """Members of each trial before the first of the ``position`` s, from each to the next, and from the last on.

        ``columns`` [B, M] in the order of their distances, ``position`` [B, P] among them, ascending: [B, P + 1, T].
        """
        rows, count = columns.shape
        starts = np.zeros((rows, position.shape[1] + 1), dtype=np.int32)
        starts[:, 1:] = position
        starts += np.arange(0, rows * count, count, dtype=np.int32)[:, None]
        bags = torch.from_numpy(starts.reshape(-1))
        sums = torch.nn.functional.embedding_bag(torch.from_numpy(columns.reshape(-1)), self._counts, bags, mode="sum")
        return sums.numpy().reshape(*starts.shape, -1)


def _average_precision(between: NDArray[np.float32], member: FloatArray) -> tuple[FloatArray, FloatArray]:
    """AP and INP, [B, T] each, NaN without a match.

    ``between`` [B, P + 1, T]: members of each trial from one match of the pool (inclusive) to the next; ``member``
    [B, P, T]: 1 where that match belongs to the trial's gallery, else 0. One match after the other, so that all stays
    in the cache.
    """
    shape = between[:, 0].shape
    rank, hits, ap, last, share = np.ones(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape), np.empty(shape)
    for j in range(member.shape[1]):
        rank += between[:, j]
        hits += member[:, j]
        np.divide(hits, rank, out=share)
        share *= member[:, j]
        ap += share
        np.multiply(rank, member[:, j], out=share)
        np.maximum(last, share, out=last)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: no match
        return ap / hits, hits / last


def _sort_keys(dist: Distances, ignored: BoolArray | None) -> IntArray:
    """int64 [B, M] that sort as (distance, column), ignored entries last; the low 32 bits are the column."""
    keys = np.empty((*dist.shape, 2), dtype=np.int32)
    if dist.dtype == np.float32:
        bits = np.add(dist, np.float32(0), order="C").view(np.int32)  # adding 0 makes -0 equal to 0
        # The bits of a negative float count downwards; flipping them makes all sort as integers.
        order = bits >> 31
        order &= _LAST
        order ^= bits
    else:  # 64 bits leave no room for the column: ranks of the values, equal ones alike
        order = np.stack([np.unique(row, return_inverse=True)[1] for row in dist]).astype(np.int32)
    if ignored is not None:
        np.copyto(order, _LAST, where=ignored)
    keys[..., 0] = np.arange(dist.shape[1], dtype=np.int32)
    keys[..., 1] = order
    return keys.view(np.int64)[..., 0]


def _identity_ranks(
    dist: Distances, ignored: BoolArray | None, first_column: IntArray, galleries: Sequence[Sequence[IntArray]]
) -> FloatArray:
    """Rank, float64 [B, T], of each query's own identity when each identity counts once, by its nearest image.

    ``first_column`` [B, T]: the column of the nearest match; ``galleries``: per trial, columns by identity.
    """
    columns = np.empty(dist.shape[::-1], dtype=dist.dtype)  # an image's distances to all queries lie side by side
    for part in _slices(len(dist), _ROWS):
        rows = np.array(dist[part]) if ignored is None else np.where(ignored[part], np.inf, dist[part])
        torch.from_numpy(columns)[:, part].copy_(torch.from_numpy(rows).t())
    threshold = np.take_along_axis(dist, first_column, axis=1).T
    ranks = np.empty(first_column.shape)
    for t, gallery in enumerate(galleries):
        nearest = np.empty((len(gallery), len(dist)), dtype=dist.dtype)
        for row, members in zip(nearest, gallery, strict=True):
            np.minimum.reduce(columns[members], axis=0, out=row)
        ahead = np.add.reduce(nearest < threshold[t], axis=0, dtype=np.int32)
        not_behind = np.add.reduce(nearest <= threshold[t], axis=0, dtype=np.int32)
        ranks[:, t] = ahead + 1
        tied = np.flatnonzero(not_behind > ahead + 1)  # another identity's nearest image is just as near
        if len(tied):
            keys = _sort_keys(dist[tied], None if ignored is None else ignored[tied])
            own = np.take_along_axis(keys, first_column[tied, t, None], axis=1)
            ranks[tied, t] = 1 + sum((keys[:, members].min(axis=1) < own[:, 0]) for members in gallery)
    return ranks
