"""Features of any method from the command line: every protocol, and one line for every mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from datasets_ext import UserError
from datasets_ext.fingerprint import file_sha256
from idkl.engine.provenance import read_sessions
from idkl.evaluation import PROTOCOLS, ReRanking, evaluate
from idkl.evaluation.features import FeatureFile, read_features, write_features
from idkl.evaluation.images import Images
from idkl.evaluation.results import format_table, read_results
from tests.idkl.evaluation import made
from tests.permutations import make_cells, write_cells
from tests.small import REPOSITORY
from tools.evaluate_features import main

PATHS = {"sysu": made.sysu_paths(), "regdb": made.regdb_paths(), "llcm": made.llcm_paths()}
EVERY = [(name, gallery) for name, protocol in PROTOCOLS.items() for gallery in protocol.galleries]


def write(folder: Path, protocol: str, order_seed: int = 0) -> Path:
    images = made.images(PATHS[protocol])
    features = np.random.default_rng(0).standard_normal((len(images.paths), 12), dtype=np.float32)
    order = np.random.default_rng(order_seed).permutation(len(features))
    shuffled = Images([images.paths[row] for row in order], images.pids[order], images.camids[order])
    write_features(folder / "a.npz", features[order], shuffled)
    return folder / "a.npz"


def call(*words: object) -> None:
    main([str(word) for word in words])


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    """A folder with SYSU-MM01's permutations, of no use to the others."""
    write_cells(tmp_path, make_cells(made.SYSU, made.SYSU_IDENTITIES))
    return tmp_path


def test_every_protocol_has_paths_here() -> None:
    assert set(PATHS) == set(PROTOCOLS)


@pytest.mark.parametrize(("protocol", "gallery"), EVERY)
def test_rows_are_the_protocols(
    protocol: str, gallery: str | None, splits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "out.json"
    words = ["--protocol", protocol, "--features", write(tmp_path, protocol), "--split-dir", splits]
    words += ["--gallery", gallery] * (gallery is not None)
    call(*words, "--output", output)
    file = read_features(tmp_path / "a.npz")
    settings = PROTOCOLS[protocol].settings(file.images, splits, gallery)
    rows = evaluate(file.features, file.images, settings)
    assert read_results(output) == rows and len(rows) == len(settings)
    assert {(row["protocol"], row["gallery"], row["rerank"]) for row in rows} == {(protocol, gallery, False)}
    assert capsys.readouterr() == (format_table(rows) + "\n", "")
    (session,) = read_sessions(output.with_name("out.provenance.json"))
    assert session["features"] == {"a.npz": file_sha256(tmp_path / "a.npz")}
    assert session["results"] == {"out.json": {"sha256": file_sha256(output)}}
    (used,) = session["protocol"].values()
    assert (used["gallery"], bool(used["files"])) == (gallery, gallery == "official")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_order_of_the_rows_does_not_matter(protocol: str, splits: Path, tmp_path: Path) -> None:
    results = []
    for seed in range(3):
        words = ["--protocol", protocol, "--features", write(tmp_path, protocol, seed), "--split-dir", splits]
        call(*words, "--output", tmp_path / "out.json")
        results.append((tmp_path / "out.json").read_bytes())
    assert results[0] == results[1] == results[2]


def test_reranked_rows_stand_beside_the_plain_ones(tmp_path: Path) -> None:
    path, output = write(tmp_path, "regdb"), tmp_path / "out.json"
    file = read_features(path)
    settings = PROTOCOLS["regdb"].settings(file.images, None)
    for words, reranking in (
        ((), ReRanking()),
        (("--k1", 4, "--k2", 2, "--lambda", 0.5), ReRanking(4, 2, 0.5)),
        (("--k2", 1), ReRanking(k2=1)),
    ):
        call("--protocol", "regdb", "--features", path, "--rerank", *words, "--output", output)
        assert read_results(output) == evaluate(file.features, file.images, settings, reranking)
        assert [row["rerank"] for row in read_results(output)] == [False, True] * 2


@pytest.mark.parametrize(("protocol", "gallery"), [("sysu", "agw"), ("regdb", None), ("llcm", "agw"), ("llcm", "full")])
def test_only_the_permutations_need_a_folder(
    protocol: str, gallery: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, protocol)
    (tmp_path / "test_id.txt").write_text("99999")  # the working folder is not searched
    monkeypatch.chdir(tmp_path)
    output = tmp_path / "out.json"
    call(
        *("--protocol", protocol, "--features", path, "--output", output), *(["--gallery", gallery] if gallery else [])
    )
    assert len(read_results(output)) == 2


def test_files_of_sysu_mm01s_authors(splits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = read_features(write(tmp_path, "sysu"))
    for camera in range(1, 7):
        cells = np.empty((1, 10), dtype=object)
        for pid in range(1, 11):
            rows = (file.images.camids == camera) & (file.images.pids == pid)
            cells[0, pid - 1] = file.features[rows] if pid != 10 else np.ones((2, 12))  # 10 is for training
        scipy.io.savemat(tmp_path / f"deep_cam{camera}.mat", {"feature": cells})
    (splits / "exp" / "test_id.txt").write_text("2,4,9")
    outputs = [tmp_path / f"{number}.json" for number in range(2)]
    for features, output in zip(("a.npz", "deep"), outputs, strict=True):
        words = ["--protocol", "sysu", "--features", tmp_path / features, "--split-dir", splits]
        call(*words, "--output", output)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    note = f"note: 1 identities of {tmp_path / 'deep'} are not for testing and left out\n"
    assert capsys.readouterr().err == note


def test_a_full_disk_does_not_take_the_table_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = write(tmp_path, "regdb")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(UserError, match="cannot write .*No space left on device"):
        call("--protocol", "regdb", "--features", path, "--output", tmp_path / "out.json")
    assert capsys.readouterr().out.startswith("protocol regdb") and os.listdir(tmp_path) == ["a.npz"]


NOWHERE = ("--features", "none.npz")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--protocol", "sysu", *NOWHERE), "rand_perm_cam.mat is needed: add --split-dir with the folder that holds"),
        (("--protocol", "sysu", *NOWHERE, "--split-dir", "exp"), "features file none.npz is missing"),
        (("--protocol", "regdb", *NOWHERE), "features file none.npz is missing"),
        (("--protocol", "regdb", *NOWHERE, "--split-dir", "no"), "--split-dir no is not a folder: give the dataset's"),
        (("--protocol", "sysu", *NOWHERE, "--gallery", "full"), "protocol sysu has no gallery full: choose from offic"),
        (("--protocol", "regdb", *NOWHERE, "--gallery", "agw"), "protocol regdb has no gallery agw: it has one"),
        (
            ("--protocol", "llcm", *NOWHERE, "--k1", "9", "--lambda", "0"),
            "--k1, --lambda without --rerank does nothing",
        ),
        (("--protocol", "llcm", *NOWHERE, "--rerank", "--lambda", "2"), "re-ranking with k1 20, k2 6, lambda 2.0"),
        (("--protocol", "llcm", *NOWHERE, "--output", "exp"), "cannot write exp: it is there and is not a file"),
        (("--protocol", "llcm", *NOWHERE, "--output", "a.npz/b"), "cannot write a.npz/b: "),
        (("--protocol", "llcm", "--features", "a.npz"), "path 0, 'cam1/0002/0001.jpg', is not like test_vis/cam1"),
        (
            ("--protocol", "sysu", "--features", "a.npz", "--split-dir", "empty"),
            "empty/exp/rand_perm_cam.mat is missing",
        ),
        (
            ("--protocol", "sysu", "--features", "zero.npz", "--gallery", "agw"),
            "feature rows are zero, not finite",
        ),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...], message: str, splits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file: FeatureFile = read_features(write(splits, "sysu"))
    write_features(splits / "zero.npz", file.features * (np.arange(len(file.features)) != 5)[:, None], file.images)
    (splits / "empty").mkdir()
    before = sorted(splits.rglob("*"))
    monkeypatch.chdir(splits)
    with pytest.raises(UserError) as error:
        main(list(words))
    assert message in str(error.value) and len(str(error.value).splitlines()) == 1
    assert sorted(splits.rglob("*")) == before


def test_the_program_itself(tmp_path: Path) -> None:
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "projects" / "IDKL"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(REPOSITORY / "tools" / "evaluate_features.py"), "--protocol", "llcm"]
    wrong = subprocess.run(
        [*command, "--features", str(tmp_path / "none.npz")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.splitlines()[-1].startswith("error: features file") and "Traceback" not in wrong.stderr
