"""Kinds of faiss indexes of unit vectors, and the rule that gives their parameters from the gallery's size.

flat keeps the vectors and compares with all of them. ivf sorts them into lists, each around a centroid of k-means, and
looks into the lists nearest to the query. pq keeps a short code of each vector, compared with all. ivfpq does both.

The rule, for N entries of D dimensions, follows "Guidelines to choose an index" and the "FAQ" of faiss's wiki
(https://github.com/facebookresearch/faiss/wiki):

* lists: 4 sqrt(N), but at most N / 39, since faiss asks for 39 entries to train a centroid;
* probes, the lists that a query looks into: 2 sqrt(lists) (our choice; tools/benchmark.py search shows what it costs);
* code bytes: the largest divisor of D that is at most D / 4, a byte (one of 256 centroids) for 4 dimensions or a few
  more, which is 16 times smaller than the vectors; D must have one that is at least D / 16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import faiss

from datasets_ext.errors import UserError

from .device import to_gpu

KINDS = ("flat", "ivf", "pq", "ivfpq")
SEED = 1

_A_CENTROID = 39  # entries: min_points_per_centroid of faiss's ClusteringParameters
_BITS = 8  # of the code of a part of a vector
_FEWEST_LISTS = 4


@dataclass(frozen=True)
class Plan:
    """A kind and its parameters; 0 where the kind has no such thing."""

    kind: str
    lists: int
    probes: int
    code_bytes: int


def plan_index(kind: str, entries: int, dimensions: int) -> Plan:
    """The parameters of an index of ``kind`` (one of :data:`KINDS`) by the rule above.

    Raises:
        UserError: too few entries to train it, or dimensions that cannot be split into codes.
    """
    inverted, coded = kind.startswith("ivf"), kind.endswith("pq")
    least = max(_FEWEST_LISTS * inverted, 2**_BITS * coded) * _A_CENTROID
    if entries < least:
        raise UserError(f"kind {kind} takes {least} entries or more to train, here are {entries}: choose kind flat")
    lists = min(round(4 * math.sqrt(entries)), entries // _A_CENTROID) if inverted else 0
    code_bytes = _code_bytes(kind, dimensions) if coded else 0
    return Plan(kind, lists, min(lists, round(2 * math.sqrt(lists))), code_bytes)


def _code_bytes(kind: str, dimensions: int) -> int:
    divisors = [n for n in range(1, dimensions // 4 + 1) if dimensions % n == 0]
    if not divisors or 16 * divisors[-1] < dimensions:
        raise UserError(
            f"kind {kind} cannot split {dimensions} dimensions into equal parts of 4 to 16: choose kind flat or ivf"
        )
    return divisors[-1]


def train_index(plan: Plan, vectors: Any, device: str = "cpu") -> Any:
    """A faiss index on the CPU that holds ``vectors`` float32 [N, D] of length 1.

    The training is seeded: the same vectors give the same index on the same machine with as many threads. The lists of
    an inverted index are found on ``device`` (see :func:`.device.to_gpu`).
    """
    index = _empty_index(plan, vectors.shape[1])
    if plan.lists:
        index.cp.seed = SEED
        index.nprobe = plan.probes
    if plan.code_bytes:
        index.pq.cp.seed = SEED
    gpu_index = to_gpu(index, device) if plan.lists else None
    trained = index if gpu_index is None else gpu_index
    trained.train(vectors)
    trained.add(vectors)
    return index if gpu_index is None else faiss.index_gpu_to_cpu(gpu_index)


def _empty_index(plan: Plan, dimensions: int) -> Any:
    metric = faiss.METRIC_INNER_PRODUCT
    if plan.kind == "flat":
        return faiss.IndexFlatIP(dimensions)
    if plan.kind == "pq":
        return faiss.IndexPQ(dimensions, plan.code_bytes, _BITS, metric)
    centroids = faiss.IndexFlatIP(dimensions)
    if plan.kind == "ivf":
        return faiss.IndexIVFFlat(centroids, dimensions, plan.lists, metric)
    return faiss.IndexIVFPQ(centroids, dimensions, plan.lists, plan.code_bytes, _BITS, metric)


def read_plan(index: Any) -> Plan | None:
    """What a faiss index was made by; None if it is of none of :data:`KINDS` or does not compare inner products."""
    classes = (faiss.IndexFlat, faiss.IndexIVFFlat, faiss.IndexPQ, faiss.IndexIVFPQ)
    kind = next((kind for kind, cls in zip(KINDS, classes, strict=True) if isinstance(index, cls)), None)
    if kind is None or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        return None
    lists, probes = (index.nlist, index.nprobe) if kind.startswith("ivf") else (0, 0)
    return Plan(kind, lists, probes, index.pq.M if kind.endswith("pq") else 0)
