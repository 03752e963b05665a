"""Metrics, protocols and the fast-reid evaluator that runs them."""

from . import llcm, regdb, sysu  # noqa: F401 - importing a protocol registers it
from .evaluate import evaluate
from .evaluator import CrossModalityEvaluator
from .expansion import QueryExpansion
from .images import Images
from .metrics import RankMetrics, rank_metrics
from .protocol import PROTOCOLS, Protocol, Setting, Trial
from .rerank import ReRanking

__all__ = [
    "PROTOCOLS",
    "CrossModalityEvaluator",
    "Images",
    "Protocol",
    "QueryExpansion",
    "RankMetrics",
    "ReRanking",
    "Setting",
    "Trial",
    "evaluate",
    "rank_metrics",
]
