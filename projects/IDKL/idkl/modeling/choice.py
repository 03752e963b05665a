"""A component by the name that a config key gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from datasets_ext.errors import UserError

T = TypeVar("T")


def chosen(key: str, name: str, known: Mapping[str, T]) -> T:
    """What ``known`` has under ``name``; :class:`UserError` says what ``key`` may be where there is none."""
    if name not in known:
        raise UserError(f"{key} {name} is unknown: choose from {', '.join(known)}")
    return known[name]
