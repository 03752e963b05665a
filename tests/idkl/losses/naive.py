"""The losses by loops over Python's floats, and features for them."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def features(rows: int, size: int, seed: int, dtype: torch.dtype = torch.float64, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(rows, size, generator=generator, dtype=torch.float64)).to(dtype)


def naive_softmax(row: list[float]) -> list[float]:
    top = max(row)
    exps = [math.exp(value - top) for value in row]
    return [value / sum(exps) for value in exps]


def naive_affinity(a: Tensor, b: Tensor) -> list[list[float]]:
    rows = []
    for x in a.tolist():
        rows.append(naive_softmax([math.dist(x, y) for y in b.tolist()]))
    return rows


def naive_kl(p: list[float], q: list[float]) -> float:
    return sum(pi * math.log(pi / qi) for pi, qi in zip(p, q, strict=True))


def naive_tgsa(a: Tensor, b: Tensor) -> list[float]:
    aa, bb, ab = naive_affinity(a, a), naive_affinity(b, b), naive_affinity(a, b)
    return [naive_kl(aa[i], bb[i]) + naive_kl(aa[i], ab[i]) + naive_kl(ab[i], bb[i]) for i in range(len(aa))]


def naive_logit_kl(p: Tensor, q: Tensor) -> list[float]:
    return [naive_kl(naive_softmax(x), naive_softmax(y)) for x, y in zip(p.tolist(), q.tolist(), strict=True)]


def softplus(x: float) -> float:
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


def naive_enhancing(enhanced: Tensor, plain: Tensor) -> float:
    def entropy(row: list[float]) -> float:
        return -sum(p * math.log(p) for p in naive_softmax(row))

    terms = [softplus(entropy(e) - entropy(p)) for e, p in zip(enhanced.tolist(), plain.tolist(), strict=True)]
    return sum(terms) / len(terms)


def naive_reducing(reduced: Tensor, normalized: Tensor, targets: list[int], modalities: list[int]) -> float:
    def distance(rows: list[list[float]], pid: int) -> float:
        centres = []
        for modality in (0, 1):
            own = [row for row, t, m in zip(rows, targets, modalities, strict=True) if t == pid and m == modality]
            centres.append([sum(column) / len(own) for column in zip(*own, strict=True)])
        return math.dist(*centres)

    pids = [pid for pid in set(targets) if {m for t, m in zip(targets, modalities, strict=True) if t == pid} == {0, 1}]
    terms = [softplus(distance(reduced.tolist(), pid) - distance(normalized.tolist(), pid)) for pid in pids]
    return sum(terms) / len(terms)
