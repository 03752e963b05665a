"""The image probe on files of every kind, and what is made of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets_ext.checks.findings import Finding, Level
from datasets_ext.checks.images import Probe, image_findings, probe_image
from datasets_ext.records import INFRARED, VISIBLE, ImageRecord

COLOR = np.random.default_rng(0).integers(0, 256, (32, 16, 3), dtype=np.uint8)
GRAY = np.repeat(COLOR[:, :, :1], 3, axis=2)


def picture(mode: str) -> Image.Image:
    return Image.fromarray(COLOR).convert(mode)


def transparent(path: Path) -> None:
    picture("RGB").save(path, "PNG", transparency=(1, 2, 3))


def truncated(path: Path) -> None:
    picture("RGB").save(path, "JPEG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def truncated_bmp(path: Path) -> None:
    picture("RGB").save(path, "BMP")
    path.write_bytes(path.read_bytes()[:-100])


def damaged_png(path: Path) -> None:
    picture("RGB").save(path, "PNG")
    data = bytearray(path.read_bytes())
    data[60:200] = bytes(140)
    path.write_bytes(data)


KINDS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "zero": (lambda path: path.write_bytes(b""), "unreadable", "zero bytes"),
    "text": (lambda path: path.write_text("not a picture\n"), "unreadable", "not an image"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), "unreadable", "cannot be decoded"),
    "truncated": (truncated, "unreadable", "cannot be decoded"),
    "truncated bmp": (truncated_bmp, "unreadable", "cannot be decoded"),
    "damaged png": (damaged_png, "unreadable", "cannot be decoded"),
    "16-bit": (
        lambda path: Image.fromarray(COLOR[:, :, 0].astype(np.uint16) * 257).save(path, "PNG"),
        "format",
        "16-bit",
    ),
    "alpha": (lambda path: picture("RGBA").save(path, "PNG"), "format", "alpha channel"),
    "gray alpha": (lambda path: picture("LA").save(path, "PNG"), "format", "alpha channel"),
    "transparent": (transparent, "format", "alpha channel"),
    "palette": (lambda path: picture("P").save(path, "PNG"), "format", "palette"),
    "1-bit": (lambda path: picture("1").save(path, "PNG"), "format", "1-bit"),
    "print": (lambda path: picture("CMYK").save(path, "JPEG"), "format", "CMYK"),
    "narrow": (lambda path: Image.fromarray(COLOR[:, :7]).save(path, "PNG"), "size", "7x32"),
    "low": (lambda path: Image.fromarray(COLOR[:7]).save(path, "BMP"), "size", "16x7"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_defect_is_named(tmp_path: Path, kind: str) -> None:
    write, field, reason = KINDS[kind]
    write(tmp_path / "0001.jpg")  # the name says nothing about the content
    probe = probe_image(tmp_path / "0001.jpg")
    others = {"unreadable", "size", "format"} - {field}
    assert getattr(probe, field).startswith(reason)
    assert all(getattr(probe, other) == "" for other in others)


@pytest.mark.parametrize(
    ("image", "suffix"),
    [
        (Image.fromarray(COLOR), "jpg"),
        (Image.fromarray(COLOR), "bmp"),
        (Image.fromarray(COLOR), "png"),
        (Image.fromarray(COLOR[:8, :8]), "png"),
    ],
)
def test_sound_images_have_no_fault(tmp_path: Path, image: Image.Image, suffix: str) -> None:
    image.save(tmp_path / f"a.{suffix}")
    assert probe_image(tmp_path / f"a.{suffix}") == Probe()


def test_gray_images_are_recognised(tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "three.png")
    Image.fromarray(GRAY).save(tmp_path / "three.jpg")
    Image.fromarray(GRAY[:, :, 0]).save(tmp_path / "one.jpg")
    almost = GRAY.copy()
    almost[3, 4, 2] ^= 1
    Image.fromarray(almost).save(tmp_path / "almost.png")
    gray = {path.name for path in tmp_path.iterdir() if probe_image(path).gray}
    assert gray == {"three.png", "three.jpg", "one.jpg"}


def check(root: Path, modality: int) -> dict[str, Finding]:
    names = sorted(os.listdir(root))
    return {f.what: f for f in image_findings(root, [ImageRecord(name, 1, 1, modality) for name in names])}


def test_findings_name_every_file_once(tmp_path: Path) -> None:
    for kind, (write, _, _) in KINDS.items():
        write(tmp_path / f"{kind}.jpg")
    Image.fromarray(COLOR).save(tmp_path / "sound.jpg")
    found = check(tmp_path, INFRARED)
    expected = {
        f"unreadable images among {len(KINDS) + 1}": ("unreadable", Level.PROBLEM),
        "images under 8 pixels": ("size", Level.PROBLEM),
        "images not 8-bit RGB or gray": ("format", Level.DIFFERS),
    }
    for what, (field, level) in expected.items():
        kinds = {kind for kind, entry in KINDS.items() if entry[1] == field}
        assert {item.split(".jpg")[0] for item in found[what].items} == kinds
        assert found[what].level == level
        assert found[what].found == str(len(kinds))


@pytest.mark.parametrize(("modality", "level"), [(VISIBLE, Level.NOTE), (INFRARED, Level.OK)])
def test_gray_is_noted_of_visible_images_only(tmp_path: Path, modality: int, level: Level) -> None:
    Image.fromarray(GRAY).save(tmp_path / "gray.png")
    Image.fromarray(COLOR).save(tmp_path / "color.png")
    assert check(tmp_path, modality)["gray images among the visible ones"].level == level


def test_no_image_at_all(tmp_path: Path) -> None:
    assert {f.level for f in check(tmp_path, VISIBLE).values()} == {Level.OK}
