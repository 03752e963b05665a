"""``provenance.json``: the sessions that made what lies beside it."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from datasets_ext.errors import UserError
from datasets_ext.files import write_atomically
from datasets_ext.fingerprint import file_sha256

from ...evaluation.results import Row, write_results

PROVENANCE = "provenance.json"
FORMAT = 1  # raised when an older reader would misunderstand a file

Session = dict[str, Any]

logger = logging.getLogger(__name__)

# Tells this process's session from those that another one may begin in the same folder meanwhile.
_PROCESS = uuid.uuid4().hex


def begin_session(path: Path, session: Session, *, goes_on: bool) -> None:
    """Write ``session``, with the time, as the newest of the file ``path`` and this process's.

    Args:
        session: see :mod:`.session`.
        goes_on: keep the sessions that are there already; else they are of another run and dropped.

    Raises:
        UserError: the file is damaged, or cannot be written.
    """
    before = read_sessions(path) if goes_on and path.exists() else []
    _write(path, [*before, {**_begun(), **session, "results": {}}])


def keep_results(rows: Sequence[Row], path: Path, **facts: Any) -> None:
    """Write a results file, and its SHA-256 into this process's newest session in ``provenance.json`` beside it.

    So a copy of the file can be told from another: :func:`sessions_of` finds the session that wrote the very bytes.
    Where there is none, only the results are written: a record that was lost or damaged meanwhile ends no training.

    Args:
        facts: more to say of the file, such as how its epoch was chosen.

    Raises:
        UserError: a file cannot be written.
    """
    write_results(rows, path)
    provenance = path.with_name(PROVENANCE)
    if not provenance.exists():
        return
    try:
        sessions = read_sessions(provenance)
    except UserError as error:
        logger.warning("the origin of %s is not recorded: %s", path, error)
        return
    own = [session for session in sessions if session.get("id") == _PROCESS]
    if own:
        own[-1]["results"][path.name] = {"sha256": file_sha256(path), **facts}
        _write(provenance, sessions)


def keep_alone(rows: Sequence[Row], path: Path, session: Session) -> None:
    """Write a results file that is of no run, and beside it ``NAME.provenance.json``, of this one session.

    Raises:
        UserError: a file cannot be written.
    """
    write_results(rows, path)
    session = {**_begun(), **session, "results": {path.name: {"sha256": file_sha256(path)}}}
    _write(path.with_suffix(f".{PROVENANCE}"), [session])


def sessions_of(results: Path) -> tuple[list[Session], Session | None]:
    """The sessions recorded beside a results file, oldest first, and that one of them that wrote these very bytes.

    Raises:
        UserError: none are recorded, or a file is damaged.
    """
    sha256 = file_sha256(results) if results.is_file() else None
    own, run = results.with_suffix(f".{PROVENANCE}"), results.with_name(PROVENANCE)
    known = [read_sessions(path) for path in ([path for path in (own, run) if path.exists()] or [run])]
    for sessions in known:
        for session in reversed(sessions):
            if sha256 is not None and session["results"].get(results.name, {}).get("sha256") == sha256:
                return sessions, session
    return known[0], None


def read_sessions(path: Path) -> list[Session]:
    """The sessions of a file, oldest first; at least one.

    Raises:
        UserError: the file is missing, damaged, or of a newer version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: it is written when a training or an evaluation begins") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(_damaged(path, " ".join(str(error).split())[:120])) from None
    if isinstance(content, dict) and isinstance(content.get("format"), int) and content["format"] > FORMAT:
        raise UserError(f"{path} has format {content['format']}, newer than {FORMAT}: update this project to read it")
    sessions = content.get("sessions") if isinstance(content, dict) and content.get("format") == FORMAT else None
    if not isinstance(sessions, list) or not sessions or not all(map(_is_session, sessions)):
        raise UserError(_damaged(path, "it holds no sessions"))
    return sessions


def _begun() -> Session:
    return {"id": _PROCESS, "time": datetime.now(timezone.utc).isoformat(timespec="seconds")}


def _is_session(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return False
    results = value.get("results")
    return isinstance(results, dict) and all(isinstance(entry, dict) for entry in results.values())


def _damaged(path: Path, why: str) -> str:
    return f"{path} is damaged ({why}): move it away to go on without the record of the sessions so far"


def _write(path: Path, sessions: Sequence[Session]) -> None:
    text = json.dumps({"format": FORMAT, "sessions": list(sessions)}, indent=1)
    write_atomically(path, lambda file: file.write((text + "\n").encode()))
