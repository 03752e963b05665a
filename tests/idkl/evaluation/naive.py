"""Metrics, galleries and re-ranking once more, as slow loops in float64 from the definitions alone.

The tests compare the package with these. Images are known by their paths, trials are lists of paths, and nothing is
imported from the package.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

RANKS = (1, 5, 10, 20)
Trials = list[tuple[list[str], list[str]]]  # paths of queries and of the gallery


@dataclass
class Labels:
    """What a path says."""

    side: str
    camera: int
    identity: int


@dataclass
class Line:
    """One line of a result table before it is measured."""

    labels: tuple[Any, ...]  # mode, shots, direction, gallery
    trials: Trials
    deduplicate: bool
    ignores: Callable[[str, str], bool]


def nothing(query: str, gallery: str) -> bool:
    return False


# --- metrics ---


def query_scores(
    dist: Sequence[float], pid: int, pids: Sequence[int], ignored: Sequence[bool], deduplicate: bool
) -> tuple[int, float, float] | None:
    """CMC rank of the first match, AP and INP of one query; None without a match."""
    there = [g for g in range(len(pids)) if not ignored[g]]
    ranking = [pids[g] for g in sorted(there, key=lambda g: dist[g])]  # Python sorts stably
    hits = [rank for rank, other in enumerate(ranking, start=1) if other == pid]
    if not hits:
        return None
    precision = math.fsum(i / rank for i, rank in enumerate(hits, start=1)) / len(hits)
    shown: list[int] = []
    for other in ranking:
        if not (deduplicate and other in shown):
            shown.append(other)
    return shown.index(pid) + 1, precision, len(hits) / hits[-1]


def metrics(
    dist: Any, query_pids: Any, gallery_pids: Any, ignore: Any, deduplicate: bool, max_rank: int
) -> tuple[list[float], float, float, int] | None:
    """CMC curve, mAP, mINP and the number of queries with a match; None without any."""
    pids = [int(pid) for pid in gallery_pids]
    found = []
    for q, pid in enumerate(query_pids):
        ignored = [ignore is not None and bool(ignore[q][g]) for g in range(len(pids))]
        found.append(query_scores([float(d) for d in dist[q]], int(pid), pids, ignored, deduplicate))
    scores = [score for score in found if score is not None]
    if not scores:
        return None
    curve = [sum(first <= k for first, _, _ in scores) / len(scores) for k in range(1, max_rank + 1)]
    return curve, *(math.fsum(score[i] for score in scores) / len(scores) for i in (1, 2)), len(scores)


# --- galleries ---


def labels_of(path: str) -> Labels:
    """Labels of SYSU-MM01's ``cam3/0006/0001.jpg`` and LLCM's ``test_nir/cam4/0006/name.jpg``."""
    *side, camera, identity, _ = path.split("/")
    return Labels(side[0] if side else "", int(camera[3:]), int(identity))


def folder(paths: Iterable[str], side: str, camera: int, identity: int) -> list[str]:
    return sorted(path for path in paths if labels_of(path) == Labels(side, camera, identity))


def drawn(paths: Sequence[str], side: str, cameras: Sequence[int], trial: int) -> list[str]:
    """A gallery of AGW's code: one random image of each identity and camera."""
    state = random.getstate()
    random.seed(trial)
    gallery = []
    for identity in sorted({labels_of(path).identity for path in paths if labels_of(path).side == side}):
        for camera in cameras:
            files = folder(paths, side, camera, identity)
            if files:
                gallery.append(random.choice(sorted(files)))
    random.setstate(state)
    return gallery


def camera_3_ignores_2(query: str, gallery: str) -> bool:
    return labels_of(query).camera == 3 and labels_of(gallery).camera == 2


SYSU_MODES = (("all", (1, 2, 4, 5)), ("indoor", (1, 2)))


def sysu_official(paths: Sequence[str], permutations: Mapping[tuple[int, int], Any]) -> list[Line]:
    """``permutations``: by (camera, identity) a matrix of trials x images, entries from 1."""
    query = [path for path in paths if labels_of(path).camera in (3, 6)]
    identities = sorted({labels_of(path).identity for path in paths})
    lines = []
    for mode, cameras in SYSU_MODES:
        for shots in (1, 10):
            trials = []
            for t in range(10):
                gallery = []
                for camera in cameras:
                    for identity in identities:
                        files = folder(paths, "", camera, identity)
                        if files:
                            gallery += [files[k - 1] for k in list(permutations[camera, identity][t])[:shots]]
                trials.append((query, gallery))
            lines.append(Line((mode, shots, "infrared-to-visible", "official"), trials, True, camera_3_ignores_2))
    return lines


def sysu_agw(paths: Sequence[str]) -> list[Line]:
    query = [path for path in paths if labels_of(path).camera in (3, 6)]
    return [
        Line(
            (mode, 1, "infrared-to-visible", "agw"),
            [(query, drawn(paths, "", cameras, t)) for t in range(10)],
            True,
            camera_3_ignores_2,
        )
        for mode, cameras in SYSU_MODES
    ]


def regdb(paths: Sequence[str]) -> list[Line]:
    visible = [path for path in paths if path.startswith("Visible/")]
    thermal = [path for path in paths if path.startswith("Thermal/")]
    return [
        Line((None, None, "visible-to-infrared", None), [(visible, thermal)], False, nothing),
        Line((None, None, "infrared-to-visible", None), [(thermal, visible)], False, nothing),
    ]


LLCM_DIRECTIONS = (
    ("visible-to-infrared", "test_vis", "test_nir", (1, 2, 4, 5, 6, 7, 8, 9)),
    ("infrared-to-visible", "test_nir", "test_vis", (1, 2, 3, 4, 5, 6, 7, 8, 9)),
)


def same_person_and_camera(query: str, gallery: str) -> bool:
    a, b = labels_of(query), labels_of(gallery)
    return (a.identity, a.camera) == (b.identity, b.camera)


def llcm_agw(paths: Sequence[str]) -> list[Line]:
    lines = []
    for direction, query_side, gallery_side, cameras in LLCM_DIRECTIONS:
        query = [path for path in paths if labels_of(path).side == query_side]
        trials = [(query, drawn(paths, gallery_side, cameras, t)) for t in range(10)]
        lines.append(Line((None, None, direction, "agw"), trials, True, same_person_and_camera))
    return lines


def llcm_full(paths: Sequence[str]) -> list[Line]:
    sides = {side: [p for p in paths if labels_of(p).side == side] for side in ("test_vis", "test_nir")}
    return [
        Line((None, None, direction, "full"), [(sides[query], sides[gallery])], True, nothing)
        for direction, query, gallery, _ in LLCM_DIRECTIONS
    ]


# --- distances ---


def unit(features: Any) -> Any:
    wide = np.asarray(features, dtype=np.float64)
    return wide / np.sqrt((wide**2).sum(axis=1, keepdims=True))


def cosine_distance(query: Any, gallery: Any) -> Any:
    return 1 - unit(query) @ unit(gallery).T


def rerank(query: Any, gallery: Any, k1: int, k2: int, weight: float) -> Any:
    """Distances after k-reciprocal re-ranking (Zhong et al., CVPR 2017), query x gallery."""
    everything = unit(np.concatenate([query, gallery]))
    count, queries = len(everything), len(query)
    dist = ((everything[:, None] - everything[None]) ** 2).sum(axis=2)
    dist = dist / dist.max(axis=1, keepdims=True)
    # Itself first, then by distance.
    order = [sorted(range(count), key=lambda j, i=i: (j != i, dist[i, j])) for i in range(count)]

    def reciprocal(i: int, k: int) -> set[int]:
        return {j for j in order[i][: k + 1] if i in order[j][: k + 1]}

    described = np.zeros((count, count))
    for i in range(count):
        own = reciprocal(i, k1)
        expanded = set(own)
        for candidate in own:
            half = reciprocal(candidate, int(np.around(k1 / 2)))
            if 3 * len(own & half) > 2 * len(half):
                expanded |= half
        for j in expanded:
            described[i, j] = math.exp(-dist[i, j])
        described[i] /= described[i].sum()
    described = np.array([described[order[i][:k2]].mean(axis=0) for i in range(count)])
    result = np.empty((queries, count - queries))
    for q in range(queries):
        for g in range(queries, count):
            smaller, larger = (f(described[q], described[g]).sum() for f in (np.minimum, np.maximum))
            result[q, g - queries] = (1 - weight) * (1 - smaller / larger) + weight * dist[q, g]
    return result


def expanded(features: Any, times: int, k: int, alpha: float) -> Any:
    """Features after average query expansion: sums of the k nearest, weighted by their cosines to the alpha."""
    features = np.asarray(features, dtype=np.float64)
    for _ in range(times):
        cosine = unit(features) @ unit(features).T
        nearest = [sorted(range(len(features)), key=lambda j, i=i: -cosine[i, j])[:k] for i in range(len(features))]
        features = np.array(
            [sum(max(cosine[i, j], 0) ** alpha * features[j] for j in near) for i, near in enumerate(nearest)]
        )
    return features
