"""Scores of settings from features, in one pass: one distance matrix for all trials that share their queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datasets_ext.errors import UserError

from .feature_set import FeatureSet
from .methods import Method, Rescore
from .protocol import Setting, Trial
from .ranking import IgnoreRule, IntArray, Pool, QueryScores, score_queries

# A re-ranked trial takes memory for a few matrices of its queries and gallery.
_TRIALS_AT_ONCE = 2


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


def score_settings(
    features: FeatureSet, settings: Sequence[Setting], methods: Sequence[Method] = ()
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
        scores += [
            _score_again(features, group, pool, method.rescore(features, group.query, dist)) for method in methods
        ]
        found.update(zip(group.members, map(list, zip(*scores, strict=True)), strict=True))
    return [
        [[found[s, t][kind] for t in range(len(setting.trials))] for kind in range(1 + len(methods))]
        for s, setting in enumerate(settings)
    ]


def check_sizes(settings: Sequence[Setting], methods: Sequence[Method]) -> None:
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
