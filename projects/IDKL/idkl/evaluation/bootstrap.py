"""Bootstrap intervals of a mean over queries, resampled by identity.

Images of one person are alike, so queries are no independent samples; people are. An interval from resampled query
identities says how much a result depends on who happens to be in the test set (Efron, 1979: percentile method).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .ranking import FloatArray, IntArray

RESAMPLES = 1000
LEVEL = 95  # percent


def identity_interval(values: Sequence[FloatArray], pids: Sequence[IntArray]) -> tuple[float, float]:
    """The 95% interval of the mean over trials of the mean over queries.

    Args:
        values: one array [Q] a trial; NaN for a query that does not count.
        pids: identities of those queries, one array [Q] a trial.

    The same values always give the same interval: the resamples are seeded.
    """
    identities = np.unique(np.concatenate(pids))
    sums, counts = np.zeros((2, len(values), len(identities)))
    for t, (value, pid) in enumerate(zip(values, pids, strict=True)):
        counted = ~np.isnan(value)
        group = np.searchsorted(identities, pid[counted])
        sums[t] = np.bincount(group, value[counted], len(identities))
        counts[t] = np.bincount(group, minlength=len(identities))
    weights = _resamples(len(identities))
    with np.errstate(invalid="ignore"):  # a resample may hold no query that counts
        means = (weights @ sums.T) / (weights @ counts.T)
    tail = (100 - LEVEL) / 2
    low, high = np.nanpercentile(means.mean(axis=1), [tail, 100 - tail])
    return float(low), float(high)


@lru_cache(maxsize=8)
def _resamples(people: int) -> FloatArray:
    """How often each of ``people`` is drawn in each resample, [RESAMPLES, people]."""
    draws = np.random.default_rng(0).multinomial(people, np.full(people, 1 / people), RESAMPLES)
    return draws.astype(np.float64)
