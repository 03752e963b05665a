"""The state of a git checkout that code is run from."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

from datasets_ext.fingerprint import file_sha256


def git_state(package: Path) -> dict[str, Any] | None:
    """Commit, branch and changes of the checkout that a package's folder belongs to.

    Returns:
        ``commit``; ``branch``, None when no branch is checked out; ``changed``, sorted names relative to the checkout:
        the tracked files that differ from the commit, and the Python files that it does not have and git does not
        ignore; ``dirty``, whether there are any; ``changes_sha256``, a hash over their names and contents, so that two
        dirty checkouts can be compared, or None. None for all when the package is installed (git does not track it,
        even where it lies inside a checkout), or when git is not there or refuses to tell.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    top = _git(package, "rev-parse", "--show-toplevel")
    commit = _git(package, "rev-parse", "--verify", "HEAD")
    if not top or not commit:
        return None
    root = Path(top.rstrip("\n"))
    changed = _git(root, "diff", "HEAD", "--name-only", "--no-renames", "-z")
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", "*.py")
    names = sorted({name for text in (changed, new) if text for name in text.split("\0") if name})
    branch = _git(root, "symbolic-ref", "--quiet", "--short", "HEAD")
    return {
        "commit": commit.strip(),
        "branch": branch.strip() if branch else None,
        "dirty": bool(names),
        "changed": names,
        "changes_sha256": _hash(root, names) if names else None,
    }


def _hash(root: Path, names: list[str]) -> str:
    """SHA-256 over files' names and contents; a file that is gone, or is none, counts by its name."""
    lines = (f"{name}\0{file_sha256(root / name) if (root / name).is_file() else ''}\n" for name in names)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _git(folder: Path, *words: str) -> str | None:
    """What git prints; None when it fails or is not installed."""
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *words], capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.decode("utf-8", "surrogateescape")
