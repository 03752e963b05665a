"""What a record says of programs and machine, and what it keeps to itself."""

from __future__ import annotations

import shutil
import sys
from importlib import metadata
from pathlib import Path

import fastreid
import numpy
import pytest
import torch

from idkl.engine.provenance.software import checkouts, command_line, device_state, versions, without_home
from tests.small import REPOSITORY


def test_versions_are_those_in_use() -> None:
    found = versions()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert (found["torch"], found["cuda"]) == (torch.__version__, torch.version.cuda)
    assert found["numpy"] == numpy.__version__ and found["cudnn"] == torch.backends.cudnn.version()
    assert all(found[name] for name in ("torchvision", "scipy", "pillow", "faiss", "fastreid"))


def test_a_source_checkout_of_fast_reid_is_told_from_an_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = metadata.distribution("fastreid")
    place = Path(str(installed.locate_file("fastreid/__init__.py")))
    monkeypatch.setattr(fastreid, "__file__", str(place))
    assert versions()["fastreid"] == installed.version
    assert checkouts()["fastreid"] == {"source_checkout": False, "git": None}
    (tmp_path / "fastreid").mkdir()
    copy = shutil.copy(place, tmp_path / "fastreid")
    monkeypatch.setattr(fastreid, "__file__", str(copy))
    assert versions()["fastreid"] == fastreid.__version__
    assert checkouts()["fastreid"] == {"source_checkout": True, "git": None}


def test_the_device() -> None:
    state = device_state("cpu")
    assert str(state["name"]).endswith(" CPU") and state["threads"] == torch.get_num_threads()
    assert state["instructions"] == torch.backends.cpu.get_cpu_capability()


def test_the_command_is_quoted_and_names_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    program = str(REPOSITORY / "tools" / "train_net.py")
    words = ["OUTPUT_DIR", "/home/someone/a run", "MODEL.WEIGHTS", "/data/x.pth", "SOLVER.STEPS", "[1,2]"]
    monkeypatch.setattr(sys, "argv", [program, *words])
    assert command_line() == (
        "python tools/train_net.py OUTPUT_DIR '~/a run' MODEL.WEIGHTS /data/x.pth SOLVER.STEPS '[1,2]'"
    )
    monkeypatch.setattr(sys, "argv", ["/home/someone/code/own.py"])
    assert command_line() == "python own.py"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/someone/x", "~/x"),
        ("/home/someone", "~"),
        ("/home/someone-else/x", "/home/someone-else/x"),
        ("/mnt/home/someone/x", "/mnt/home/someone/x"),
        ("--output=/home/someone/x", "--output=~/x"),
        ("logs/x", "logs/x"),
    ],
)
def test_the_home_folder(text: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone/")
    assert without_home(text) == expected
    monkeypatch.setenv("HOME", "/")
    assert without_home(text) == text
