"""Every protocol and gallery rule from features to rows, plain and re-ranked, against slow loops in float64."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idkl.evaluation import PROTOCOLS, ReRanking, evaluate
from idkl.evaluation.results import METRICS, Row
from tests.idkl.evaluation import made, naive
from tests.idkl.evaluation.trials import measured, separated, separated_reranked, tied
from tests.permutations import make_cells, write_cells

# Protocol, gallery rule, paths of the test set, the same protocol as loops.
CASES = {
    "sysu-official": (
        "sysu",
        "official",
        made.sysu_paths(),
        lambda paths: naive.sysu_official(paths, made.sysu_permutations()),
    ),
    "sysu-agw": ("sysu", "agw", made.sysu_paths(), naive.sysu_agw),
    "regdb": ("regdb", None, made.regdb_paths(), naive.regdb),
    "llcm-agw": ("llcm", "agw", made.llcm_paths(), naive.llcm_agw),
    "llcm-full": ("llcm", "full", made.llcm_paths(), naive.llcm_full),
}
Case = tuple[str, str | None, list[str], Callable[[list[str]], list[naive.Line]]]


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def rows_of(case: Case, features: Any, root: Path, reranking: ReRanking | None = None) -> list[Row]:
    protocol, gallery, paths, _ = case
    write_cells(root, make_cells(made.SYSU, made.SYSU_IDENTITIES))
    images = made.images(paths)
    return evaluate(features, images, PROTOCOLS[protocol].settings(images, root, gallery), reranking)


def assert_same(row: Row, line: naive.Line, expected: tuple[Any, Any]) -> None:
    assert (row["mode"], row["shots"], row["direction"], row["gallery"]) == line.labels
    assert row["trials"] == len(line.trials)
    np.testing.assert_allclose([row[key] for key in METRICS], expected[0], rtol=0, atol=1e-9)
    np.testing.assert_allclose([row["std"][key] for key in METRICS], expected[1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("dimensions", [8, 16])
def test_plain(case: Case, dimensions: int, tmp_path: Path) -> None:
    _, _, paths, lines = case
    features = separated(len(paths), dimensions)
    rows = rows_of(case, features, tmp_path)
    for row, line in zip(rows, lines(paths), strict=True):
        assert not row["rerank"]
        assert_same(row, line, measured(features, paths, made.images(paths).pids, line))


def test_plain_with_ties_in_every_row(case: Case, tmp_path: Path) -> None:
    _, _, paths, lines = case
    features = tied(len(paths))
    for row, line in zip(rows_of(case, features, tmp_path), lines(paths), strict=True):
        assert_same(row, line, measured(features, paths, made.images(paths).pids, line))


@pytest.mark.parametrize("parameters", [(20, 6, 0.3), (5, 3, 0.5)])
def test_reranked(case: Case, parameters: tuple[int, int, float], tmp_path: Path) -> None:
    _, _, paths, lines = case
    features, expected = separated_reranked(paths, made.images(paths).pids, lines(paths), parameters)
    rows = rows_of(case, features, tmp_path, ReRanking(*parameters))
    assert [row["rerank"] for row in rows] == [False, True] * len(expected)
    assert rows[::2] == rows_of(case, features, tmp_path)
    for row, line, values in zip(rows[1::2], lines(paths), expected, strict=True):
        assert_same(row, line, values)


@given(seed=st.integers(0, 2**32 - 1), identities=st.integers(1, 4), most=st.integers(1, 12))
@settings(max_examples=15, deadline=None)
def test_sysu_of_any_size(seed: int, identities: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    counts = {(c, p): int(rng.integers(0, most + 1)) for c in range(1, 7) for p in range(1, identities + 1)}
    counts |= {(1, 1): 1, (6, 1): 1}  # so that some query has a match in every mode
    paths = made.sysu_paths(counts)
    features, images = tied(len(paths), seed), made.images(paths)
    cells = make_cells(counts, identities)
    permutations = {(c, p): cells[c - 1, 0][p - 1, 0] for c, p in counts}
    with tempfile.TemporaryDirectory() as folder:
        write_cells(Path(folder), cells)
        rules = [PROTOCOLS["sysu"].settings(images, Path(folder), gallery) for gallery in ("official", "agw")]
    for found, lines in zip(rules, (naive.sysu_official(paths, permutations), naive.sysu_agw(paths)), strict=True):
        for row, line in zip(evaluate(features, images, found), lines, strict=True):
            assert_same(row, line, measured(features, paths, images.pids, line))


@given(seed=st.integers(0, 2**32 - 1), people=st.integers(1, 6), most=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_regdb_of_any_size(seed: int, people: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    sides = [(side, p, k) for side in ("Visible", "Thermal") for p in range(people) for k in range(most)]
    paths = [f"{side}/{p}/{k}.bmp" for side, p, k in sides if p + k == 0 or rng.random() < 0.7]
    features, images = tied(len(paths), seed), made.images(paths)
    rows = evaluate(features, images, PROTOCOLS["regdb"].settings(images, None))
    for row, line in zip(rows, naive.regdb(paths), strict=True):
        assert_same(row, line, measured(features, paths, images.pids, line))
