"""The figures of the paper's tables 1 to 4, in percent, and which of our rows each stands beside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Published:
    """One row of the paper's."""

    name: str
    figures: dict[str, float]
    labels: dict[str, Any]  # of the result row that it stands beside
    values: dict[str, Any] = field(default_factory=dict)  # of a sweep's keys


def _sysu(mode: str, shots: int, *figures: float) -> Published:
    metrics = dict(zip(("Rank-1", "Rank-10", "Rank-20", "mAP"), figures, strict=True))
    return Published(f"{mode}, {shots}-shot", metrics, {"mode": mode, "shots": shots})


def _direction(direction: str, *figures: float) -> Published:
    return Published(direction, dict(zip(("Rank-1", "mAP"), figures, strict=True)), {"direction": direction})


def _row(config: str, *figures: float) -> Published:
    metrics = dict(zip(("Rank-1", "mAP"), figures, strict=True))
    return Published(config, metrics, {"mode": "all", "shots": 1}, {"CONFIG": config})


PUBLISHED = {
    "table1": (
        _sysu("all", 1, 81.42, 97.38, 98.89, 79.85),
        _sysu("all", 10, 84.34, 98.89, 99.73, 78.22),
        _sysu("indoor", 1, 87.14, 98.28, 99.26, 89.37),
        _sysu("indoor", 10, 94.30, 99.71, 99.93, 88.75),
    ),
    "table2": (_direction("visible-to-infrared", 94.72, 90.19), _direction("infrared-to-visible", 94.22, 90.43)),
    "table3": (_direction("visible-to-infrared", 72.22, 66.43), _direction("infrared-to-visible", 70.72, 65.19)),
    "table4": (
        _row("row1_base", 67.60, 66.47),
        _row("row2_tgsa", 68.38, 67.30),
        _row("row3_ip_tgsa", 76.40, 74.83),
        _row("row4_ip_csa", 76.28, 74.34),
        _row("row5_ip_mdr", 77.04, 75.66),
        _row("row6_idkl", 81.42, 79.85),
    ),
}
