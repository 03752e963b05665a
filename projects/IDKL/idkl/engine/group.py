"""What a process of several does: join the others, run, and say so when it loses them."""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from fastreid.utils import comm

from datasets_ext.errors import UserError

Run = Callable[[argparse.Namespace], None]

# Long enough for the main process to score a test set while the others wait. A process that ends is noticed at once;
# only a machine that vanishes from the network takes as long as this.
TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True)
class Place:
    """Which process this is.

    Attributes:
        rank: among all ``processes``.
        processes: on all machines.
        local_rank: among those of its machine; also the number of its GPU.
        machine: number of its machine.
    """

    rank: int
    processes: int
    local_rank: int
    machine: int


class LostProcessError(UserError):
    """Another process has ended or cannot be reached; that one, or what started it, says why."""


def run_in_group(run: Run, args: argparse.Namespace, device: str, place: Place, store: dist.Store | None) -> None:
    """Join the other processes, ``run(args)``, and leave when all are done.

    Args:
        run: what all processes run.
        device: "cuda", whose processes talk by NCCL, or "cpu", by gloo.
        store: where the processes find each other; None: as torchrun's environment variables say.

    Raises:
        UserError: of ``run``, with the process's number unless it is the main one.
        LostProcessError: another process has ended.
        SystemExit: of ``run``, when it was asked to stop.
    """
    name = f"process {place.rank}: " if place.rank else ""
    stopped: SystemExit | None = None
    _quieten(place.rank)
    try:
        _join(device, place, store)
        try:
            run(args)
        except SystemExit as error:  # in all processes, after the same step
            stopped = error
        comm.synchronize()  # the main process may still write
    except UserError as error:
        raise UserError(f"{name}{error}") from None
    except Exception as error:
        if not is_lost_process(error):
            raise
        raise LostProcessError(
            f"{name}another process has ended, see its message; a training goes on from its last checkpoint with "
            "--resume"
        ) from None
    dist.destroy_process_group()
    if stopped is not None:
        raise stopped


def is_lost_process(error: BaseException | None) -> bool:
    """Whether an exception of torch means that another process is gone, and no mistake in this one."""
    if isinstance(error, dist.DistError):
        return True
    return isinstance(error, RuntimeError) and "gloo/" in str(error) and "enforce fail" not in str(error)


def _quieten(rank: int) -> None:
    """Leave out what nobody can act on, and, but in the main process, what that one warns of, too."""
    warnings.filterwarnings("ignore", "TypedStorage is deprecated")  # fast-reid's, for every message
    warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated")  # what torch wants instead came after 2.6
    if rank:
        warnings.simplefilter("ignore")
        logging.getLogger("torch").setLevel(logging.ERROR)


def _join(device: str, place: Place, store: dist.Store | None) -> None:
    is_cuda = device == "cuda"
    if is_cuda:
        torch.cuda.set_device(place.local_rank)
    dist.init_process_group(
        "nccl" if is_cuda else "gloo",
        timeout=TIMEOUT,
        world_size=place.processes,
        rank=place.rank,
        store=store,
        device_id=torch.device("cuda", place.local_rank) if is_cuda else None,
    )
    machines = comm.all_gather(place.machine)
    for machine in sorted(set(machines)):
        group = dist.new_group([rank for rank, other in enumerate(machines) if other == machine])
        if machine == place.machine:
            comm._LOCAL_PROCESS_GROUP = group  # where fast-reid looks for the local rank
