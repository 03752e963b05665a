"""fast-reid's import on a current stack, each case in an interpreter of its own (one import takes about 5 s)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]

# compat.py is loaded under a package of its own, so that `datasets_ext/__init__.py`, which calls it, does not run.
PREAMBLE = f"""
import collections, json, sys, types, warnings
package = types.ModuleType("parts")
package.__path__ = [{str(REPOSITORY / "datasets_ext")!r}]
sys.modules["parts"] = package
from parts.compat import import_fastreid
from parts.errors import UserError

def attempt():
    try:
        import_fastreid()
    except UserError as error:
        return str(error)
    return None

def traces():
    found = []
    if hasattr(collections, "Mapping"):
        found.append("collections.Mapping")
    if "torch._six" in sys.modules or hasattr(sys.modules.get("torch"), "_six"):
        found.append("torch._six")
    if any("Cython" in str(entry) for entry in warnings.filters):
        found.append("filter")
    return found

report = {{}}
"""

WORKS = """
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    report["error"] = attempt()
report["advice"] = [str(w.message) for w in caught if "Cython" in str(w.message)]
report["traces"] = traces()
before = dict(sys.modules)
report["again"] = attempt()
report["reloaded"] = [name for name, module in before.items() if sys.modules.get(name) is not module]
report["traces_again"] = traces()
import torch
import fastreid, fastreid.data.build, fastreid.evaluation, fastreid.engine
report["file"] = fastreid.__file__
report["root"] = fastreid.data.build._root
report["batch"] = fastreid.data.build.fast_batch_collator([{"path": "a.jpg", "pid": 3}, {"path": "b.jpg", "pid": 5}])
report["batch"]["pid"] = report["batch"]["pid"].tolist()
report["cuda"] = torch.cuda.is_initialized()
"""

FAILS = """
class Missing:
    def __init__(self, name):
        self.name = name
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

missing = Missing("fastreid")
sys.meta_path.insert(0, missing)
report["no_fastreid"] = [attempt(), traces()]
missing.name = "tabulate"
report["no_tabulate"] = [attempt(), traces()]
sys.meta_path.remove(missing)

# Names that somebody else provides stay, through a failure and through a success.
sys.modules["tabulate"] = types.ModuleType("tabulate")
theirs = types.ModuleType("torch._six")
theirs.string_classes = str
sys.modules["torch._six"] = theirs
collections.Mapping = collections.abc.Mapping
report["broken_tabulate"] = attempt()
del sys.modules["tabulate"]
report["recovered"] = attempt()
report["kept"] = [sys.modules.get("torch._six") is theirs, collections.Mapping is collections.abc.Mapping]
import fastreid.data.build
report["uses_theirs"] = fastreid.data.build.string_classes is str
"""


def run(script: str, **environment: str) -> dict[str, Any]:
    """Run ``script`` after the preamble in a new interpreter; its dictionary ``report``."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "FASTREID_DATASETS")}
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + script + "\nprint(json.dumps(report))"],
        env=kept | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def assert_works(report: dict[str, Any]) -> None:
    """What both sources of fast-reid must give."""
    assert report["error"] is None and report["again"] is None
    assert report["traces"] == [] and report["traces_again"] == []
    assert report["advice"] == [] and report["reloaded"] == []
    assert report["batch"] == {"path": ["a.jpg", "b.jpg"], "pid": [3, 5]}
    assert report["cuda"] is False


def test_the_pypi_release_imports_and_leaves_no_patch_behind(tmp_path: Path) -> None:
    report = run(WORKS, FASTREID_DATASETS=str(tmp_path))
    assert_works(report)
    assert report["root"] == str(tmp_path)


def test_a_source_checkout_first_on_the_path_is_used_and_not_written_to(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(installed_fastreid(), checkout / "fastreid", ignore=shutil.ignore_patterns("__pycache__"))
    build = checkout / "fastreid" / "data" / "build.py"
    text = build.read_text(encoding="utf-8")
    build.write_text(text.replace("from torch._six import string_classes", "string_classes = str"), encoding="utf-8")
    before = snapshot(checkout)
    report = run(WORKS, PYTHONPATH=str(checkout))
    assert_works(report)
    assert Path(report["file"]) == checkout / "fastreid" / "__init__.py"
    assert report["root"] == "datasets"
    assert "torch._six" not in build.read_text(encoding="utf-8")
    assert snapshot(checkout) == before


def test_a_missing_package_is_one_line_and_nothing_stays_patched() -> None:
    report = run(FAILS)
    assert report["no_fastreid"] == [
        "fastreid is not installed: run `make setup`, or `pip install --no-deps fastreid==1.4.0`",
        [],
    ]
    message, traces = report["no_tabulate"]
    assert message.startswith("tabulate, which fastreid needs, is not installed: ") and "\n" not in message
    assert "`pip install -r requirements.txt`" in message and traces == []
    assert "cannot import name 'tabulate'" in report["broken_tabulate"] and "\n" not in report["broken_tabulate"]
    assert report["recovered"] is None
    assert report["kept"] == [True, True] and report["uses_theirs"] is True


def installed_fastreid() -> Path:
    """The folder of the installed package, found without importing it."""
    spec = find_spec("fastreid")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def snapshot(folder: Path) -> dict[str, int]:
    """Modification time in ns of every file under ``folder`` that Python itself does not cache."""
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"}
