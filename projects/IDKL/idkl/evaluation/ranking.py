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

from .identity_groups import IdentityGroups

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Distances = NDArray[np.float32] | NDArray[np.float64]
# (slice of query rows) -> bool[rows, M]: pool entries that do not exist for these queries.
IgnoreRule = Callable[[slice], BoolArray]

_ROWS = 64  # sorted together: their keys stay in a core's cache
# Entries of a block that a thread works on. With smaller arrays threads would wait for each other at every numpy call.
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
    rows = -(-len(dist) // (threads * -(-len(dist) * scorer.entries_a_row // (threads * _BLOCK_ENTRIES))))
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
        self._groups = IdentityGroups(pool.pids)
        self._member = np.ascontiguousarray(pool.members.T, dtype=np.float64)  # [M, T]
        self._counts = torch.from_numpy(self._member).float()
        self._deduplicate = pool.deduplicate
        self._galleries = [self._groups.members(members) for members in pool.members] if pool.deduplicate else []

    @property
    def entries_a_row(self) -> int:
        """Entries of the largest array of a block, for one query."""
        return max(len(self._member), int(self._groups.sizes.max()) * self._member.shape[1])

    def score(
        self, dist: Distances, query_pids: IntArray, ignored: BoolArray | None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rank of the first match (anything: none), AP and INP (NaN: none), [B, T] each, of rows ``dist`` [B, M]."""
        longest, trials = int(self._groups.sizes.max()), self._member.shape[1]
        matches = np.empty((longest, len(dist)), dtype=np.int64)
        is_real = np.empty(matches.shape, dtype=bool)
        between = np.empty((*matches.shape, trials), dtype=np.float32)
        for part in _slices(len(dist), _ROWS):
            some = None if ignored is None else ignored[part]
            matches[:, part], is_real[:, part], between[:, part] = self._sort_rows(dist[part], query_pids[part], some)
        member = np.take(self._member, matches, axis=0)
        member *= is_real[:, :, None]
        nearest, ap, inp = _average_precision(between, member)
        if self._deduplicate:
            column = np.take_along_axis(matches, nearest.T, axis=0).T
            first = _identity_ranks(dist, ignored, column, self._galleries)
        else:
            first = np.take_along_axis(between.cumsum(axis=0), nearest[None], axis=0)[0] + 1.0
        return first, ap, inp

    def _sort_rows(
        self, dist: Distances, query_pids: IntArray, ignored: BoolArray | None
    ) -> tuple[IntArray, BoolArray, NDArray[np.float32]]:
        """The columns [P, B] of each query's matches in the pool, nearest first, which of them are real, and the
        members of each trial from one to the next [P, B, T]."""
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
        return np.where(is_real, matches & _LAST, 0).T, is_real.T, between[:, :-1].swapaxes(0, 1)

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


def _average_precision(between: NDArray[np.float32], member: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Which match is the nearest one in the trial's gallery (any: none is), AP and INP (NaN: none), [B, T] each.

    ``between`` [P, B, T]: members of each trial from one match of the pool (inclusive) to the next; ``member``
    [P, B, T]: 1 where that match belongs to the trial's gallery, else 0.
    """
    shape = between.shape[1:]
    rank, hits, ap, last, share = np.ones(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape), np.empty(shape)
    nearest = np.zeros(shape, dtype=np.int64)
    for since, is_in in zip(between, member, strict=True):
        rank += since
        hits += is_in
        np.divide(hits, rank, out=share)
        share *= is_in
        ap += share
        np.multiply(rank, is_in, out=share)
        np.maximum(last, share, out=last)
        nearest += hits == 0
    np.minimum(nearest, len(member) - 1, out=nearest)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: no match
        return nearest, ap / hits, hits / last


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

    ``first_column`` [B, T]: the column of the nearest match; ``galleries``: per trial, :meth:`.IdentityGroups.members`.
    """
    columns = np.empty(dist.shape[::-1], dtype=dist.dtype)  # an image's distances to all queries lie side by side
    for part in _slices(len(dist), _ROWS):
        rows = np.array(dist[part]) if ignored is None else np.where(ignored[part], np.inf, dist[part])
        torch.from_numpy(columns)[:, part].copy_(torch.from_numpy(rows).t())
    threshold = np.take_along_axis(dist, first_column, axis=1).T
    ranks = np.empty(first_column.shape)
    for t, gallery in enumerate(galleries):
        minima = [np.minimum.reduce(columns.take(table, axis=0), axis=1) for table in gallery]
        nearest = np.concatenate([*minima, np.empty((0, len(dist)), dtype=dist.dtype)])
        ahead = np.add.reduce(nearest < threshold[t], axis=0, dtype=np.int32)
        not_behind = np.add.reduce(nearest <= threshold[t], axis=0, dtype=np.int32)
        ranks[:, t] = ahead + 1
        tied = np.flatnonzero(not_behind > ahead + 1)  # another identity's nearest image is just as near
        if len(tied):
            keys = _sort_keys(dist[tied], None if ignored is None else ignored[tied])
            own = np.take_along_axis(keys, first_column[tied, t, None], axis=1)
            ranks[tied, t] = 1 + sum((keys[:, table].min(axis=2) < own).sum(axis=1) for table in gallery)
    return ranks
