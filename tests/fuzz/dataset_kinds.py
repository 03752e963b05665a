"""Split files, whole datasets, and the check of a dataset."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any

from datasets_ext.checks import check_dataset
from datasets_ext.checks.text import format_report, report_data
from datasets_ext.generated import generate_llcm, generate_regdb, generate_sysu
from datasets_ext.loaders import load_dataset
from datasets_ext.split_files import read_identities, read_image_list

from .kind import Kind

FOLDERS = {"SYSU_MM01": "SYSU-MM01", "RegDB": "RegDB", "LLCM": "LLCM"}


def dataset_kinds(folder: Path) -> list[Kind]:
    generate_sysu(folder / "SYSU-MM01", ids=4, images=1, seed=1)
    generate_regdb(folder / "RegDB", ids=4, images=1, seed=1)
    generate_llcm(folder / "LLCM", ids=4, images=1, seed=1)
    identities, images = folder / "own" / "test_id.txt", folder / "own" / "train_visible_1.txt"
    identities.parent.mkdir()
    identities.write_text("1,2,4,5,8,10,12,16,17,18\n")
    images.write_text("".join(f"Visible/{pid}/a {pid}.bmp {pid}\n" for pid in range(12)))
    kinds = [
        Kind("split file, identities", [identities], lambda: read_identities(identities), _says_identities),
        Kind("split file, images", [images], lambda: read_image_list(images), _says_images),
    ]
    for name, own in FOLDERS.items():
        root = folder / own
        lists = [path for path in root.rglob("*.txt") if not re.search(r"_([2-9]|10)\.txt$", path.name)]
        kinds.append(Kind(f"dataset {name}", lists, _loaded(folder, name), _all_there))
        checked = [*root.rglob("*.txt"), *root.rglob("*.mat"), *sorted(root.rglob("*.[jb][pm][gp]"))[:4]]
        kinds.append(
            Kind(f"check_dataset {name}", [*checked, root / "generated.json"], _checked(root, name), _is_report)
        )
    return kinds


def _says_identities(value: set[int], path: Path) -> bool:
    """An identity a number, commas between them: a changed digit is another identity, and nobody can tell."""
    text = path.read_text(encoding="utf-8-sig").strip().strip(",")
    return re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)*", text, re.ASCII) is not None and value == {
        int(number) for number in re.findall(r"\d+", text)
    }


def _says_images(value: list[tuple[str, int]], path: Path) -> bool:
    """A path and a label a line, no path twice."""
    lines = [line.split() for line in path.read_text(encoding="utf-8-sig").split("\n") if line.split()]
    found = [(" ".join(words[:-1]), int(words[-1])) for words in lines]
    read = [(" ".join(name.split()), label) for name, label in value]
    return len({name for name, _ in read}) == len(read) and read == [
        (" ".join(PureWindowsPath(name).as_posix().split()), label) for name, label in found
    ]


def _loaded(folder: Path, name: str) -> Callable[[], Any]:
    def read() -> Any:
        os.environ["FASTREID_DATASETS"] = str(folder)
        data = load_dataset(name)
        return [[(*record, record.modality) for record in side] for side in (data.train, data.query, data.gallery)]

    return read


def _all_there(value: Any, path: Path) -> bool:
    """Other identities or labels, but every image is there, has a person's folder, and none is on both sides."""
    train, query, gallery = ({record[0] for record in side} for side in value)
    return all(os.path.isfile(image) for image in train | query | gallery) and not train & (query | gallery)


def _checked(root: Path, name: str) -> Callable[[], Any]:
    def read() -> Any:
        report = check_dataset(name, root)
        assert format_report(report) and report.exit_status in (0, 1)
        return json.loads(json.dumps(report_data(report)))

    return read


def _is_report(value: Any, path: Path) -> bool:
    """What differs is in the report."""
    return bool(value["findings"])
