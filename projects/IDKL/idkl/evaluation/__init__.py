"""Metrics, protocols and the fast-reid evaluator that runs them."""

from . import sysu  # noqa: F401 - importing a protocol registers it
from .evaluator import CrossModalityEvaluator
from .metrics import RankMetrics, rank_metrics
from .protocol import PROTOCOLS, Setting, Trial, evaluate

__all__ = ["PROTOCOLS", "CrossModalityEvaluator", "RankMetrics", "Setting", "Trial", "evaluate", "rank_metrics"]
