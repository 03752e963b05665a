"""Opening and decoding every image: which cannot be read, and which are not 8-bit colour or gray."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from datasets_ext.records import VISIBLE, ImageRecord

from .findings import Finding, Level, none_expected

LEAST_SIZE = 8  # pixels
_FORMATS = {"1": "1-bit", "P": "palette", "PA": "palette", "LA": "alpha channel", "RGBA": "alpha channel"}


@dataclass(frozen=True)
class Probe:
    """What is wrong with one image file; an empty string where nothing is.

    Attributes:
        unreadable: why it cannot be decoded.
        size: ``width x height`` if it is under 8 pixels.
        format: what its pixels are, if neither 8-bit RGB nor 8-bit gray.
        gray: whether it shows no colour.
    """

    unreadable: str = ""
    size: str = ""
    format: str = ""
    gray: bool = False


def probe_image(path: Path) -> Probe:
    """Open and decode one image file. Never raises for what the file holds."""
    try:
        if path.stat().st_size == 0:
            return Probe(unreadable="zero bytes")
        with Image.open(path) as image:
            image.load()
            width, height = image.size
            size = f"{width}x{height}" if min(width, height) < LEAST_SIZE else ""
            return Probe("", size, _pixel_format(image), _is_gray(image))
    except UnidentifiedImageError:
        return Probe(unreadable="not an image")
    except Exception as error:  # a damaged file makes decoders raise almost anything
        return Probe(unreadable=f"cannot be decoded: {error}")


def image_findings(root: Path, records: Iterable[ImageRecord]) -> Iterator[Finding]:
    """Decode the records' images (paths relative to ``root``), each once, with a bar on a terminal."""
    modalities = {record[0]: record.modality for record in records}
    paths = sorted(modalities)
    probes = dict(zip(paths, _probe_all(root, paths), strict=True))

    def those(field: str) -> list[str]:
        return [f"{path} ({value})" for path, probe in probes.items() if (value := getattr(probe, field))]

    yield none_expected(
        f"unreadable images among {len(paths)}",
        those("unreadable"),
        Level.PROBLEM,
        "copy them again from the dataset's archive, or take them out of the dataset and its lists",
    )
    yield none_expected(
        f"images under {LEAST_SIZE} pixels", those("size"), Level.PROBLEM, "they show nobody: copy them again"
    )
    yield none_expected(
        "images not 8-bit RGB or gray",
        those("format"),
        Level.DIFFERS,
        "nothing if they are meant so: reading converts them (16-bit is scaled, an alpha channel dropped)",
    )
    yield none_expected(
        "gray images among the visible ones",
        [path for path, probe in probes.items() if probe.gray and modalities[path] == VISIBLE],
        Level.NOTE,
        "see whether visible and infrared folders were swapped, or colours lost",
    )


def _probe_all(root: Path, paths: list[str]) -> list[Probe]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the interpreter's lock
        try:
            probes = pool.map(lambda path: probe_image(root / path), paths)
            return list(tqdm(probes, total=len(paths), unit="image", disable=not sys.stderr.isatty()))
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C open no further images


def _pixel_format(image: Image.Image) -> str:
    if image.mode.startswith("I"):
        return "16-bit"
    if "transparency" in image.info and image.mode in ("L", "RGB"):
        return "alpha channel"
    return "" if image.mode in ("L", "RGB") else _FORMATS.get(image.mode, image.mode)


def _is_gray(image: Image.Image) -> bool:
    if image.mode != "RGB":
        return image.mode == "L"
    red, green, blue = np.moveaxis(np.asarray(image), 2, 0)
    return bool((red == green).all() and (green == blue).all())
