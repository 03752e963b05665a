"""CMC, mAP and mINP of a distance matrix, and of the scores of its queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from datasets_ext.errors import UserError

from .ranking import FloatArray, IgnoreRule, IntArray, Pool, QueryScores, score_queries


@dataclass(frozen=True)
class RankMetrics:
    """Means over the valid queries, all in 0..1: ``cmc`` float64[max_rank] (``cmc[k - 1]`` is Rank-k), mAP, mINP."""

    cmc: FloatArray
    mAP: float  # noqa: N815 - the field's name
    mINP: float  # noqa: N815 - the field's name
    num_valid_queries: int


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
    pool = Pool(gallery_pids, np.ones((1, dist.shape[1]), dtype=bool), deduplicate)
    return average_scores(score_queries(dist, query_pids, pool, rule)[0], max_rank)


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


def _ignore_rule(ignore: Any, shape: tuple[int, ...]) -> IgnoreRule:
    mask = ignore.detach().cpu().numpy() if isinstance(ignore, torch.Tensor) else np.asarray(ignore)
    if mask.dtype != np.bool_ or mask.shape != shape:
        raise UserError(f"ignore is {mask.dtype}{list(mask.shape)}; give bool{list(shape)}, the shape of dist")
    return lambda rows: mask[rows]


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
