"""Every figure from a run folder, and one line for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastreid.config import CfgNode
from PIL import Image

from datasets_ext import UserError
from tests.runs import untrained_run
from tools.visualize import FIGURES, main


@pytest.fixture
def run(cfg: CfgNode, datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))
    return untrained_run(tmp_path / "run", cfg)


def draw(figure: str, output: Path, *words: object) -> None:
    main([figure, "--output", str(output), *map(str, words)])


def test_every_figure(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name for path in run.iterdir()}
    small = {"ranks": ("--queries", 1, "--top", 2), "cam": ("--count", 1, "--features", "shared")}
    for figure in FIGURES:
        draw(figure, tmp_path / f"{figure}.png", "--run", run, *small.get(figure, ()))
        assert capsys.readouterr().out.splitlines()[-1] == f"{tmp_path / figure}.png: {figure} of {run}"
        with Image.open(tmp_path / f"{figure}.png") as picture:
            assert min(picture.size) > 300 and len(picture.convert("L").getcolors(256)) > 10
    assert {path.name for path in run.iterdir()} == before
    draw("curves", tmp_path / "curves.pdf", "--run", run, run)
    assert (tmp_path / "curves.pdf").read_bytes().startswith(b"%PDF")


def test_overrides_come_last_and_setting_and_seed_choose(run: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    words = ("--run", run, "--queries", 1, "--top", 1, "--setting")
    draw("ranks", one, *words, 1)
    draw("ranks", two, *words, 2, "TEST.GALLERY", "agw")
    assert one.read_bytes() != two.read_bytes()


def test_mistakes_are_one_line(run: Path, tmp_path: Path) -> None:
    for figure, output, words, message in (
        ("ranks", "a.gif", ("--run", run), r"--output .*a\.gif does not end in \.png or \.pdf"),
        ("ranks", "a.png", ("--run", run, run), "ranks shows one model, but --run gives 2"),
        ("ranks", "a.png", ("--run", run, "--setting", 5), "--setting 5: the protocol has settings 1 to 4"),
        ("ranks", "a.png", ("--run", run, "--queries", 0), "--queries 0: give 1 or more"),
        ("cam", "a.png", ("--run", run, run), "cam shows one model"),
        ("tsne", "a.png", ("--run", tmp_path / "none"), "none is missing"),
        ("cmc", "run/config.yaml/a.png", ("--run", run), "cannot write"),
        ("curves", "a.png", ("--run", run, "SEED", 1), "curves are read from files, where SEED means nothing"),
        ("curves", "a.png", ("--run", tmp_path), r"metrics\.json is missing"),
    ):
        with pytest.raises(UserError, match=message) as error:
            draw(figure, tmp_path / output, *words)
        assert len(str(error.value).splitlines()) == 1 and not list(tmp_path.glob("*.png"))
