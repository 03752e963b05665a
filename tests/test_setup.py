"""Set-up: the pins, the Makefile, and the set-up program against an environment whose Python is a stand-in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools.config.pyprojecttoml import read_configuration

REPOSITORY = Path(__file__).resolve().parents[1]
MACHINES = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def requirements(name: str, python: str, machine: tuple[str, str]) -> dict[str, Requirement]:
    """The requirements of the file ``name`` that apply to a Python and a (sys_platform, machine), by package."""
    environment = {str(key): str(value) for key, value in default_environment().items()}
    environment |= {"python_version": python, "sys_platform": machine[0], "platform_machine": machine[1]}
    found: dict[str, Requirement] = {}
    for line in (REPOSITORY / name).read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text and ((item := Requirement(text)).marker is None or item.marker.evaluate(environment)):
            assert canonicalize_name(item.name) not in found, f"{item.name} twice on Python {python}"
            found[canonicalize_name(item.name)] = item
    return found


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_has_one_pin_within_its_range(python: str, machine: tuple[str, str]) -> None:
    ranges = requirements("requirements.txt", python, machine)
    pins = requirements("requirements/pinned.txt", python, machine)
    pins_of_tools = requirements("requirements/dev.txt", python, machine)
    assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in (*pins.values(), *pins_of_tools.values()))
    assert not pins.keys() & pins_of_tools.keys()
    for name, wanted in ranges.items():
        assert wanted.specifier.contains(str(pins[name].specifier).removeprefix("==")), name
    assert ("faiss-gpu" in ranges) == (machine == ("linux", "x86_64")) and ("faiss-cpu" in ranges) != (
        "faiss-gpu" in ranges
    )


def test_fastreid_is_pinned_apart_from_what_pip_resolves() -> None:
    assert str(requirements("requirements/fastreid.txt", "3.11", MACHINES[0])["fastreid"]) == "fastreid==1.4.0"
    assert "fastreid" not in requirements("requirements.txt", "3.11", MACHINES[0])


def test_every_folder_with_code_is_a_package_so_that_the_wheel_has_it() -> None:
    roots = (REPOSITORY / "datasets_ext", REPOSITORY / "projects" / "IDKL" / "idkl")
    folders = {file.parent for root in roots for file in root.rglob("*.py")}
    assert folders >= set(roots)
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_the_wheel_has_the_files_that_are_not_code() -> None:
    data = read_configuration(REPOSITORY / "pyproject.toml")["tool"]["setuptools"]["package-data"]
    package = REPOSITORY / "projects" / "IDKL" / "idkl"
    others = {file for file in package.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")}
    folders = {name: package.parent.joinpath(*name.split(".")) for name in data}
    kept = {file for name, patterns in data.items() for pattern in patterns for file in folders[name].glob(pattern)}
    assert len(others) > 5 and others == kept


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make in the repository, with a ``PYTHON`` only if one is given here."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(
        ["make", *arguments], cwd=REPOSITORY, env=kept | environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("target", ["demo", "test", "lint"])
def test_every_target_sets_up_first(target: str) -> None:
    lines = make("-n", target).stdout.splitlines()
    set_up = next(i for i, line in enumerate(lines) if "tools/setup_env.py" in line)
    assert all(".venv/bin/python" not in line for line in lines[:set_up])
    assert any(".venv/bin/python" in line for line in lines[set_up:])


def test_help_lists_the_targets_and_is_the_default() -> None:
    listed = make("help").stdout
    assert [line.split()[1] for line in listed.splitlines()] == ["help", "setup", "demo", "test", "lint", "clean"]
    assert make().stdout == listed


def test_ci_runs_lint_and_test_and_is_executable() -> None:
    script = REPOSITORY / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.findall(r"^make .*?(\w+)$", script.read_text(encoding="utf-8"), re.MULTILINE) == ["lint", "test"]


def test_an_interpreter_that_does_not_exist_is_one_readable_line() -> None:
    done = make("setup", PYTHON="/nonexistent/python3")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode != 0 and len(lines) == 1
    assert lines[0].startswith("error: no Python at '/nonexistent/python3'")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone's set-up files, with a finished environment of other requirements whose Python is a shell script.

    The script writes its arguments to ``calls.txt``, prints ``says.txt`` and ends with the status in ``status.txt``.
    """
    for name in ("tools/setup_env.py", "pyproject.toml", "requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    shutil.copytree(REPOSITORY / "requirements", tmp_path / "requirements")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@" >> calls.txt\ncat says.txt\nexit $(cat status.txt)\n', encoding="utf-8")
    python.chmod(0o755)
    answer(tmp_path, "Successfully installed everything\n", 0)
    stamp = f'{{"folder": "{tmp_path}", "inputs": "earlier", "python": "3.10.1"}}'
    (tmp_path / ".venv" / "set-up.json").write_text(stamp, encoding="utf-8")
    return tmp_path


def answer(clone: Path, text: str, status: int) -> None:
    """What the stand-in prints, and the status it ends with."""
    (clone / "says.txt").write_text(text, encoding="utf-8")
    (clone / "status.txt").write_text(str(status), encoding="utf-8")


def set_up(clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up program of ``clone``."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    command = [sys.executable, "tools/setup_env.py"]
    return subprocess.run(command, cwd=clone, env=kept | environment, capture_output=True, text=True, timeout=60)


def test_changed_requirements_are_installed_in_place_and_a_second_run_does_nothing(clone: Path) -> None:
    first = set_up(clone)
    assert first.returncode == 0, first.stderr
    assert re.fullmatch(r"(\[ +\d+ s\] .+\n){5}", first.stdout)
    calls = (clone / "calls.txt").read_text(encoding="utf-8").splitlines()
    assert [call.partition("install ")[2].split(" ", 2)[2] for call in calls[:3]] == [
        "-r requirements/pinned.txt -r requirements/dev.txt",
        "--no-deps -r requirements/fastreid.txt",
        "--no-deps --no-build-isolation --editable .",
    ]
    assert len(calls) == 4 and "import torch" in calls[3]
    second = set_up(clone)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert len((clone / "calls.txt").read_text(encoding="utf-8").splitlines()) == 4
    with (clone / "requirements" / "dev.txt").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert "set-up is complete" in set_up(clone).stdout


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device\n", "the disk is full"),
        ("WARNING: NewConnectionError(...)\nERROR: No matching distribution found for x\n", "cannot be reached"),
        ("Collecting x\nERROR: No matching distribution found for x==9\nNotice: a new pip\n", "found for x==9; "),
        ("", "it printed nothing"),
    ],
)
def test_a_failing_step_is_one_line_that_names_the_log(clone: Path, printed: str, reason: str) -> None:
    answer(clone, printed, 1)
    done = set_up(clone)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: installing the pinned versions") and reason in done.stderr
    assert ".venv-setup.log" in done.stderr
    assert printed in (clone / ".venv-setup.log").read_text(encoding="utf-8")
    assert len((clone / "calls.txt").read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.parametrize("cause", ["unfinished", "moved", "broken", "other Python"])
def test_an_environment_that_cannot_stay_is_made_again(clone: Path, cause: str) -> None:
    stamp = clone / ".venv" / "set-up.json"
    if cause == "unfinished":
        answer(clone, "", 1)
        assert set_up(clone).returncode == 1
        assert stamp.read_text(encoding="utf-8") == ""
    elif cause == "moved":
        stamp.write_text(stamp.read_text(encoding="utf-8").replace(str(clone), "/elsewhere"), encoding="utf-8")
    elif cause == "broken":
        (clone / ".venv" / "bin" / "python").unlink()
    # A stand-in for the module venv ends the set-up right after the old environment is gone.
    (clone / "stand-in").mkdir()
    (clone / "stand-in" / "venv.py").write_text("raise SystemExit('ensurepip is not available')", encoding="utf-8")
    chosen = {"PYTHON": sys.executable} if cause == "other Python" else {}
    done = set_up(clone, PYTHONPATH=str(clone / "stand-in"), **chosen)
    assert "removing the present .venv" in done.stdout and "creating .venv with Python" in done.stdout
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "this Python lacks venv: install it" in done.stderr
    assert [path.name for path in (clone / ".venv").iterdir()] == ["set-up.json"]
    assert stamp.read_text(encoding="utf-8") == ""


def test_an_environment_of_somebody_else_is_not_deleted(clone: Path) -> None:
    (clone / ".venv" / "set-up.json").unlink()
    done = set_up(clone)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "was not made by `make setup`" in done.stderr
    assert (clone / ".venv" / "bin" / "python").exists()
