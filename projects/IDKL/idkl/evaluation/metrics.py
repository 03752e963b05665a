"""CMC, mAP and mINP from a distance matrix, without sorting gallery entries into a rank list.

All three follow from the ranks of a query's matches, so each row's distances are sorted as bare values and only
the matches are looked up in them. A row in which a match ties with anything is done again on its stable ranks
(ties broken by gallery order), which are distinct, so that ranks are always exact integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from datasets_ext.errors import UserError

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
# (query rows, gallery positions int64[G]) -> bool[rows, G]: entries that do not exist for these queries.
IgnoreRule = Callable[[slice, IntArray], BoolArray]

# Entries of a block of the distance matrix: small enough that it and its temporaries stay in a core's cache.
_BLOCK_ENTRIES = 2**20


@dataclass(frozen=True)
class RankMetrics:
    """Means over the valid queries, all in 0..1: ``cmc`` float64[max_rank] (``cmc[k - 1]`` is Rank-k), mAP, mINP."""

    cmc: FloatArray
    mAP: float  # noqa: N815 - the field's name
    mINP: float  # noqa: N815 - the field's name
    num_valid_queries: int


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
class Gallery:
    """Columns of a distance matrix that form one gallery, grouped by identity, and how to score against it.

    ``order`` int64[G] sorts the gallery by identity, gallery order kept within one; ``columns`` int64[G] are the
    matrix columns in that order; ``identities``, ``starts``, ``sizes`` int64[I] describe the groups.
    """

    order: IntArray
    columns: IntArray
    identities: IntArray
    starts: IntArray
    sizes: IntArray
    ignore: IgnoreRule | None
    deduplicate: bool

    @classmethod
    def build(cls, columns: IntArray, pids: IntArray, ignore: IgnoreRule | None, deduplicate: bool) -> Gallery:
        """``columns`` and ``pids`` int64[G] are in gallery order; with ``ignore`` None nothing is ignored.

        ``deduplicate``: CMC counts only the first hit of each identity.
        """
        order = np.argsort(pids, kind="stable")
        identities, starts, sizes = np.unique(pids[order], return_index=True, return_counts=True)
        return cls(order, columns[order], identities, starts, sizes, ignore, deduplicate)


def rank_metrics(
    dist: Any,
    query_pids: Any,
    gallery_pids: Any,
    *,
    ignore: Any = None,
    deduplicate: bool = False,
    max_rank: int = 20,
) -> RankMetrics:
    """CMC, mAP and mINP of one gallery.

    Args:
        dist: float[Q, G], numpy or torch, smaller is nearer; equal distances rank in gallery order.
        query_pids, gallery_pids: integers [Q] and [G].
        ignore: bool[Q, G]; a True entry does not exist for that query. None ignores nothing.
        deduplicate: CMC counts only the first hit of each gallery identity (SYSU-MM01, LLCM). AP and INP never do.
        max_rank: length of the CMC curve; beyond the gallery's size it stays at its last value.

    AP is the mean over matches of the precision at the match's rank. INP is the number of matches divided by the
    rank of the last one (Ye et al., TPAMI 2021, section 4). Queries without a match are left out of every mean.

    Raises:
        UserError: shapes or types do not fit, a distance is NaN, or no query has a match.
    """
    dist = _distance_array(dist)
    query_pids = identity_array(query_pids, "query_pids", dist.shape[0])
    gallery_pids = identity_array(gallery_pids, "gallery_pids", dist.shape[1])
    if max_rank < 1:
        raise UserError(f"max_rank is {max_rank}; give 1 or more")
    rule = None if ignore is None else _ignore_rule(ignore, dist.shape)
    gallery = Gallery.build(np.arange(dist.shape[1]), gallery_pids, rule, deduplicate)
    return average_scores(score_queries(dist, query_pids, [gallery])[0], max_rank)


def average_scores(scores: QueryScores, max_rank: int = 20) -> RankMetrics:
    """Mean of ``scores`` over their valid queries. UserError when there is none."""
    count = int(scores.valid.sum())
    if count == 0:
        raise UserError("no query has a match in the gallery; check that both sides share identities")
    hits = np.bincount(np.minimum(scores.first_rank[scores.valid], max_rank + 1), minlength=max_rank + 2)
    cmc = hits[1 : max_rank + 1].cumsum() / count
    return RankMetrics(cmc, float(scores.ap[scores.valid].mean()), float(scores.inp[scores.valid].mean()), count)


def identity_array(pids: Any, name: str, length: int) -> IntArray:
    """``pids`` (numpy, torch or list) as int64[length]; UserError, which names it ``name``, when it is not that."""
    array = pids.detach().cpu().numpy() if isinstance(pids, torch.Tensor) else np.asarray(pids)
    if array.dtype.kind not in "iu" or array.shape != (length,):
        raise UserError(f"{name} is {array.dtype}{list(array.shape)}; give {length} integers, an identity each")
    return array.astype(np.int64, copy=False)


def score_queries(dist: NDArray[Any], query_pids: IntArray, galleries: Sequence[Gallery]) -> list[QueryScores]:
    """Scores of every query against each of ``galleries``.

    ``dist`` float32 or float64 [Q, M], free of NaN; ``query_pids`` int64[Q]. Runs on as many threads as torch uses.
    """
    step = max(1, _BLOCK_ENTRIES // dist.shape[1])
    blocks = [slice(start, start + step) for start in range(0, len(dist), step)]

    def score(rows: slice) -> list[QueryScores]:
        # One block against all galleries, so that its distances are still in the cache.
        return [_score_rows(dist[rows], query_pids[rows], rows, gallery) for gallery in galleries]

    with ThreadPoolExecutor(torch.get_num_threads()) as workers:  # numpy releases the interpreter lock
        parts = list(workers.map(score, blocks))
    return [_concatenate(of_gallery) for of_gallery in zip(*parts, strict=True)]


def _score_rows(dist: NDArray[Any], query_pids: IntArray, rows: slice, gallery: Gallery) -> QueryScores:
    """``dist`` [B, M] and ``query_pids`` [B] belong to the queries ``rows``."""
    keys = np.take(dist, gallery.columns, axis=1)
    ignored = None if gallery.ignore is None else gallery.ignore(rows, gallery.order)
    scores, tied = _score_block(keys, query_pids, gallery, ignored)
    if tied.any():
        keys = _stable_ranks(np.take(dist[tied], gallery.columns, axis=1), gallery.order)
        again, _ = _score_block(keys, query_pids[tied], gallery, None if ignored is None else ignored[tied])
        for name, values in vars(again).items():
            getattr(scores, name)[tied] = values
    return scores


def _score_block(
    keys: NDArray[Any], query_pids: IntArray, gallery: Gallery, ignored: BoolArray | None
) -> tuple[QueryScores, BoolArray]:
    """Scores of a block ``keys`` [B, G] (overwritten; columns as the gallery's), and the rows with a tie at a match."""
    if ignored is not None:
        np.copyto(keys, np.inf, where=ignored)
    group = np.minimum(np.searchsorted(gallery.identities, query_pids), len(gallery.identities) - 1)
    sizes = np.where(gallery.identities[group] == query_pids, gallery.sizes[group], 0)
    slot = np.arange(max(1, sizes.max()))
    position = np.minimum(gallery.starts[group][:, None] + slot, keys.shape[1] - 1)
    is_match = slot < sizes[:, None]
    if ignored is not None:
        is_match &= ~np.take_along_axis(ignored, position, axis=1)
    matches = np.where(is_match, np.take_along_axis(keys, position, axis=1), np.inf).astype(keys.dtype, copy=False)
    matches.sort(axis=1)
    count = is_match.sum(axis=1)
    nearest = np.minimum.reduceat(keys, gallery.starts, axis=1) if gallery.deduplicate else None

    keys.sort(axis=1)
    before = torch.searchsorted(torch.from_numpy(keys), torch.from_numpy(matches)).numpy()
    real = slot < count[:, None]
    following = np.take_along_axis(keys, np.minimum(before + 1, keys.shape[1] - 1), axis=1)
    tied = ((following == matches) & (before + 1 < keys.shape[1]) & real).any(axis=1)

    valid = count > 0
    first = before[:, 0] if nearest is None else (nearest < matches[:, :1]).sum(axis=1)
    precision = np.where(real, (slot + 1) / (before + 1), 0.0).sum(axis=1)
    last = np.take_along_axis(before, np.maximum(count - 1, 0)[:, None], axis=1)[:, 0] + 1
    ap = np.where(valid, precision / np.maximum(count, 1), np.nan)
    return QueryScores(np.where(valid, first + 1, 0), ap, np.where(valid, count / last, np.nan), valid), tied


def _stable_ranks(dist: NDArray[Any], order: IntArray) -> FloatArray:
    """Ranks 0..G-1 of each row of ``dist`` [B, G] whose columns are in ``order``; equal ones in gallery order."""
    in_gallery_order = np.empty_like(dist)
    in_gallery_order[:, order] = dist
    by_rank = np.argsort(in_gallery_order, axis=1, kind="stable")
    ranks = np.empty(dist.shape)
    np.put_along_axis(ranks, by_rank, np.arange(float(dist.shape[1]))[None], axis=1)
    return np.take(ranks, order, axis=1)


def _concatenate(blocks: Sequence[QueryScores]) -> QueryScores:
    return QueryScores(*(np.concatenate(parts) for parts in zip(*(vars(b).values() for b in blocks), strict=True)))


def _ignore_rule(ignore: Any, shape: tuple[int, ...]) -> IgnoreRule:
    mask = ignore.detach().cpu().numpy() if isinstance(ignore, torch.Tensor) else np.asarray(ignore)
    if mask.dtype != np.bool_ or mask.shape != shape:
        raise UserError(f"ignore is {mask.dtype}{list(mask.shape)}; give bool{list(shape)}, the shape of dist")
    return lambda rows, positions: mask[rows][:, positions]


def _distance_array(dist: Any) -> NDArray[Any]:
    if isinstance(dist, torch.Tensor):
        dist = dist.detach().cpu()
        dist = (dist.float() if dist.dtype == torch.bfloat16 else dist).numpy()
    dist = np.asarray(dist)
    if dist.dtype.kind != "f" or dist.dtype.itemsize > 8:
        raise UserError(f"dist holds {dist.dtype}; give float16, bfloat16, float32 or float64")
    if dist.ndim != 2 or dist.size == 0:
        raise UserError(f"dist has shape {list(dist.shape)}; give [queries, gallery] with at least one of each")
    if np.isnan(dist).any():
        row, column = np.argwhere(np.isnan(dist))[0]
        raise UserError(f"dist is NaN at query {row}, gallery {column}; check the features it was computed from")
    return dist.astype(np.float32 if dist.dtype.itemsize < 8 else np.float64, copy=False)
