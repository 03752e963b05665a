"""One process or several, on one machine or several: by torchrun, or by fast-reid's ``--num-gpus``.

Stands in for fast-reid's ``launch``, which needs a GPU and NCCL, and leaves processes behind when one fails.
"""

from __future__ import annotations

import argparse
import os
from datetime import timedelta
from urllib.parse import urlsplit

import torch
import torch.distributed as dist
from fastreid.engine import default_argument_parser

from datasets_ext.errors import UserError

from .group import TIMEOUT, Place, Run, run_in_group
from .processes import run_processes
from .setup import decide_device, merge_config

LOCALHOST = "127.0.0.1"
ARRIVAL = timedelta(minutes=5)  # in which all machines have to be started


def launch(run: Run, args: argparse.Namespace) -> None:
    """``run(args)`` in this process, or in each of several that form a process group.

    Under torchrun this process is one of them. Otherwise ``--num-gpus`` of them are started on each of
    ``--num-machines``, which find each other at ``--dist-url``, an address of the first machine; with one machine the
    address does not matter. With ``MODEL.DEVICE cpu`` the processes share the cores.

    Args:
        run: importable by name.
        args: of fast-reid's ``default_argument_parser``, or with the same names.

    Raises:
        UserError: numbers that do not fit this machine or each other, and every mistake that a process finds. The
            first process that fails ends all others, and only its message is raised.
    """
    under_torchrun = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"} <= os.environ.keys()
    if under_torchrun:
        _run_under_torchrun(run, args)
    elif args.num_gpus == args.num_machines == 1:
        run(args)
    else:
        _run_several(run, args)


def _run_under_torchrun(run: Run, args: argparse.Namespace) -> None:
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "GROUP_RANK", "LOCAL_WORLD_SIZE")
    rank, processes, local_rank, machine, local_processes = (int(os.environ.get(name, 0)) for name in names)
    if args.num_gpus > 1 or args.num_machines > 1:
        raise UserError("torchrun starts the processes itself: leave out --num-gpus and --num-machines")
    if processes == 1:
        run(args)
        return
    device = _device(args, local_processes, "torchrun --nproc-per-node")
    run_in_group(run, args, device, Place(rank, processes, local_rank, machine), None)


def _run_several(run: Run, args: argparse.Namespace) -> None:
    count, machines, machine = args.num_gpus, args.num_machines, args.machine_rank
    if count < 1 or machines < 1 or not 0 <= machine < machines:
        raise UserError(
            f"--num-gpus {count} --num-machines {machines} --machine-rank {machine} make no processes: give at least "
            "1 and 1, and a rank from 0 to one below the number of machines"
        )
    host, port = _address(args)
    device = _device(args, count, "--num-gpus")
    # Here, not in a process, as then one that dies does not take it along; and a port that is in use is found at once.
    store = _listen(host, port) if machine == 0 else None
    port = port if store is None else store.port
    threads = max(torch.get_num_threads() // count, 1) if device == "cpu" else None
    places = [Place(machine * count + local, machines * count, local, machine) for local in range(count)]
    run_processes(_process, [(run, args, device, place, host, port, threads) for place in places], places[0].rank)


def _process(
    run: Run, args: argparse.Namespace, device: str, place: Place, host: str, port: int, threads: int | None
) -> None:
    """What each started process does."""
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        store = dist.TCPStore(host, port, is_master=False, timeout=ARRIVAL)
    except dist.DistError:
        minutes = ARRIVAL.total_seconds() / 60
        raise UserError(
            f"machine 0 was not reached at tcp://{host}:{port} for {minutes:.0f} minutes: start the same command there "
            "with --machine-rank 0, and check --dist-url"
        ) from None
    run_in_group(run, args, device, place, store)


def _address(args: argparse.Namespace) -> tuple[str, int]:
    """Host and port at which the processes find each other; port 0: any."""
    if args.num_machines == 1:
        return LOCALHOST, 0
    if args.dist_url != default_argument_parser().get_default("dist_url"):
        try:
            url = urlsplit(args.dist_url)
            if url.scheme == "tcp" and url.hostname and url.port:
                return url.hostname, url.port
        except ValueError:  # a port that is no number
            pass
    raise UserError(
        f"several machines need --dist-url tcp://HOST:PORT, an address of the machine with --machine-rank 0 that all "
        f"of them reach, but it is {args.dist_url}"
    )


def _listen(host: str, port: int) -> dist.TCPStore:
    try:
        return dist.TCPStore(host, port, is_master=True, timeout=TIMEOUT, wait_for_workers=False)
    except RuntimeError:  # DistError, and plain on torch 2.6
        raise UserError(f"port {port} of --dist-url cannot be opened, it may be in use: give another one") from None


def _device(args: argparse.Namespace, count: int, option: str) -> str:
    """The device of ``count`` processes on this machine, "cpu" or "cuda"."""
    wanted = merge_config(args.config_file, args.opts).MODEL.DEVICE
    device = torch.device(decide_device(wanted, "MODEL.DEVICE"))
    if device.index is not None:
        raise UserError(f"MODEL.DEVICE {wanted} is one GPU: several processes take one each with MODEL.DEVICE cuda")
    if wanted != "cpu" and torch.cuda.device_count() < count:
        raise UserError(
            f"{option} {count}, but this machine has {torch.cuda.device_count()}: ask for fewer, or add "
            f"MODEL.DEVICE cpu for {count} processes on the CPU"
        )
    return device.type
