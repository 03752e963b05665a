"""What a sweep trains: configs over values of some keys, checked before the first run starts."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import yaml
from fastreid.config import CfgNode, get_cfg

from datasets_ext.errors import UserError

from ..config import add_idkl_config
from .setup import load_config, merge_config

LONGEST_NAME = 40  # letters of a value in the name of a folder
CONFIG = "CONFIG"  # stands among the swept keys where several config files are compared; its values are their names


@dataclass(frozen=True)
class Run:
    """One training of a sweep."""

    values: dict[str, Any]  # of the swept keys, as the config holds them
    folder: Path
    config_file: str
    words: list[str]  # what follows the flags on the command line of ``tools/train_net.py``
    config: dict[str, Any]  # every key with its value, before device and seed are decided


@dataclass(frozen=True)
class Sweep:
    """Every run of one sweep."""

    folder: Path
    config_files: list[str]
    keys: list[str]
    config: dict[str, Any]  # as :attr:`Run.config`, without the swept keys; empty where configs are compared
    device: str  # what MODEL.DEVICE came to
    runs: list[Run]


def split_overrides(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part a command line where its overrides begin: at the first config key that follows neither ``--over`` nor
    ``--between``.

    A word is taken as a key when it is one of fast-reid's or ours, or has the form ``ABC.DEF``; no value does.

    Raises:
        UserError: a flag stands among the overrides.
    """
    cfg = get_cfg()
    add_idkl_config(cfg)
    simple = {key for key, value in cfg.items() if not isinstance(value, CfgNode)}
    starts = (
        index
        for index, word in enumerate(words)
        if (word in simple or re.fullmatch(r"[A-Z][A-Z0-9_]*(\.[A-Z0-9_]+)+", word))
        and words[index - 1] not in ("--over", "--between")
    )
    start = next(starts, len(words))
    flags, overrides = list(words[:start]), list(words[start:])
    if late := [word for word in overrides if word.startswith("--")]:
        raise UserError(f"{late[0]} stands among the overrides: put it before {overrides[0]}")
    return flags, overrides


def plan_sweep(config_files: Sequence[str], over: Sequence[Sequence[str]], overrides: list[str]) -> Sweep:
    """Every combination of the values, each with a config that is complete and checked.

    Args:
        config_files: one as for ``tools/train_net.py``, or several to compare, each over all values.
        over: for each swept key the key and its values; ``1-10`` stands for the numbers 1 to 10.
        overrides: KEY VALUE KEY VALUE ... for all runs; ``OUTPUT_DIR`` names the sweep's folder.

    Raises:
        UserError: a key or value is wrong, or said twice.
    """
    swept = [words[0] for words in over]
    _check_keys(swept, overrides)
    names = _config_names(config_files, overrides)
    base = flatten(merge_config(config_files[0], overrides))
    folder = Path(base["OUTPUT_DIR"])
    runs: list[Run] = []
    device = ""
    for file, *texts in itertools.product(config_files, *(_expand(words[0], words[1:]) for words in over)):
        words = [*overrides, *itertools.chain(*zip(swept, texts, strict=True))]
        config = merge_config(file, words)
        values = {key: _plain(reduce(operator.getitem, key.split("."), config)) for key in swept}
        values = ({CONFIG: names[file]} if len(names) > 1 else {}) | values
        if values in [run.values for run in runs]:
            raise UserError(f"--over gives {_say(values)} twice: leave one out")
        run_folder = folder / _folder_name(values)
        words += ["OUTPUT_DIR", str(run_folder)]
        device = load_config(argparse.Namespace(config_file=file, opts=words, resume=False)).MODEL.DEVICE
        runs.append(Run(values, run_folder, file, words, flatten(config)))
    kept = {key: value for key, value in base.items() if key not in swept} if len(names) == 1 else {}
    return Sweep(folder, list(config_files), list(runs[0].values), kept, device, runs)


def flatten(cfg: CfgNode) -> dict[str, Any]:
    """Every key of a config with its value, as its YAML text gives them back."""
    return dict(flatten_nested(yaml.safe_load(cfg.dump())))


def flatten_nested(nested: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """``{"A": {"B": 1}}`` as ``[("A.B", 1)]``."""
    pairs: list[tuple[str, Any]] = []
    for key, value in nested.items():
        pairs += flatten_nested(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return pairs


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each key, with as many parts before it as tell the keys apart."""
    names = {}
    for key in keys:
        parts = key.split(".")
        tails = [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]
        others = [f".{other}" for other in keys if other != key]
        names[key] = next((tail for tail in tails if not any(o.endswith(f".{tail}") for o in others)), key)
    return names


def _config_names(files: Sequence[str], overrides: list[str]) -> dict[str, str]:
    """A name for each config file: the file's own, without its ending."""
    names = {file: Path(file).stem for file in files}
    if len(set(names.values())) < len(files):
        raise UserError(f"--config-file {' '.join(files)}: two of them have one name; rename one or leave it out")
    if len(files) > 1 and "OUTPUT_DIR" not in overrides[::2]:
        raise UserError("several --config-file need one folder: add OUTPUT_DIR and its name to the overrides")
    return names


def _folder_name(values: dict[str, Any]) -> str:
    short = short_names(list(values))
    return "_".join(f"{short[key]}-{_name(value)}" for key, value in values.items())


def _check_keys(keys: list[str], overrides: list[str]) -> None:
    for key in keys:
        if key == "OUTPUT_DIR":
            raise UserError("--over OUTPUT_DIR: every run gets a folder of its own in the one OUTPUT_DIR")
        if keys.count(key) > 1:
            raise UserError(f"--over {key} is given twice: put all its values behind one")
        if key in overrides[::2]:
            raise UserError(f"{key} is given by --over and as an override: leave one out")


def _expand(key: str, words: Sequence[str]) -> list[str]:
    if not words:
        raise UserError(f"--over {key} has no values: give one or more")
    values: list[str] = []
    for word in words:
        if numbers := re.fullmatch(r"(\d+)-(\d+)", word):
            first, last = map(int, numbers.groups())
            if first > last:
                raise UserError(f"--over {key} {word} counts down: write {last}-{first}")
            values += map(str, range(first, last + 1))
        else:
            values.append(word)
    return values


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _say(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _name(value: Any) -> str:
    """A value in the name of a folder; a checksum stands behind one that loses something there."""
    text = str(value).removesuffix(".0")
    name = re.sub(r"[^A-Za-z0-9.+-]+", "-", text).strip("-.")[:LONGEST_NAME]
    if name == text:
        return name
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
