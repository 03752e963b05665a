"""Starting several processes: numbers that do not fit, and what happens when one of them fails."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from datasets_ext import UserError
from idkl.engine import group, launch, processes
from idkl.engine.group import LostProcessError, Place, is_lost_process, run_in_group
from idkl.engine.logs import is_defect
from idkl.engine.processes import DefectError, Failure, Kind
from tests.small import REPOSITORY
from tests.two_processes import kill_one, mistake_in_one, start_two

LOST = "[/some/gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:4567"
GONE_AFTER = 60  # seconds in which all has to be over


def arguments(**changes: object) -> argparse.Namespace:
    given = {"num_gpus": 2, "num_machines": 1, "machine_rank": 0, "dist_url": "tcp://127.0.0.1:1", "config_file": ""}
    return argparse.Namespace(**{**given, "opts": ["MODEL.DEVICE", "cpu"], **changes})


def program(*prefix: str, words: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """A program of its own that runs :func:`kill_one`."""
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "projects" / "IDKL")])
    code = "import idkl; from tests.two_processes import main; main()"
    command = [sys.executable, *prefix, "-c", code, *words, "MODEL.DEVICE", "cpu"]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_a_killed_process_ends_the_others(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        start_two(kill_one, tmp_path)
    assert str(error.value) == (
        "process 1 was killed by signal 9 (often out of memory); the others were ended, too; a training goes on from "
        "its last checkpoint with --resume"
    )


def test_a_mistake_in_one_process_ends_all_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="^process 1: this is wrong: do that$"):
        start_two(mistake_in_one, tmp_path)
    assert "Traceback" not in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler  # it was another one for a moment


def test_two_machines_one_of_which_loses_its_process() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    words = ("--num-machines", "2", "--dist-url", url, "--machine-rank")
    first, second = (program(words=(*words, rank)) for rank in ("0", "1"))
    messages = [other.communicate(timeout=GONE_AFTER)[1] for other in (first, second)]
    assert first.returncode == second.returncode == 2
    assert "error: another process has ended, see its message; a training goes on" in messages[0]
    assert "error: process 1 was killed by signal 9" in messages[1]
    assert "Traceback" not in "".join(messages)


def test_torchrun_one_of_whose_processes_is_killed() -> None:
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python", sys.executable)
    started = program(*torchrun)
    _, message = started.communicate(timeout=GONE_AFTER)
    assert started.returncode == 1 and "Signal 9 (SIGKILL)" in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_gpus": 0}, "--num-gpus 0 --num-machines 1 --machine-rank 0 make no processes"),
        ({"num_machines": 2, "machine_rank": 2}, "a rank from 0 to one below the number of machines"),
        ({"num_machines": 2, "dist_url": "auto"}, "several machines need --dist-url tcp://HOST:PORT.*it is auto"),
        ({"num_machines": 2, "dist_url": "tcp://host:port"}, "several machines need --dist-url"),
        ({"num_machines": 2, "dist_url": "tcp://host"}, "several machines need --dist-url"),
        ({"num_gpus": 64, "opts": []}, "--num-gpus 64, but this machine has .*add MODEL.DEVICE cpu for 64 processes"),
        ({"opts": ["MODEL.DEVICE", "cuda:0"]}, "MODEL.DEVICE cuda:0 is one GPU: several processes take one each"),
        ({"opts": ["MODEL.DEVIC", "cpu"]}, "unknown config key MODEL.DEVIC"),
    ],
)
def test_numbers_that_do_not_fit(changes: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match=message) as error:
        launch.launch(kill_one, arguments(**changes))
    assert "\n" not in str(error.value)


def test_a_port_in_use() -> None:
    with socket.socket() as busy:
        busy.bind(("", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} of --dist-url cannot be opened"):
            launch.launch(kill_one, arguments(num_machines=2, dist_url=f"tcp://127.0.0.1:{port}"))


def test_a_machine_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "ARRIVAL", launch.timedelta(seconds=1))
    with pytest.raises(UserError, match="machine 0 was not reached at tcp://127.0.0.1:1 "):
        launch._process(kill_one, arguments(), "cpu", Place(1, 2, 0, 1), "127.0.0.1", 1, None)


def test_torchrun_with_one_process_or_with_its_own_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", "1")):
        monkeypatch.setenv(name, value)
    seen: list[bool] = []
    launch.launch(lambda _: seen.append(dist.is_initialized()), arguments(num_gpus=1))
    assert seen == [False]
    with pytest.raises(UserError, match="torchrun starts the processes itself: leave out --num-gpus"):
        launch.launch(kill_one, arguments())


def test_one_process_has_no_group() -> None:
    seen: list[bool] = []
    launch.launch(lambda _: seen.append(dist.is_initialized()), arguments(num_gpus=1))
    assert seen == [False]


def test_a_lost_process_is_told_from_a_defect() -> None:
    mismatch = "[enforce fail at /some/gloo/transport/tcp/pair.cc:453] op.preamble.length <= op.nbytes. 8 vs 4"
    for error, lost in (
        (RuntimeError(LOST), True),
        (dist.DistBackendError("NCCL communicator was aborted"), True),
        (RuntimeError(mismatch), False),
        (RuntimeError("shapes differ"), False),
        (None, False),
    ):
        assert is_lost_process(error) is lost
        assert error is None or is_defect(error) is not lost


def test_what_a_process_says_when_it_lost_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(_: argparse.Namespace) -> None:
        raise RuntimeError(LOST)

    monkeypatch.setattr(group, "_join", lambda *_: None)
    with pytest.raises(LostProcessError, match="^process 3: another process has ended, see its message"):
        run_in_group(lose, arguments(), "cpu", Place(3, 4, 3, 0), None)


class Acted:
    """A child process that has failed, or runs on."""

    def __init__(self, failure: Failure | None) -> None:
        self.process = self
        self._failure = failure

    def is_alive(self) -> bool:
        return self._failure is None

    def failure(self) -> Failure | None:
        return self._failure


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (UserError("wrong"), Kind.MISTAKE, "^wrong$"),
        (LostProcessError("gone"), Kind.LOST, "^gone$"),
        (ZeroDivisionError("a defect"), Kind.DEFECT, r"(?s)^Traceback.*in fail\b.*ZeroDivisionError: a defect$"),
    ],
)
def test_what_a_process_reports(
    error: Exception, kind: Kind, text: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(processes, "_end_with_parent", lambda: None)
    method = multiprocessing.get_start_method()
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with pytest.raises(SystemExit) as status:
        processes._child(sender, method, fail, ())
    found, report = receiver.recv()
    assert status.value.code == 2 and found == kind and re.search(text, report.strip())
    assert not capfd.readouterr().err  # it is said once, by the process that started this one


@pytest.mark.parametrize(("kind", "expected"), [(Kind.DEFECT, DefectError), (Kind.MISTAKE, UserError)])
def test_what_becomes_of_a_report(kind: Kind, expected: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[Acted] = []
    children = [Acted(None), Acted(Failure(kind, 1, "what it said"))]
    monkeypatch.setattr(processes, "_start", lambda *_: children)
    monkeypatch.setattr(processes, "_end", ended.extend)
    with pytest.raises(expected, match="what it said"):
        processes.run_processes(print, [(), ()], 0)
    assert ended == children


def test_the_cause_is_told_and_not_what_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    mistake, killed = Failure(Kind.MISTAKE, 2, "wrong"), Failure(Kind.KILLED, 1, "killed")
    lost = Failure(Kind.LOST, 0, "lost")
    running = Acted(None)
    assert processes._wait([Acted(lost), Acted(killed), Acted(mistake), running]) == mistake  # type: ignore[list-item]
    assert processes._wait([Acted(lost), Acted(killed), running]) == killed  # type: ignore[list-item]
    monkeypatch.setattr(processes, "PATIENCE", 0.0)
    monkeypatch.setattr(processes, "PERIOD", 0.0)
    assert processes._wait([Acted(lost), running]) == lost  # type: ignore[list-item]
