"""Cache files: what they hold, when a new one is made, and that each is written whole or not at all."""

from __future__ import annotations

import os
import pickle
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms as T

from datasets_ext import UserError, cache
from datasets_ext.cache import ImageCache, open_cache
from datasets_ext.image import read_image

Make = Callable[..., Path]


def resize(height: int = 8, width: int = 4) -> T.Compose:
    return T.Compose([T.Resize([height, width], interpolation=T.InterpolationMode.BICUBIC), T.Pad(1)])


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """Five images of noise in a dataset's folder, not in sorted order."""
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    paths = [str(tmp_path / "data" / f"{name}.png") for name in "caebd"]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (20, 11, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """``make(paths, height, width)``: opens the cache of these images and gives its file."""

    def make(paths: list[str], height: int = 8, width: int = 4) -> Path:
        opened, _ = open_cache(tmp_path / "cache", tmp_path / "data", paths, resize(height, width))
        return opened._arguments[0]

    return make


def test_a_file_holds_the_resized_images_in_order_of_their_paths(images: list[str], make: Make, tmp_path: Path) -> None:
    file = make([*images, images[0]])
    expected = [np.asarray(Image.open(path).resize((4, 8), Image.Resampling.BICUBIC)) for path in sorted(images)]
    pixels = np.load(file)
    assert pixels.dtype == np.uint8 and pixels.shape == (5, 8, 4, 3) and (pixels == np.stack(expected)).all()
    assert file.name.startswith("images-8x4-") and len(file.stem) == len("images-8x4-") + 16
    opened, rest = open_cache(tmp_path / "cache", tmp_path / "data", images, resize())
    for path in images:
        assert np.array_equal(np.asarray(rest(opened.read(path))), np.asarray(resize()(read_image(path))))


def test_more_images_than_are_decoded_at_once(images: list[str], make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.load(make(images))
    shutil.rmtree(make(images).parent)
    monkeypatch.setattr(cache, "CHUNK", 2)
    assert np.array_equal(np.load(make(images)), whole)


def test_what_makes_a_new_file(images: list[str], make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(images)
    content = first.read_bytes()
    files = {first, make(images, 4, 8), make(images[1:])}
    monkeypatch.setattr("PIL.__version__", "0.1")
    files.add(make(images))
    monkeypatch.undo()
    status = os.stat(images[0])
    os.utime(images[0], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    files.add(make(images))
    Path(images[0]).write_bytes(Path(images[0]).read_bytes() + b"\0")
    os.utime(images[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    files.add(make(images))
    bilinear, _ = open_cache(first.parent, tmp_path / "data", images, T.Compose([T.Resize([8, 4])]))
    files.add(bilinear._arguments[0])
    renamed = str(Path(images[0]).with_name("z.png"))
    os.rename(images[0], renamed)
    files.add(make([renamed, *images[1:]]))
    assert len(files) == 8 and set(first.parent.iterdir()) == files
    assert first.read_bytes() == content


def test_neither_order_nor_the_datasets_place_makes_a_new_file(images: list[str], make: Make, tmp_path: Path) -> None:
    first = make(images)
    assert make(images[::-1]) == first
    moved = Path(shutil.move(tmp_path / "data", tmp_path / "elsewhere"))
    paths = [str(moved / Path(path).name) for path in images]
    opened, _ = open_cache(first.parent, moved, paths, resize())
    assert list(first.parent.iterdir()) == [first]
    assert opened.read(paths[1]).tobytes() == resize().transforms[0](read_image(paths[1])).tobytes()


def test_a_folder_that_cannot_be_written(images: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(UserError, match=f"cannot write {folder}/images-.*free space, or give a path") as error:
            open_cache(folder, tmp_path / "data", images, resize())
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_build_that_ends_early_leaves_nothing(
    images: list[str], make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("datasets_ext.files.os.fsync", fail)
    expected = UserError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        make(images)
    assert expected is KeyboardInterrupt or "No space left on device; free space" in str(caught.value)
    assert os.listdir(tmp_path / "cache") == []


def test_temporary_files_of_killed_builds_go_with_the_next_one(images: list[str], make: Make) -> None:
    first = make(images)
    folder = first.parent
    old = {folder / name for name in (".images-8x4-0.npy.7.tmp", ".images-8x4-1.npy.8.tmp")}
    of_a_running_build = folder / ".images-8x4-0.npy.9.tmp"
    others = {folder / "images-8x4-0.npy", folder / "notes.tmp"}
    for path in (*old, of_a_running_build, *others):
        path.write_text("")
    for path in (*old, *others):
        os.utime(path, (0, 0))
    second = make(images[1:])
    assert set(folder.iterdir()) == {first, second, of_a_running_build, *others}


@pytest.mark.parametrize("content", [None, b"", b"not an image"])
def test_an_unreadable_image_is_the_same_error_as_without_cache(
    images: list[str], make: Make, tmp_path: Path, content: bytes | None
) -> None:
    make(images)
    Path(images[3]).unlink()
    if content is not None:
        Path(images[3]).write_bytes(content)
    before = os.listdir(tmp_path / "cache")
    with pytest.raises(UserError) as expected:
        read_image(images[3])
    with pytest.raises(UserError) as error:
        make(images)
    assert str(error.value) == str(expected.value) and os.listdir(tmp_path / "cache") == before


def test_two_builds_at_the_same_time(images: list[str], make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)
    write = cache.write_pixels

    def write_together(*arguments: Any) -> None:
        both.wait(timeout=10)
        write(*arguments)
        both.wait(timeout=10)

    monkeypatch.setattr(cache, "write_pixels", write_together)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(make, [images, images])
    assert first == second and list(first.parent.iterdir()) == [first]
    expected = [np.asarray(resize().transforms[0](read_image(path))) for path in sorted(images)]
    assert np.array_equal(np.load(first), np.stack(expected))


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:20], lambda b: b"", lambda b: b"x" * len(b)])
def test_a_damaged_file_is_made_again(
    images: list[str], make: Make, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    file = make(images)
    content = file.read_bytes()
    file.write_bytes(damage(content))
    assert make(images) == file and file.read_bytes() == content
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith(f"Image cache {file} is damaged (") and "\n" not in warning


def test_what_cannot_be_read_is_named_and_stays(images: list[str], make: Make) -> None:
    file = make(images)
    file.unlink()
    file.mkdir()
    with pytest.raises(UserError, match=f"image cache {file} cannot be read .*: give a folder") as error:
        make(images)
    assert "\n" not in str(error.value) and file.is_dir()


def test_a_file_of_other_images_is_refused(images: list[str], make: Make) -> None:
    with pytest.raises(UserError, match="it does not begin as a file of 4 images of 8x4 does"):
        ImageCache(make(images), images[1:], (8, 4))


def test_no_damaged_byte_goes_unnoticed(images: list[str], make: Make, tmp_path: Path) -> None:
    file = make(images)
    content = file.read_bytes()
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :])
        with pytest.raises(UserError, match=f"image cache {file} (cannot be read|is damaged at)"):
            opened = ImageCache(file, sorted(images), (8, 4))
            for path in images:
                opened.read(path)


def test_a_worker_gets_the_files_name_and_not_its_pixels(images: list[str], tmp_path: Path) -> None:
    opened, _ = open_cache(tmp_path / "cache", tmp_path / "data", images, resize(400, 200))
    sent = pickle.dumps(opened)
    assert len(sent) < 2000
    assert opened.read(images[0]).tobytes() == pickle.loads(sent).read(images[0]).tobytes()


def test_other_processes_wait_for_the_main_one(images: list[str], make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make(images)
    content = file.read_bytes()
    file.unlink()
    monkeypatch.setattr("fastreid.utils.comm.is_main_process", lambda: False)
    with pytest.raises(UserError, match="No such file.*a folder that all processes read from"):
        make(images)
    monkeypatch.setattr("fastreid.utils.comm.synchronize", lambda: file.write_bytes(content))
    assert make(images) == file


def test_the_main_process_lets_the_others_go_on_after_an_error(
    images: list[str], make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr("fastreid.utils.comm.synchronize", lambda: calls.append("synchronize"))
    Path(images[0]).write_bytes(b"")
    with pytest.raises(UserError):
        make(images)
    assert calls == ["synchronize"]


def test_progress_is_a_few_lines_or_a_bar(
    images: list[str],
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("INFO")
    file = make(images)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == f"Decoding 5 images once into {file}, 0.0 MB"
    assert lines[1:5] == [f"decoded {done} of 5 images" for done in (2, 3, 4, 5)]
    assert lines[5:] == [f"Images come decoded and resized from {file}"] and capsys.readouterr().err == ""
    caplog.clear()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    make(images, 9, 5)
    assert "5/5" in capsys.readouterr().err and len(caplog.records) == 2
