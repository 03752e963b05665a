"""What lets fast-reid import on Python >= 3.10 and torch >= 2.0, without touching its installed files.

``fastreid/data/build.py`` and ``fastreid/evaluation/testing.py`` take ``Mapping`` from :mod:`collections`, where Python
3.10 no longer has it, and the PyPI release takes ``string_classes`` from ``torch._six``, which torch 2.0 removed. Both
names are used as globals of those modules, so they only have to exist while the modules are imported.
"""

from __future__ import annotations

import collections
import importlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import cast

from .errors import UserError

_PACKAGES = ("fastreid.data", "fastreid.evaluation", "fastreid.engine")


def import_fastreid() -> None:
    """Import ``fastreid.data``, ``.evaluation`` and ``.engine``; afterwards ``import fastreid...`` works anywhere.

    The first fastreid on ``sys.path`` is taken: the PyPI release 1.4.0 or a source checkout put first on
    ``PYTHONPATH``. Calling it again does nothing. Neither a GPU nor CUDA's libraries are needed.

    fast-reid reads the environment variable ``FASTREID_DATASETS`` in this very import (``fastreid.data.build._root``),
    so a later change of the variable has no effect on its own loaders.

    Raises:
        UserError: fastreid, or a package that it imports, is missing or does not load.
    """
    try:
        with _removed_names(), _no_cython_advice():
            for package in _PACKAGES:
                importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise UserError(_how_to_install(error.name or str(error))) from error
    except ImportError as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"fastreid does not import ({reason}): run `make setup` for versions that fit") from error


def _how_to_install(module: str) -> str:
    """One line for the missing ``module`` (dotted name)."""
    package = module.partition(".")[0]
    if package == "fastreid":
        return f"{module} is not installed: run `make setup`, or `pip install --no-deps fastreid==1.4.0`"
    return f"{package}, which fastreid needs, is not installed: run `make setup`, or `pip install -r requirements.txt`"


@contextmanager
def _removed_names() -> Iterator[None]:
    """Provide ``collections.Mapping`` and the module ``torch._six`` inside the block.

    A name that somebody else provides already is left as it is, before and after.
    """
    add_mapping = not hasattr(collections, "Mapping")
    add_six = "torch._six" not in sys.modules
    if add_mapping:
        collections.Mapping = Mapping  # type: ignore[attr-defined]
    if add_six:
        six = ModuleType("torch._six")
        six.string_classes = (str, bytes)  # type: ignore[attr-defined]
        sys.modules["torch._six"] = six
    try:
        yield
    finally:
        if add_mapping:
            del collections.Mapping  # type: ignore[attr-defined]
        if add_six:
            del sys.modules["torch._six"]


@contextmanager
def _no_cython_advice() -> Iterator[None]:
    """Leave out, inside the block only, fast-reid's advice to compile its Cython ranking: this project does not use it.

    ``warnings.catch_warnings`` would also drop the filters that scipy sets while it is imported here.
    """
    filters = cast("list[object]", warnings.filters)
    warnings.filterwarnings("ignore", message="Cython (rank|roc) evaluation", category=UserWarning)
    advice = filters[0]
    try:
        yield
    finally:
        filters.remove(advice)
