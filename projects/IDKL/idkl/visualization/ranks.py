"""Rank lists: every query's nearest gallery images as the protocol ranks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets_ext.errors import UserError

from ..evaluation.protocol import Setting
from ..evaluation.ranking import BoolArray, IntArray, Pool, score_queries
from ..evaluation.scoring import Group
from .embedded import Embedded


@dataclass(frozen=True)
class RankList:
    """One query in the gallery of a setting's first trial. Rows are those of :class:`~.embedded.Embedded`.

    Attributes:
        query: row.
        gallery: rows int64[top] of the nearest gallery images, nearest first, without those that the protocol ignores.
        cosines: float32[top], of the query and each of them.
        correct: bool[top], whether it shows the query's identity.
        ignored: rows of the gallery images that the protocol's camera rule hides from this query.
        first_rank: 1-based, by the protocol's CMC rule; 0 for a query without a match.
        ap: average precision, 0..1; NaN for a query without a match, which no mean counts.
    """

    query: int
    gallery: IntArray
    cosines: NDArray[np.float32]
    correct: BoolArray
    ignored: IntArray
    first_rank: int
    ap: float


@dataclass(frozen=True)
class Compared:
    """The queries and the gallery of a setting's first trial.

    Attributes:
        query, gallery: rows int64[Q] and int64[G].
        dist: float32 [Q, G], minus the cosine.
        hidden: bool [Q, G], what the protocol's camera rule hides from a query.
        deduplicate: CMC counts each gallery identity once.
    """

    query: IntArray
    gallery: IntArray
    dist: NDArray[np.float32]
    hidden: BoolArray
    deduplicate: bool


def compare(embedded: Embedded, setting: int = 0) -> Compared:
    """Compare the queries of a setting with the gallery of its first trial. UserError for a bad feature row."""
    group = Group([embedded.settings[setting]], [(0, 0)])
    query, gallery = group.query, np.sort(group.trials[0].gallery)
    dist = embedded.feature_set.distances(query, gallery).cpu().numpy()
    ignore = group.ignore(gallery)
    hidden = np.zeros(dist.shape, dtype=bool) if ignore is None else ignore(slice(None))
    return Compared(query, gallery, dist, hidden, group.setting.deduplicate)


def rank_lists(embedded: Embedded, top: int = 10, setting: int = 0) -> list[RankList]:
    """The rank lists of all queries of a setting's trial 0, in the order of the queries.

    Args:
        top: gallery images of a list, 1 or more; fewer where the gallery has fewer.
        setting: which of ``embedded.settings``; the first is the protocol's main one.

    Raises:
        UserError: ``top`` is below 1, or a feature row is zero or not finite.
    """
    if top < 1:
        raise UserError(f"--top {top}: a rank list has 1 image or more")
    compared = compare(embedded, setting)
    query, gallery, hidden = compared.query, compared.gallery, compared.hidden
    pids = embedded.images.pids
    whole = Pool(pids[gallery], np.ones((1, len(gallery)), dtype=bool), compared.deduplicate)
    scores = score_queries(compared.dist, pids[query], whole, lambda rows: hidden[rows])[0]
    lists = []
    for row, dist in enumerate(compared.dist):
        order = np.where(hidden[row], np.inf, dist).argsort(kind="stable")[:top]
        columns = order[~hidden[row, order]]
        lists.append(
            RankList(
                query=int(query[row]),
                gallery=gallery[columns],
                cosines=-dist[columns],
                correct=pids[gallery[columns]] == pids[query[row]],
                ignored=gallery[hidden[row]],
                first_rank=int(scores.first_rank[row]),
                ap=float(scores.ap[row]),
            )
        )
    return lists


def choose_queries(lists: Sequence[RankList], pids: IntArray, count: int, seed: int = 0) -> dict[str, list[RankList]]:
    """The worst, the best and ``count`` random queries, each ``count`` of as many different identities as there are.

    Queries without a match are left out. Equal APs come in the order of the queries.

    Args:
        pids: identities of the rows, ``embedded.images.pids``.

    Raises:
        UserError: ``count`` is below 1, or no query has a match.
    """
    if count < 1:
        raise UserError(f"--queries {count}: give 1 or more")
    valid = [entry for entry in lists if not np.isnan(entry.ap)]
    if not valid:
        raise UserError("no query has a match in the gallery; check that both sides share identities")
    shuffled = [valid[i] for i in np.random.default_rng(seed).permutation(len(valid))]
    return {
        "worst": _one_an_identity(sorted(valid, key=lambda entry: entry.ap), pids, count),
        "best": _one_an_identity(sorted(valid, key=lambda entry: -entry.ap), pids, count),
        "random": _one_an_identity(shuffled, pids, count),
    }


def _one_an_identity(ordered: Sequence[RankList], pids: IntArray, count: int) -> list[RankList]:
    first: dict[int, RankList] = {}
    for entry in ordered:
        first.setdefault(int(pids[entry.query]), entry)
    return list(first.values())[:count]


def describe_setting(setting: Setting) -> str:
    """One line: ``sysu, all-search, 1 shot, infrared to visible, official gallery``."""
    parts = [
        setting.protocol,
        setting.mode and f"{setting.mode}-search",
        setting.shots and f"{setting.shots}-shot",
        setting.direction and setting.direction.replace("-", " "),
        setting.gallery and f"{setting.gallery} gallery",
    ]
    return ", ".join(part for part in parts if part)
