"""What tests of the programs share."""

from __future__ import annotations

import pytest

from idkl.benchmark import ceilings


@pytest.fixture
def quick_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ceilings of small matrices and copies, measured once each."""
    monkeypatch.setattr(ceilings, "_SECONDS", 0.0)
    monkeypatch.setitem(ceilings._SIDES, "cpu", (64,))
    monkeypatch.setitem(ceilings._COPIED, "cpu", 2**16)
