"""IDKL (CVPR 2024) for fast-reid. Importing it makes every component known to fast-reid's registries."""

import datasets_ext  # noqa: F401 - first: it makes fast-reid importable

from . import modeling
from .config import add_idkl_config

__all__ = ["add_idkl_config", "modeling"]
