"""Pictures: what cannot be drawn says why, and the others are there."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.figure import Figure

from datasets_ext import UserError
from idkl.report import pictures


class _Named:
    name = "demo"


def test_a_missing_package_takes_only_its_own_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> Figure:
        raise UserError("cam needs the package grad-cam: pip install grad-cam")

    for name in ("tsne_figure", "distance_figure", "cmc_figure"):
        monkeypatch.setattr(pictures, name, lambda models: Figure(figsize=(2, 1)))
    monkeypatch.setattr(pictures, "cam_figure", missing)
    model: Any = (None, _Named())
    *drawn, heat = pictures.draw_pictures([model])
    assert heat.uri is None and heat.missing == "Not drawn: cam needs the package grad-cam: pip install grad-cam."
    assert len(drawn) == 3 and all(picture.uri and picture.missing == "" for picture in drawn)
    assert [picture.width for picture in drawn] == [2 * pictures.DPI] * 3
    assert [p.title for p in pictures.draw_pictures([model, model])].count(f"{heat.title}: demo") == 2
