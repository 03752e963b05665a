"""From command line to a checked config, a run folder, its logs and its seed."""

from __future__ import annotations

import argparse
import difflib
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from fastreid.config import CfgNode, get_cfg
from fastreid.utils import comm
from fastreid.utils.collect_env import collect_env_info
from fastreid.utils.env import seed_all_rng

from datasets_ext.errors import UserError
from datasets_ext.files import write_atomically

from ..config import add_idkl_config
from .checkpoint import has_run
from .checks import check_config, check_given
from .logs import start_logging

logger = logging.getLogger(__name__)


def load_config(args: argparse.Namespace) -> CfgNode:
    """fast-reid's defaults, our keys, the config file, the overrides; device and seed decided; checked and frozen.

    Args:
        args: of fast-reid's ``default_argument_parser``.

    Raises:
        UserError: anything wrong in the file, the overrides or what they name.
    """
    cfg = merge_config(args.config_file, args.opts)
    cfg.MODEL.DEVICE = decide_device(cfg.MODEL.DEVICE, "MODEL.DEVICE")
    cfg.SEED = comm.all_gather(_decide_seed(cfg, args.resume))[0]  # the main process's
    check_config(cfg)
    cfg.freeze()
    return cfg


def merge_config(path: str, overrides: list[str]) -> CfgNode:
    """fast-reid's defaults, our keys, the config file ``path`` ("": none) and the overrides, with nothing decided yet.

    Args:
        overrides: KEY VALUE KEY VALUE ..., as on the command line.

    Raises:
        UserError: the file, a key or a value is wrong.
    """
    cfg = get_cfg()
    add_idkl_config(cfg)
    if path:
        _merge_file(cfg, path)
    _merge_overrides(cfg, overrides)
    check_given(cfg)
    return cfg


def start_run(cfg: CfgNode, args: argparse.Namespace) -> None:
    """Make the run folder, start the logs and seed every generator.

    Raises:
        UserError: the folder cannot be written, or holds another run that ``--resume`` does not ask for.
    """
    folder = Path(cfg.OUTPUT_DIR)
    training = not args.eval_only
    if comm.is_main_process():
        make_folder(folder)
        if training and not args.resume and has_run(folder):
            raise UserError(
                f"{folder} holds a run already: add --resume to go on with it, or choose another OUTPUT_DIR"
            )
    comm.synchronize()
    if not folder.is_dir():
        raise UserError(f"OUTPUT_DIR {folder} is not there: several machines need one that they share")
    start_logging(cfg.OUTPUT_DIR, comm.get_rank())
    logger.debug("Environment:\n%s", collect_env_info())
    logger.debug("Arguments: %s", args)
    logger.debug("Config:\n%s", cfg)
    logger.info("Run folder %s, device %s, seed %d", folder, cfg.MODEL.DEVICE, cfg.SEED)
    seed_all_rng(cfg.SEED + comm.get_rank())
    if training:
        torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK and not cfg.DETERMINISTIC
    if cfg.DETERMINISTIC:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # read when the GPU is first used
    torch.use_deterministic_algorithms(cfg.DETERMINISTIC, warn_only=True)
    set_precision(cfg)


def write_config(cfg: CfgNode) -> None:
    """Write ``config.yaml``, once nothing can refuse the run any more."""
    if comm.is_main_process():
        path = Path(cfg.OUTPUT_DIR) / "config.yaml"
        write_atomically(path, lambda file: file.write(cfg.dump().encode()))


def set_precision(cfg: CfgNode) -> None:
    """Let a GPU's convolutions round to TF32 or not, as ``SOLVER.TF32`` says. Matrix products, which compare features
    and classify, stay in full precision."""
    torch.backends.cudnn.allow_tf32 = cfg.SOLVER.TF32
    torch.backends.cuda.matmul.allow_tf32 = False


def _merge_file(cfg: CfgNode, path: str) -> None:
    if not os.path.isfile(path):
        raise UserError(f"config file {path} is missing: check --config-file")
    try:
        loaded = CfgNode.load_yaml_with_base(path)
        _widen(loaded, cfg)
        cfg.merge_from_other_cfg(CfgNode(loaded))
    except KeyError as error:
        raise UserError(f"config file {path}: {_explain_key(cfg, str(error))}") from None
    except FileNotFoundError as error:
        raise UserError(f"config file {path}: its _BASE_ {error.filename} is missing") from None
    except RecursionError:
        raise UserError(f"config file {path} is nested without end: see its _BASE_ and its anchors") from None
    except (yaml.YAMLError, ValueError, AssertionError, TypeError, AttributeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"config file {path} is no valid config: {reason or type(error).__name__}") from None


def _merge_overrides(cfg: CfgNode, opts: list[str]) -> None:
    if len(opts) % 2:
        raise UserError(f"overrides come as pairs KEY VALUE, but {opts[-1]} stands alone: give its value")
    for key, value in zip(opts[::2], opts[1::2], strict=True):
        try:
            cfg.merge_from_list([key, _decode(cfg, key, value)])
        except (KeyError, AssertionError, AttributeError, TypeError):
            raise UserError(_explain_key(cfg, key)) from None
        except ValueError:
            raise UserError(f"{key} cannot be {value!r}: give a value like the one it has in the config file") from None


def _widen(loaded: dict[str, Any], known: CfgNode) -> None:
    """Let whole numbers stand for floats, in place: yacs refuses ``TGSA: 0`` where the default is 0.6."""
    for name, value in loaded.items():
        if isinstance(value, dict):
            _widen(value, known.get(name, CfgNode()))
        elif type(value) is int and isinstance(known.get(name), float):
            loaded[name] = float(value)


def _decode(cfg: CfgNode, key: str, value: str) -> Any:
    """An override's value: a whole number as a float where the key holds one, else the text, which yacs decodes."""
    *parents, name = key.split(".")
    node = cfg
    for parent in parents:
        node = node[parent]
    try:
        return float(int(value)) if isinstance(node[name], float) else value
    except ValueError:
        return value


def _explain_key(cfg: CfgNode, text: str) -> str:
    """One line for an unknown key, with the nearest known one."""
    key = text.strip("'\"").removeprefix("Non-existent config key: ")
    near = difflib.get_close_matches(key, list(_keys(cfg)), n=1, cutoff=0.5)
    return f"unknown config key {key}" + (f"; did you mean {near[0]}?" if near else "; see idkl/config.py")


def _keys(cfg: CfgNode, prefix: str = "") -> Iterator[str]:
    for name, value in cfg.items():
        yield prefix + name
        if isinstance(value, CfgNode):
            yield from _keys(value, f"{prefix}{name}.")


def decide_device(device: str, name: str) -> str:
    """``device``, or for "auto" the GPU where there is one, else the CPU; ``name`` is what an error calls it.

    Raises:
        UserError: it is no device, or not one that this machine has.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise UserError(f"{name} {device} is no device: choose auto, cpu or cuda") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise UserError(f"{name} {device}, but this machine has no usable GPU: choose auto or cpu")
    return device


def _decide_seed(cfg: CfgNode, resume: bool) -> int:
    """``SEED``, or for -1 a new one; a resumed run keeps the one that it began with."""
    if cfg.SEED >= 0:
        return cfg.SEED
    begun = Path(cfg.OUTPUT_DIR) / "config.yaml"
    if resume and begun.is_file():
        try:
            return int(yaml.safe_load(begun.read_text(encoding="utf-8"))["SEED"])
        except (yaml.YAMLError, KeyError, TypeError, ValueError, OSError):
            raise UserError(f"{begun} does not say the run's SEED: add SEED and a number to the command") from None
    return secrets.randbelow(2**31)


def make_folder(folder: Path) -> None:
    """Make an ``OUTPUT_DIR`` and see that it can be written; a :class:`UserError` says where it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except (OSError, ValueError) as error:  # the latter of a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"OUTPUT_DIR {str(folder)!r} cannot be written ({reason}): choose another one") from None
