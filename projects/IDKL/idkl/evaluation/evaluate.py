"""Result rows of a protocol's settings from features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .bootstrap import identity_interval
from .expansion import QueryExpansion
from .feature_set import FeatureSet
from .images import Images
from .methods import Method
from .metrics import average_scores
from .protocol import Setting
from .ranking import IntArray, QueryScores
from .rerank import ReRanking
from .results import METRICS, RANKS, Row
from .scoring import score_settings


def evaluate(
    features: Any,
    images: Images,
    settings: Sequence[Setting],
    reranking: ReRanking | None = None,
    expansion: QueryExpansion | None = None,
) -> list[Row]:
    """Result rows of ``settings``, in percent, keys as in ``results.ROW_KEYS``.

    Behind each plain row stand the re-ranked one and the one with query expansion, where asked for. A metric is its
    mean over trials, "std" its population standard deviation over trials (ddof=0), and "ci95" the bootstrap interval
    of Rank-1 and mAP over query identities.

    Args:
        features: float[N, D], torch or numpy, not normalised: they are compared by their cosine.
        images: their images, row by row; equal distances rank in this order.
        settings: of :meth:`~idkl.evaluation.protocol.Protocol.settings` for the same images.
        reranking, expansion: None leaves its rows out.

    Raises:
        UserError: a feature row is zero or not finite, the shapes differ, a trial has no query with a match, or too
            few images for ``reranking`` or ``expansion``.
    """
    known = FeatureSet(features, images.pids, images.paths)
    methods: list[Method] = [method for method in (reranking, expansion) if method is not None]
    labels = [False, *(method.label for method in methods)]
    rows = []
    for setting, kinds in zip(settings, score_settings(known, settings, methods), strict=True):
        pids = [known.pids[trial.query] for trial in setting.trials]
        rows += [_row(setting, label, scores, pids) for label, scores in zip(labels, kinds, strict=True)]
    return rows


def _row(setting: Setting, rerank: bool | str, scores: Sequence[QueryScores], pids: Sequence[IntArray]) -> Row:
    trials = [average_scores(trial, max(RANKS)) for trial in scores]
    values = np.array([[*(t.cmc[k - 1] for k in RANKS), t.mAP, t.mINP] for t in trials]) * 100
    first = [np.where(trial.valid, 100.0 * (trial.first_rank == 1), np.nan) for trial in scores]
    precision = [100 * trial.ap for trial in scores]
    return {
        "protocol": setting.protocol,
        "mode": setting.mode,
        "shots": setting.shots,
        "direction": setting.direction,
        "gallery": setting.gallery,
        "rerank": rerank,
        "trials": len(trials),
        **dict(zip(METRICS, values.mean(axis=0).tolist(), strict=True)),
        "std": dict(zip(METRICS, values.std(axis=0).tolist(), strict=True)),
        "ci95": {"Rank-1": [*identity_interval(first, pids)], "mAP": [*identity_interval(precision, pids)]},
    }
