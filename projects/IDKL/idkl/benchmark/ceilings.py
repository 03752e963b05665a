"""What a device can do at most, measured: matrix products in each precision, and copies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from fastreid.config import CfgNode

from ..device import synchronize

PRECISIONS = {"fp32": torch.float32, "TF32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_SIDES = {"cpu": (512, 1024, 2048), "cuda": (4096, 8192)}  # of the square matrices
_COPIED = {"cpu": 2**28, "cuda": 2**30}  # bytes
_CALLS = {"cpu": 1, "cuda": 10}  # between two looks at the clock: a GPU is told ahead what to do next
_SECONDS = 0.5  # of repeats at each size


@dataclass(frozen=True)
class Ceilings:
    """The best rates seen on a device."""

    matmul: dict[str, float]  # TFLOP/s of a product of two square matrices, by the name of the precision
    copy: float  # GB/s of copying a tensor, bytes read and bytes written together


def precision_of(cfg: CfgNode) -> str:
    """In which of :data:`PRECISIONS` ``cfg`` computes its convolutions."""
    if cfg.SOLVER.AMP.ENABLED:
        return {"float16": "fp16", "bfloat16": "bf16"}[cfg.SOLVER.AMP.DTYPE]
    return "TF32" if cfg.SOLVER.TF32 and cfg.MODEL.DEVICE.startswith("cuda") else "fp32"


def measure_ceilings(device: torch.device, precisions: Iterable[str]) -> Ceilings:
    """Measure products of large square matrices in each of ``precisions``, and copies, for a few seconds in all."""
    matmul = {name: max(_product_rates(device, name)) for name in dict.fromkeys(precisions)}
    source = torch.ones(_COPIED[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = _fastest(lambda: target.copy_(source), device)
    return Ceilings(matmul, 2 * source.nbytes / seconds / 1e9)


def format_ceilings(ceilings: Ceilings) -> str:
    """One line."""
    products = ", ".join(f"{name} {rate:.3g}" for name, rate in ceilings.matmul.items())
    return f"ceilings measured here: matrix products {products} TFLOP/s; copies {ceilings.copy:.3g} GB/s"


def _product_rates(device: torch.device, precision: str) -> Iterator[float]:
    """TFLOP/s at each size."""
    with _tf32(precision == "TF32"):
        for side in _SIDES[device.type]:
            # Random: on zeros a GPU draws less power and is quicker than on any real data.
            left, right = (torch.randn(side, side, device=device).to(PRECISIONS[precision]) for _ in range(2))
            out = torch.empty_like(left)
            yield 2 * side**3 / _fastest(_product(left, right, out), device) / 1e12


def _product(left: torch.Tensor, right: torch.Tensor, out: torch.Tensor) -> Callable[[], object]:
    return lambda: torch.mm(left, right, out=out)


@contextmanager
def _tf32(enabled: bool) -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = enabled
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _fastest(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of the quickest call; the first, which also sets things up, does not count."""
    calls = _CALLS[device.type]
    call()
    synchronize(device)
    fastest = float("inf")
    end = time.perf_counter() + _SECONDS
    while True:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        synchronize(device)
        now = time.perf_counter()
        fastest = min(fastest, (now - start) / calls)
        if now >= end:
            return fastest
