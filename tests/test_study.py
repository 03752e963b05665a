"""The study's page: its tables are those of its runs, its settings are configs, its commands can be typed."""

from __future__ import annotations

import json
import re
import runpy
import shlex

import numpy as np
import pytest

from idkl.engine.setup import merge_config
from idkl.engine.sweep_plan import flatten, split_overrides
from tests.small import CONFIGS, REPOSITORY

PROJECT = CONFIGS.parent
PAGE = (PROJECT / "README.md").read_text(encoding="utf-8")
STUDY = json.loads((PROJECT / "study" / "results.json").read_text(encoding="utf-8"))
COMMANDS = re.findall(r"python (\S+\.py(?:[^\n`\\]|\\\n)*)", PAGE[PAGE.index("## Reproduce") :].replace("\\\n", " "))


def test_the_tables_are_those_of_the_runs() -> None:
    printed = runpy.run_path(str(PROJECT / "study" / "table.py"))["tables"](STUDY)
    assert len(printed) == len(STUDY["groups"]) >= 2 and all(table in PAGE for table in printed)
    group = STUDY["groups"][0]["settings"]
    change = [group["row4_ip_csa"][seed]["mAP"] - group["row1_base"][seed]["mAP"] for seed in ("1", "2", "3")]
    (line,) = [line for line in printed[0].splitlines() if line.startswith("| row4_ip_csa ")]
    assert f"{np.mean(change):+.2f}±{np.std(change):.2f}" in line


@pytest.mark.parametrize("group", STUDY["groups"], ids=lambda group: group["title"])
def test_what_is_claimed_has_three_seeds(group: dict[str, dict[str, dict[str, float]]]) -> None:
    for name in ("row1_base", "row6_idkl", "csa_detached"):
        assert set(group["settings"][name]) == {"1", "2", "3"}


def test_the_settings_are_configs() -> None:
    quick, sysu = (flatten(merge_config(str(CONFIGS / f"{name}.yml"), [])) for name in ("quick", "sysu"))
    for name in ("shared_only", "row1_base", "row2_tgsa", "row3_ip_tgsa", "row4_ip_csa", "row5_ip_mdr", "row6_idkl"):
        run = flatten(merge_config(str(CONFIGS / "quick.yml"), shlex.split(STUDY["overrides"][name])))
        config = flatten(merge_config(str(CONFIGS / "ablation" / f"{name}.yml"), []))
        own = {key for key in config if config[key] != sysu[key]} - {"OUTPUT_DIR"}
        assert own == {key for key in run if run[key] != quick[key]} and all(run[key] == config[key] for key in own)


def test_commands() -> None:
    assert len(COMMANDS) >= 10
    for command in COMMANDS:
        program, *words = shlex.split(command.replace("$DATA", "data"))
        parser = runpy.run_path(str(REPOSITORY / program)).get("_parser")
        if parser is not None:  # training has fast-reid's
            flags, overrides = split_overrides(words)
            parser().parse_args(flags)
            merge_config("", overrides)


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", PAGE)
    assert len(targets) >= 8 and [target for target in targets if not (PROJECT / target).exists()] == []
