"""The state of a checkout: commit, branch and what was changed since."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from idkl.engine.provenance.checkout import git_state


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    package = tmp_path / "repository" / "code" / "package"
    package.mkdir(parents=True)
    for name in ("__init__.py", "other.py"):
        (package / name).write_text("")
    (package.parent / ".gitignore").write_text("ignored.py\n.venv/\n")
    git(package, "init", "-q", "-b", "trunk", str(tmp_path / "repository"))
    git(package, "add", str(package.parent))
    git(package, "commit", "-qm", "one")
    return package


def test_a_clean_checkout(package: Path) -> None:
    (package / "ignored.py").write_text("")
    (package / "notes.txt").write_text("not code, such as a run's files")
    assert git_state(package) == {
        "commit": git(package, "rev-parse", "HEAD"),
        "branch": "trunk",
        "dirty": False,
        "changed": [],
        "changes_sha256": None,
    }


def test_changes_are_named_and_hashed(package: Path) -> None:
    (package / "other.py").write_text("x = 1\n")
    (package / "new file.py").write_text("")
    state = git_state(package)
    assert state is not None and state["dirty"]
    assert state["changed"] == ["code/package/new file.py", "code/package/other.py"]
    git(package, "add", str(package / "other.py"))  # staged or not is the same code
    assert git_state(package) == state
    (package / "other.py").write_text("x = 2\n")
    again = git_state(package)
    assert again is not None and again["changed"] == state["changed"]
    assert again["changes_sha256"] != state["changes_sha256"]
    (package / "other.py").unlink()
    gone = git_state(package)
    assert gone is not None and gone["changed"] == state["changed"]


def test_no_branch(package: Path) -> None:
    git(package, "checkout", "-q", "--detach")
    state = git_state(package)
    assert state is not None and state["branch"] is None and len(state["commit"]) == 40


def test_an_installed_package_has_no_state_even_inside_a_checkout(package: Path, tmp_path: Path) -> None:
    installed = package.parent / ".venv" / "package"
    for folder in (installed, tmp_path / "elsewhere"):
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        assert git_state(folder) is None


def test_without_git(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git_state(package) is None
