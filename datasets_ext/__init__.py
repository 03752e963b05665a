"""Visible-infrared data for fast-reid: datasets, sampler, loaders, generated data.

Importing this package makes ``fastreid`` importable on a current Python and torch, and registers the datasets.
"""

from .compat import import_fastreid

import_fastreid()

from . import llcm, regdb, sampler, sysu_mm01  # noqa: E402, F401 - importing a component registers it
from .config import add_cross_modality_config  # noqa: E402
from .errors import UserError  # noqa: E402
from .records import INFRARED, VISIBLE, ImageRecord  # noqa: E402

__all__ = ["INFRARED", "VISIBLE", "ImageRecord", "UserError", "add_cross_modality_config"]
