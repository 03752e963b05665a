"""Building and searching an index from the command line, and one line for every mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest

from datasets_ext import UserError
from idkl.evaluation.features import write_features
from idkl.evaluation.images import Images
from tests.idkl.search.made import images, naive_search, unit
from tests.idkl.search.standin import stand_in
from tests.small import REPOSITORY
from tools.search import main


def call(*words: object) -> None:
    main([str(word) for word in words])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with features of 200 gallery and 3 query images and an index of the gallery."""
    monkeypatch.chdir(tmp_path)
    features = np.random.default_rng(0).standard_normal((203, 8), dtype=np.float32)
    write_features(tmp_path / "gallery.npz", features[:200], images(200))
    write_features(tmp_path / "query.npz", features[200:], images(3, "cam3"))
    write_features(tmp_path / "narrow.npz", features[:3, :4], images(3))
    write_features(tmp_path / "zero.npz", features * (np.arange(203) != 7)[:, None], images(203))
    write_features(tmp_path / "none.npz", features[:0], images(0))
    call("build", "--features", "gallery.npz", "--index", "index")
    return tmp_path


def test_json_is_brute_force(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("query", "--index", "index", "--features", "query.npz", "--top", 7, "--json")
    rows = json.loads(capsys.readouterr().out)
    vectors = unit(np.random.default_rng(0).standard_normal((203, 8), dtype=np.float32))
    shown, expected = images(200), []
    for query in range(3):
        for rank, (row, cosine) in enumerate(zip(*naive_search(vectors[:200], vectors[200 + query], 7), strict=True)):
            labels = {"pid": shown.pids[row], "camid": shown.camids[row], "cosine": pytest.approx(cosine, abs=2e-6)}
            expected.append({"query": f"cam3/{query:06d}.jpg", "rank": 1 + rank, "gallery": shown.paths[row], **labels})
    assert rows == expected


def test_the_table_has_the_same_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("query", "--index", "index", "--features", "query.npz")
    call(*words, "--json")
    rows = json.loads(capsys.readouterr().out)
    call(*words)
    head, _, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["query", "rank", "gallery", "pid", "cosine"] and len(lines) == 30
    for row, line in zip(rows, lines, strict=True):
        assert line.split() == [*(str(row[key]) for key in ("query", "rank", "gallery", "pid")), f"{row['cosine']:.4f}"]


def test_another_kind_replaces_the_index(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("build", "--features", "gallery.npz", "--index", "index", "--kind", "ivf")
    assert capsys.readouterr() == ("index: 200 entries of 8 dimensions, kind ivf\n", "")
    assert json.loads((folder / "index" / "index.json").read_text())["kind"] == "ivf"
    assert len(os.listdir(folder / "index")) == 3
    call("query", "--index", "index", "--features", "gallery.npz", "--top", 1)
    lines = capsys.readouterr().out.splitlines()[-200:]
    assert all(line.split()[0] == line.split()[2] and line.endswith("1.0000") for line in lines)


def test_a_path_that_is_no_text_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nameless = Images(["a\udc80.jpg"], np.array([1]), np.array([2]))
    write_features(folder / "nameless.npz", np.ones((1, 8), dtype=np.float32), nameless)
    call("build", "--features", "nameless.npz", "--index", "other")
    call("query", "--index", "other", "--features", "nameless.npz", "--top", 1)
    expected = [r"a\udc80.jpg", "1", r"a\udc80.jpg", "1", "1.0000"]
    assert capsys.readouterr().out.splitlines()[-1].split() == expected


def test_a_database_gives_what_a_folder_gives(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    call("build", "--features", "gallery.npz", "--uri", "gallery.db")
    assert capsys.readouterr() == ("gallery.db: 200 entries of 8 dimensions, kind flat\n", "")
    answers = []
    for place in (("--index", "index"), ("--uri", "gallery.db", "--collection", "gallery")):
        call("query", *place, "--features", "query.npz", "--top", 7, "--json")
        answers.append(json.loads(capsys.readouterr().out))
    for ours, theirs in zip(*answers, strict=True):
        assert ours == {**theirs, "cosine": pytest.approx(theirs["cosine"], abs=2e-6)}


@pytest.mark.parametrize("place", [(), ("--index", "index", "--uri", "gallery.db")])
def test_there_is_one_place(place: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        call("query", "--features", "query.npz", *place)
    assert "--index" in capsys.readouterr().err.splitlines()[-1]


QUERY, BUILD = ("query", "--index", "index", "--features"), ("build", "--index", "new", "--features")
ASK = ("query", "--uri", "a.db", "--features", "query.npz")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*QUERY, "missing.npz"), "features file missing.npz is missing"),
        ((*QUERY, "narrow.npz"), "queries of 4 dimensions in an index of 8: give one model's"),
        ((*QUERY, "query.npz", "--top", "201"), "--top 201: the index has 200 entries; give 1 to 200"),
        ((*QUERY, "query.npz", "--top", "0"), "--top 0: the index has 200 entries"),
        ((*QUERY, "zero.npz"), "zero.npz: 1 of 203 feature rows are zero"),
        ((*QUERY, "none.npz"), "none.npz: features are float32[0, 8]"),
        (("query", "--index", "new", "--features", "query.npz"), "new is no index: index.json cannot be read"),
        (("query", "--index", "query.npz", "--features", "query.npz"), "query.npz is no index"),
        ((*BUILD, "missing.npz"), "features file missing.npz is missing"),
        ((*BUILD, "none.npz"), "none.npz: features are float32[0, 8]"),
        ((*BUILD, "zero.npz"), "zero.npz: 1 of 203 feature rows are zero, not finite"),
        ((*BUILD, "zero.npz"), "(first: row 7, cam1/000007.jpg)"),
        ((*BUILD, "narrow.npz", "--kind", "ivf"), "kind ivf takes 156 entries or more to train, here are 3"),
        ((*BUILD, "gallery.npz", "--kind", "pq"), "kind pq takes 9984 entries or more to train, here are 200"),
        (("build", "--index", ".", "--features", "gallery.npz"), "holds 'gallery.npz', which is no part of an index"),
        (("build", "--index", "query.npz", "--features", "gallery.npz"), "cannot write query.npz/index.json"),
        ((*QUERY, "query.npz", "--device", "cuda"), "--device cuda: faiss sees no GPU on this machine"),
        ((*BUILD, "gallery.npz", "--device", "cuda"), "--device cuda: faiss sees no GPU on this machine"),
        ((*QUERY, "query.npz", "--collection", "a"), "--collection goes with --uri: leave it out with --index"),
        ((*ASK, "--device", "cpu"), "--device goes with --index: with --uri the database computes, leave it out"),
        ((*ASK, "--collection", "a b"), "--collection a b: take letters, digits and _"),
        (ASK, "a.db is missing: build it with tools/search.py build"),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    before = sorted(folder.rglob("*"))
    with pytest.raises(UserError) as error:
        main(list(words))
    assert message in str(error.value) and len(str(error.value).splitlines()) == 1
    assert sorted(folder.rglob("*")) == before


def test_the_program_itself(tmp_path: Path) -> None:
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "projects" / "IDKL"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(REPOSITORY / "tools" / "search.py"), "query", "--index", str(tmp_path)]
    wrong = subprocess.run(
        [*command, "--features", "none.npz"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("error: features file none.npz is missing") and "Traceback" not in wrong.stderr
