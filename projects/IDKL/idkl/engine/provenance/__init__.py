"""Where results come from: ``provenance.json``, and what differs between two runs."""

from .comparison import compare_runs, format_differences
from .differences import Difference, differences
from .file import PROVENANCE, begin_session, keep_alone, keep_results, read_sessions
from .session import evaluation_session, features_session, training_session

__all__ = [
    "PROVENANCE",
    "Difference",
    "begin_session",
    "compare_runs",
    "differences",
    "evaluation_session",
    "features_session",
    "format_differences",
    "keep_alone",
    "keep_results",
    "read_sessions",
    "training_session",
]
