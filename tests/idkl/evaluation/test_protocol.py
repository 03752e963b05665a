"""The table of protocols and the choice of a gallery rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasets_ext.errors import UserError
from idkl.evaluation import PROTOCOLS
from idkl.evaluation.protocol import protocol_of
from tests.idkl.evaluation import made

PATHS = {"sysu": made.sysu_paths(), "regdb": made.regdb_paths(), "llcm": made.llcm_paths()}


def test_protocols_and_their_galleries_default_first() -> None:
    assert {name: list(protocol.galleries) for name, protocol in PROTOCOLS.items()} == {
        "sysu": ["official", "agw"],
        "regdb": [None],
        "llcm": ["agw", "full"],
    }


@pytest.mark.parametrize(("dataset", "name"), [("SYSU_MM01", "sysu"), ("RegDB", "regdb"), ("LLCM", "llcm")])
def test_a_dataset_has_its_protocol(dataset: str, name: str) -> None:
    assert protocol_of(dataset) is PROTOCOLS[name]
    assert PROTOCOLS[name].name == name and PROTOCOLS[name].dataset == dataset


def test_a_dataset_without_a_protocol_is_named() -> None:
    with pytest.raises(UserError, match="dataset Market1501 has no protocol: .*LLCM.*RegDB.*SYSU_MM01"):
        protocol_of("Market1501")


def test_the_default_gallery_is_the_first() -> None:
    for protocol in PROTOCOLS.values():
        assert protocol.builder(None) is next(iter(protocol.galleries.values()))
    assert PROTOCOLS["llcm"].builder("full") is PROTOCOLS["llcm"].galleries["full"]


@pytest.mark.parametrize(
    ("name", "gallery", "message"),
    [
        ("sysu", "full", "^protocol sysu has no gallery full: choose from official, agw$"),
        ("llcm", "official", "^protocol llcm has no gallery official: choose from agw, full$"),
        ("regdb", "agw", "^protocol regdb has no gallery agw: it has one gallery only, leave the name out$"),
    ],
)
def test_an_unknown_gallery_is_refused(name: str, gallery: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        PROTOCOLS[name].settings(made.images(PATHS[name]), tmp_path, gallery)


def test_settings_are_those_of_the_rule(tmp_path: Path) -> None:
    images = made.images(PATHS["llcm"])
    assert [s.gallery for s in PROTOCOLS["llcm"].settings(images, tmp_path)] == ["agw", "agw"]
    assert [s.gallery for s in PROTOCOLS["llcm"].settings(images, tmp_path, "full")] == ["full", "full"]


@pytest.mark.parametrize(("name", "gallery"), [("sysu", "agw"), ("regdb", None), ("llcm", "agw"), ("llcm", "full")])
def test_trials_have_every_row_at_most_once(name: str, gallery: str | None, tmp_path: Path) -> None:
    for setting in PROTOCOLS[name].settings(made.images(PATHS[name]), tmp_path, gallery):
        assert setting.protocol == name and setting.gallery == gallery
        for trial in setting.trials:
            assert len(set(trial.query)) == len(trial.query) > 0
            assert len(set(trial.gallery)) == len(trial.gallery) > 0
            assert not set(trial.query) & set(trial.gallery)
