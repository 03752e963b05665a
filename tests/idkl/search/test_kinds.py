"""The parameters of an index follow from the gallery's size, by the rule that the module documents."""

from __future__ import annotations

import numpy as np
import pytest

from datasets_ext import UserError
from idkl.search.kinds import Plan, plan_index, read_plan, train_index
from tests.idkl.search.made import unit


@pytest.mark.parametrize(
    ("kind", "entries", "dimensions", "plan"),
    [
        ("flat", 1, 1, Plan("flat", 0, 0, 0)),
        ("ivf", 156, 7, Plan("ivf", 4, 4, 0)),
        ("ivf", 10_000, 64, Plan("ivf", 256, 32, 0)),  # 10000 / 39
        ("ivf", 1_000_000, 64, Plan("ivf", 4000, 126, 0)),  # 4 sqrt(N)
        ("pq", 9984, 64, Plan("pq", 0, 0, 16)),
        ("pq", 9984, 2048, Plan("pq", 0, 0, 512)),
        ("ivfpq", 100_000, 90, Plan("ivfpq", 1265, 71, 18)),  # 22 does not divide 90
        ("ivfpq", 9984, 13, Plan("ivfpq", 256, 32, 1)),
    ],
)
def test_the_rule(kind: str, entries: int, dimensions: int, plan: Plan) -> None:
    assert plan_index(kind, entries, dimensions) == plan


@pytest.mark.parametrize(
    ("kind", "entries", "dimensions", "message"),
    [
        ("ivf", 155, 64, "kind ivf takes 156 entries or more to train, here are 155: choose kind flat"),
        ("pq", 9983, 64, "kind pq takes 9984 entries"),
        ("ivfpq", 9983, 64, "kind ivfpq takes 9984 entries"),
        ("pq", 9984, 17, "kind pq cannot split 17 dimensions into equal parts of 4 to 16: choose kind flat or ivf"),
        ("pq", 9984, 3, "cannot split 3 dimensions"),
        ("ivfpq", 9984, 34, "cannot split 34 dimensions"),  # 2 parts of 17
    ],
)
def test_what_cannot_be_trained_is_refused(kind: str, entries: int, dimensions: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan_index(kind, entries, dimensions)


def test_the_fewest_entries_train_without_a_warning(capfd: pytest.CaptureFixture[str]) -> None:
    vectors = unit(np.random.default_rng(0).standard_normal((9984, 4), dtype=np.float32))
    for kind, count in (("flat", 1), ("ivf", 156), ("pq", 9984)):
        plan = plan_index(kind, count, 4)
        index = train_index(plan, vectors[:count])
        assert read_plan(index) == plan and index.ntotal == count
    assert capfd.readouterr() == ("", "")
