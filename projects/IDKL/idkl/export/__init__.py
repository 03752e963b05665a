"""A checkpoint as a file that runs without this project: ONNX, or torch's own exported program."""

from .checkpoint import Exported, export_checkpoint
from .formats import FORMATS
from .latency import format_latencies

__all__ = ["FORMATS", "Exported", "export_checkpoint", "format_latencies"]
