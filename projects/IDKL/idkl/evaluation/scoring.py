"""Scores of settings from features, in one pass: one distance matrix for all trials that share their queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets_ext.errors import UserError

from .expansion import QueryExpansion
from .metrics import identity_array
from .protocol import Setting, Trial
from .ranking import IgnoreRule, IntArray, Pool, QueryScores, score_queries
from .rerank import Reranker, ReRanking

# Lengths between which dot products stay well inside float32's range.
_SHORTEST, _LONGEST = 1e-15, 1e15
# A re-ranked trial takes memory for a few matrices of its queries and gallery.
_TRIALS_AT_ONCE = 2

# (rows of a gallery, its columns of the distance matrix) -> distances float32 [Q, G]
Rescore = Callable[[IntArray, IntArray], NDArray[np.float32]]


@dataclass(frozen=True)
class Group:
    """Trials that share their queries and rules: ``members`` are their (setting, trial) numbers."""

    settings: Sequence[Setting]
    members: Sequence[tuple[int, int]]

    @property
    def setting(self) -> Setting:
        return self.settings[self.members[0][0]]

    @property
    def trials(self) -> list[Trial]:
        return [self.settings[s].trials[t] for s, t in self.members]

    @property
    def query(self) -> IntArray:
        return self.trials[0].query

    @property
    def pool(self) -> IntArray:
        """Rows of every image that is in a gallery, ascending; also a few that are in none, if that makes a range."""
        rows = np.unique(np.concatenate([trial.gallery for trial in self.trials]))
        whole = np.arange(rows[0], rows[-1] + 1)
        return whole if len(whole) <= 1.1 * len(rows) else rows

    def ignore(self, pool: IntArray) -> IgnoreRule | None:
        """The setting's rule for the columns ``pool``."""
        if self.setting.ignore is None:
            return None
        query_keys, gallery_keys = self.setting.ignore[0][self.query, None], self.setting.ignore[1][pool]
        return lambda rows: query_keys[rows] == gallery_keys


class FeatureSet:
    """Features and identities of the test images, one row each; the features are held once and not copied.

    Args:
        features: float [N, D], torch or numpy, of any length above 0.
        pids: int64[N].
        paths: str[N], to name a bad row in the error.

    Raises:
        UserError: a feature row is zero or not finite, or the shapes differ.
    """

    def __init__(self, features: Any, pids: IntArray, paths: Sequence[str]) -> None:
        values = _tensor(features)
        if values.ndim != 2 or not values.is_floating_point():
            raise UserError(f"features are {values.dtype}{list(values.shape)}; give float32[images, dimensions]")
        self.values = values.float()
        self.pids = identity_array(pids, "pids", len(values))
        self._lengths = torch.linalg.vector_norm(self.values, dim=1)
        usable = (self._lengths > _SHORTEST) & (self._lengths < _LONGEST)  # not so for NaN
        bad = torch.nonzero(~usable).flatten().tolist()
        if bad:
            raise UserError(
                f"{len(bad)} of {len(values)} feature rows are zero, not finite or beyond {_LONGEST:.0e} (first: row "
                f"{bad[0]}, {paths[bad[0]]}); find out why and extract them again"
            )

    def take(self, rows: IntArray) -> Tensor:
        """Features as they are, float32 [rows, D]."""
        return _take(self.values, rows)

    def unit(self, rows: IntArray) -> Tensor:
        """Features of length 1, float32 [rows, D]."""
        return self.take(rows) / _take(self._lengths, rows)[:, None]

    def distances(self, query: IntArray, pool: IntArray) -> Tensor:
        """Minus the cosine of every query and pool image, float32 [Q, M].

        It ranks as the Euclidean distance of unit features does: that one's square is 2 - 2 cos.
        """
        dist = self.unit(query) @ self.take(pool).T
        return dist.mul_(-1 / _take(self._lengths, pool))


def _tensor(values: Any) -> Tensor:
    """A tensor of ``values``, tensor or numpy; without a copy where torch can use the memory as it is."""
    if isinstance(values, Tensor):
        return values.detach()
    array = np.asarray(values)
    return torch.from_numpy(np.require(array, np.float32 if array.dtype.kind == "f" else None, ["C", "W"]))


def _take(values: Tensor, rows: IntArray) -> Tensor:
    """``values[rows]``, without a copy where the rows follow each other."""
    if len(rows) == rows[-1] - rows[0] + 1 and (np.diff(rows) == 1).all():
        return values[int(rows[0]) : int(rows[-1]) + 1]
    return values[torch.from_numpy(rows).to(values.device)]


def score_settings(
    features: FeatureSet, settings: Sequence[Setting], methods: Sequence[ReRanking | QueryExpansion] = ()
) -> list[list[list[QueryScores]]]:
    """Scores of every query: for each setting the plain ones, then those of each method; of each one entry a trial.

    Raises:
        UserError: a trial has too few images for a method.
    """
    check_sizes(settings, methods)
    found: dict[tuple[int, int], list[QueryScores]] = {}  # of a trial: plain, then by each method
    for group in share_queries(settings):
        pool = group.pool
        dist = features.distances(group.query, pool)
        scores = [_score_plain(features, group, pool, dist)]
        scores += [_score_again(features, group, pool, _rescore(method, features, group, dist)) for method in methods]
        found.update(zip(group.members, map(list, zip(*scores, strict=True)), strict=True))
    return [
        [[found[s, t][kind] for t in range(len(setting.trials))] for kind in range(1 + len(methods))]
        for s, setting in enumerate(settings)
    ]


def check_sizes(settings: Sequence[Setting], methods: Sequence[ReRanking | QueryExpansion]) -> None:
    """Refuse a method that takes more neighbours than a trial of ``settings`` has images."""
    trials = [trial for setting in settings for trial in setting.trials]
    smallest = min(trials, key=lambda trial: len(trial.query) + len(trial.gallery))
    queries, gallery = len(smallest.query), len(smallest.gallery)
    for method in methods:
        if queries + gallery < method.least:
            raise UserError(
                f"{method.what} takes {method.least} images or more, but a trial has {queries} queries and {gallery} "
                f"gallery images: lower {method.knob}, or leave it out"
            )


def _score_plain(features: FeatureSet, group: Group, pool: IntArray, dist: Tensor) -> list[QueryScores]:
    members = np.zeros((len(group.trials), len(pool)), dtype=bool)
    for row, trial in zip(members, group.trials, strict=True):
        row[np.searchsorted(pool, trial.gallery)] = True
    galleries = Pool(features.pids[pool], members, group.setting.deduplicate)
    return score_queries(dist.cpu().numpy(), features.pids[group.query], galleries, group.ignore(pool))


def _rescore(method: ReRanking | QueryExpansion, features: FeatureSet, group: Group, dist: Tensor) -> Rescore:
    """What gives a gallery's new distances to the queries of ``group``, given its rows and its columns of ``dist``."""
    if isinstance(method, ReRanking):
        reranker = Reranker(method, features.unit(group.query), dist)
        return lambda gallery, columns: reranker.distances(features.unit(gallery), columns)
    query = features.take(group.query)
    return lambda gallery, columns: method.cosine(query, features.take(gallery)).cpu().numpy()


def _score_again(features: FeatureSet, group: Group, pool: IntArray, rescore: Rescore) -> list[QueryScores]:
    def score(trial: Trial) -> QueryScores:
        gallery = np.sort(trial.gallery)
        dist = rescore(gallery, np.searchsorted(pool, gallery))
        whole = Pool(features.pids[gallery], np.ones((1, len(gallery)), dtype=bool), group.setting.deduplicate)
        return score_queries(dist, features.pids[group.query], whole, group.ignore(gallery))[0]

    with ThreadPoolExecutor(min(_TRIALS_AT_ONCE, torch.get_num_threads())) as workers:
        return list(workers.map(score, group.trials))


def share_queries(settings: Sequence[Setting]) -> Iterator[Group]:
    """The trials by the query rows and rules that they share."""
    shared: dict[tuple[bool, tuple[bytes, ...]], list[tuple[int, int]]] = {}
    for s, setting in enumerate(settings):
        ignore = tuple(keys.tobytes() for keys in setting.ignore or ())
        for t, trial in enumerate(setting.trials):
            shared.setdefault((setting.deduplicate, (trial.query.tobytes(), *ignore)), []).append((s, t))
    return (Group(settings, members) for members in shared.values())
