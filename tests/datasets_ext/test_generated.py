"""Generated people: what is on disk, that it is reproducible, and what each modality shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datasets_ext.errors import UserError
from datasets_ext.generated import CueStrength, generate_sysu
from datasets_ext.generated.sysu import cameras_of, gallery_permutations, split_ids
from datasets_ext.generated.work import Parameters
from tools.generate_dataset import main

IDS, IMAGES, SEED = 10, 2, 5
INFRARED = (3, 6)
REPOSITORY = Path(__file__).parents[2]


def arguments(root: Path, **changes: object) -> list[str]:
    values = {"layout": "sysu", "root": root, "ids": IDS, "images": IMAGES, "seed": SEED, "workers": 1} | changes
    return [text for name, value in values.items() for text in (f"--{name}", str(value))]


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def pictures(root: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(root).items() if name.endswith(".jpg")}


def ids_in(root: Path, name: str) -> list[int]:
    return [int(pid) for pid in (root / "exp" / f"{name}_id.txt").read_text().strip().split(",")]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "deep" / "SYSU-MM01"
    main(arguments(folder))
    return folder


def test_layout_has_the_images_of_every_identity(root: Path) -> None:
    expected = {
        f"cam{camera}/{pid:04d}/{index:04d}.jpg"
        for pid in range(1, IDS + 1)
        for camera in cameras_of(pid, IMAGES, SEED)
        for index in range(1, IMAGES + 1)
    }
    assert set(pictures(root)) == expected
    others = {"exp/train_id.txt", "exp/val_id.txt", "exp/test_id.txt", "exp/rand_perm_cam.mat", "generated.json"}
    assert set(contents(root)) - expected == others


def test_lists_split_the_identities_in_halves(root: Path) -> None:
    train, val, test = (ids_in(root, name) for name in ("train", "val", "test"))
    assert sorted(train + val + test) == list(range(1, IDS + 1))
    assert len(test) == IDS // 2
    assert len(val) >= 1 and len(train) > len(val)
    assert all((root / "exp" / f"{name}_id.txt").read_text().count("\n") == 1 for name in ("train", "val", "test"))


@given(st.integers(4, 300), st.integers(0, 2**31 - 1))
@settings(max_examples=40, deadline=None)
def test_split_is_a_partition_for_any_number_of_identities(ids: int, seed: int) -> None:
    parts = split_ids(ids, seed)
    assert sorted(pid for part in parts.values() for pid in part) == list(range(1, ids + 1))
    assert len(parts["test"]) == ids // 2
    assert len(parts["train"]) >= len(parts["val"]) >= 1


@given(st.integers(1, 9999), st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_every_identity_keeps_two_images_of_both_modalities(pid: int, images: int, seed: int) -> None:
    cameras = cameras_of(pid, images, seed)
    infrared = [camera for camera in cameras if camera in INFRARED]
    assert len(infrared) * images >= 2
    assert len(cameras) - len(infrared) >= 3


def test_cameras_are_left_out_now_and_then() -> None:
    missing = [6 - len(cameras_of(pid, 4, SEED)) for pid in range(1, 401)]
    assert 0.25 < np.mean(missing) < 0.55


def test_permutation_file_has_the_structure_of_the_official_one(root: Path) -> None:
    cells = scipy.io.loadmat(root / "exp" / "rand_perm_cam.mat")["rand_perm_cam"]
    assert cells.shape == (6, 1)
    empty = 0
    for camera in range(1, 7):
        column = cells[camera - 1, 0]
        assert column.shape == (IDS, 1)
        for pid in range(1, IDS + 1):
            count = len(list((root / f"cam{camera}" / f"{pid:04d}").glob("*.jpg")))
            table = column[pid - 1, 0]
            assert table.dtype == np.uint8
            assert table.shape == (10, count)
            assert all(sorted(row) == list(range(1, count + 1)) for row in table)
            empty += count == 0
    assert empty > 0


def test_permutations_differ_between_trials() -> None:
    cells = gallery_permutations(Parameters("sysu", 4, 300, 0, CueStrength()))
    table = next(cells[camera, 0][0, 0] for camera in range(6) if cells[camera, 0][0, 0].size)
    assert table.max() == 300
    assert len({tuple(row) for row in table}) == 10


def test_same_bytes_whatever_the_number_of_processes(root: Path, tmp_path: Path) -> None:
    main(arguments(tmp_path / "three", workers=3))
    assert contents(root) == contents(tmp_path / "three")


def test_other_seed_draws_other_people(root: Path, tmp_path: Path) -> None:
    main(arguments(tmp_path / "other", seed=SEED + 1, ids=4))
    first, second = pictures(root), pictures(tmp_path / "other")
    common = first.keys() & second.keys()
    assert len(common) > 20
    assert all(first[name] != second[name] for name in common)


def test_infrared_images_are_gray_and_visible_ones_are_not(root: Path) -> None:
    spread = {True: [], False: []}
    for name in pictures(root):
        pixels = np.asarray(Image.open(root / name)).astype(int)
        assert pixels.ndim == 3
        assert 105 <= pixels.shape[0] <= 155 and 44 <= pixels.shape[1] <= 70
        spread[int(name[3]) in INFRARED].append(np.ptp(pixels, axis=2).mean())
    assert max(spread[True]) == 0
    assert min(spread[False]) > 5


def test_parameters_are_recorded(root: Path) -> None:
    record = json.loads((root / "generated.json").read_text())
    assert record.pop("generator_version") >= 1
    cues = {"shared": 1.0, "color": 1.0, "infrared": 1.0}
    assert record == {"layout": "sysu", "ids": IDS, "images": IMAGES, "seed": SEED, "cues": cues}


def test_running_again_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    main(arguments(root))
    assert "already generated" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_an_interrupted_generation_is_done_again(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "broken"

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("datasets_ext.generated.sysu.write_lists", fail)
        with pytest.raises(UserError, match=r"broken.*No space left on device"):
            main(arguments(folder))
    assert not (folder / "generated.json").exists()
    (folder / "cam1" / "0001" / "0001.jpg").write_bytes(b"half a file")
    with pytest.raises(UserError, match="other parameters"):
        main(arguments(folder, seed=SEED + 1))
    main(arguments(folder))
    assert contents(folder) == contents(root)


def test_other_parameters_are_refused(root: Path) -> None:
    before = contents(root)
    with pytest.raises(UserError, match=f"{root}.*other parameters"):
        main(arguments(root, seed=SEED + 1))
    with pytest.raises(UserError, match="other parameters"):
        generate_sysu(root, IDS, IMAGES, SEED, cues=CueStrength(color=0.5))
    assert contents(root) == before


def test_a_folder_of_somebody_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="not empty") as caught:
        main(arguments(tmp_path))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert contents(tmp_path) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": 3}, "--ids is 3"),
        ({"ids": 10000}, "--ids is 10000"),
        ({"images": 0}, "--images is 0"),
        ({"seed": -1}, "--seed is -1"),
        ({"workers": 0}, "--workers is 0"),
    ],
)
def test_values_out_of_range_are_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        main(arguments(tmp_path / "new", **changes))
    assert not (tmp_path / "new").exists()


def test_root_below_or_at_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="not a folder"):
        main(arguments(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot write"):
        main(arguments(tmp_path / "file" / "below"))


def test_unknown_layout_ends_with_status_2(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments(tmp_path / "new", layout="market"))
    assert caught.value.code == 2


def test_the_program_reports_a_mistake_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "tools/generate_dataset.py", *arguments(tmp_path / "new", ids=3)]
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": path}, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: --ids is 3") and done.stderr.count("\n") == 1
