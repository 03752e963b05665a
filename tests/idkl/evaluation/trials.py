"""Rows of a result table by the slow loops of ``naive``, and features on which float32 and float64 must agree."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.idkl.evaluation import naive

# Distances of a query must lie this far apart for float32 and float64 to rank alike. float32 errs by about 1e-7.
GAP = 1e-6
RERANKED_GAP = 4e-7


class NearTieError(Exception):
    """Two distances are too close to tell in float32: draw other features."""


def measured(
    features: Any, paths: Sequence[str], pids: Sequence[int], line: naive.Line, reranking: tuple | None = None
) -> tuple[Any, Any]:
    """Mean and standard deviation over trials, in percent: Rank-1, 5, 10, 20, mAP, mINP.

    ``reranking``: (k1, k2, weight). Equal distances rank in the order of the feature rows.

    Raises:
        NearTieError: re-ranked distances are too close.
    """
    row = {path: i for i, path in enumerate(paths)}
    values = []
    for query_paths, gallery_paths in line.trials:
        query, gallery = ([row[path] for path in some] for some in (query_paths, gallery_paths))
        gallery = sorted(gallery)
        if reranking is None:
            dist = naive.cosine_distance(features[query], features[gallery])
        else:
            dist = naive.rerank(features[query], features[gallery], *reranking)
            if np.diff(np.sort(dist, axis=1), axis=1).min() < RERANKED_GAP:
                raise NearTieError
        ignore = [[line.ignores(paths[q], paths[g]) for g in gallery] for q in query]
        scores = naive.metrics(dist, [pids[q] for q in query], [pids[g] for g in gallery], ignore, line.deduplicate, 20)
        assert scores is not None
        curve, mean_ap, mean_inp, _ = scores
        values.append([*(100 * curve[k - 1] for k in naive.RANKS), 100 * mean_ap, 100 * mean_inp])
    return np.mean(values, axis=0), np.std(values, axis=0)


def separated(images: int, dimensions: int, seed: int = 0) -> Any:
    """Random features float32 without near-ties: all cosines of an image with the others lie ``GAP`` apart."""
    rng = np.random.default_rng(seed)
    while True:
        features = rng.standard_normal((images, dimensions)).astype(np.float32)
        dist = naive.cosine_distance(features, features)
        np.fill_diagonal(dist, -1)
        gaps = np.diff(np.sort(dist, axis=1), axis=1)
        if gaps.min(initial=np.inf) > GAP:
            return features


def separated_reranked(
    paths: Sequence[str], pids: Sequence[int], lines: Sequence[naive.Line], reranking: tuple
) -> tuple[Any, list[tuple[Any, Any]]]:
    """Features [N, 8] whose re-ranked distances lie apart in every trial, and what :func:`measured` gives each line."""
    for seed in itertools.count():
        features = separated(len(paths), 8, seed)
        try:
            return features, [measured(features, paths, pids, line, reranking) for line in lines]
        except NearTieError:
            continue
    raise AssertionError


def tied(images: int, seed: int = 0) -> Any:
    """Random features float32[images, 16] of entries 1 and -1: exact in every precision, with ties in every row."""
    return np.random.default_rng(seed).choice(np.float32([-1, 1]), (images, 16))
