"""A protocol is data: settings, each a list of trials, each a choice of query and gallery rows.

Features are extracted once. The similarity of every query to every gallery image that occurs in any trial is
computed once, and a trial is a subset of its columns. To add a protocol, write one file that builds its settings
and enters itself in :data:`PROTOCOLS`, and import that file in ``idkl/evaluation/__init__.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datasets_ext.errors import UserError

from .metrics import Gallery, IgnoreRule, IntArray, QueryScores, average_scores, identity_array, score_queries
from .results import METRICS, RANKS, Row


@dataclass(frozen=True)
class Trial:
    """Rows of the features: ``query`` int64[Q] and ``gallery`` int64[G], the latter in gallery order (breaks ties).

    ``ignore_keys``: int64[Q] and int64[G]; a query ignores the gallery entries whose key equals its own. None: it
    ignores nothing.
    """

    query: IntArray
    gallery: IntArray
    ignore_keys: tuple[IntArray, IntArray] | None = None

    @property
    def ignore(self) -> IgnoreRule | None:
        """``ignore_keys`` as the rule that :class:`~idkl.evaluation.metrics.Gallery` takes."""
        if self.ignore_keys is None:
            return None
        query_keys, gallery_keys = self.ignore_keys
        return lambda rows, positions: query_keys[rows, None] == gallery_keys[positions]


@dataclass(frozen=True)
class Setting:
    """One row of a result table. Labels that do not apply are None; see ``results.LABELS``."""

    protocol: str
    mode: str | None
    shots: int | None
    direction: str | None
    gallery: str | None
    deduplicate: bool
    trials: tuple[Trial, ...]


# Dataset name -> settings of the test images (paths str[N] relative to the root, pids int[N], camids int[N], root).
SettingsBuilder = Callable[[Sequence[str], IntArray, IntArray, Path], list[Setting]]
PROTOCOLS: dict[str, SettingsBuilder] = {}


def evaluate(
    features: Any, pids: IntArray, settings: Sequence[Setting], paths: Sequence[str] | None = None
) -> list[Row]:
    """Result rows of ``settings``, in percent, keys as in ``results.ROW_KEYS``.

    A metric is its mean over trials, and "std" its population standard deviation over trials (ddof=0).

    Args:
        features: float[N, D], torch or numpy, not normalised; a row is L2-normalised here.
        pids: int64[N].
        paths: str[N], only to name a bad row in the error.

    Raises:
        UserError: a feature row is zero or not finite, the shapes differ, or a trial has no query with a match.
    """
    rows = []
    for setting, scores in zip(settings, score_trials(features, pids, settings, paths), strict=True):
        trials = [average_scores(trial, max(RANKS)) for trial in scores]
        values = np.array([[*(t.cmc[k - 1] for k in RANKS), t.mAP, t.mINP] for t in trials]) * 100
        mean, std = values.mean(axis=0).tolist(), values.std(axis=0).tolist()
        rows.append(
            {
                "protocol": setting.protocol,
                "mode": setting.mode,
                "shots": setting.shots,
                "direction": setting.direction,
                "gallery": setting.gallery,
                "rerank": False,
                "trials": len(trials),
                **dict(zip(METRICS, mean, strict=True)),
                "std": dict(zip(METRICS, std, strict=True)),
            }
        )
    return rows


def score_trials(
    features: Any, pids: IntArray, settings: Sequence[Setting], paths: Sequence[str] | None = None
) -> list[list[QueryScores]]:
    """Scores of every query, one list a setting, one entry a trial; arguments and errors as in :func:`evaluate`."""
    unit = _normalize(features, paths)
    pids = identity_array(pids, "pids", len(unit))
    scores: dict[tuple[int, int], QueryScores] = {}
    for members in _share_queries(settings).values():
        trials = [settings[s].trials[t] for s, t in members]
        query, pool = trials[0].query, np.unique(np.concatenate([trial.gallery for trial in trials]))
        # Of unit vectors, minus the cosine ranks as the Euclidean distance does (d^2 = 2 - 2 cos).
        dist = (unit[torch.from_numpy(query)] @ -unit[torch.from_numpy(pool)].T).cpu().numpy()
        galleries = [
            Gallery.build(
                np.searchsorted(pool, trial.gallery), pids[trial.gallery], trial.ignore, settings[s].deduplicate
            )
            for (s, _), trial in zip(members, trials, strict=True)
        ]
        scores.update(zip(members, score_queries(dist, pids[query], galleries), strict=True))
    return [[scores[s, t] for t in range(len(setting.trials))] for s, setting in enumerate(settings)]


def _share_queries(settings: Sequence[Setting]) -> dict[bytes, list[tuple[int, int]]]:
    """(setting, trial) numbers by the query rows that they share."""
    shared: dict[bytes, list[tuple[int, int]]] = {}
    for s, setting in enumerate(settings):
        for t, trial in enumerate(setting.trials):
            shared.setdefault(trial.query.tobytes(), []).append((s, t))
    return shared


def _normalize(features: Any, paths: Sequence[str] | None) -> torch.Tensor:
    """Unit float32 rows [N, D]."""
    values = torch.as_tensor(features).detach()
    if values.ndim != 2 or not values.is_floating_point():
        raise UserError(f"features are {values.dtype}{list(values.shape)}; give float32[images, dimensions]")
    values = values.float()
    norm = torch.linalg.vector_norm(values, dim=1, keepdim=True)
    bad = torch.nonzero(~((norm > 0) & torch.isfinite(norm)).squeeze(1)).flatten().tolist()
    if bad:
        where = f"row {bad[0]}" + (f", {paths[bad[0]]}" if paths is not None else "")
        raise UserError(
            f"{len(bad)} of {len(values)} feature rows are zero or not finite (first: {where}); "
            "find out why and extract them again"
        )
    return values / norm
