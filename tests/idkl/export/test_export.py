"""Exported files: the model's embeddings, the shared branch alone, and nothing on the disk when they differ."""

from __future__ import annotations

import hashlib
import io
import json
import re
import runpy
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from datasets_ext import UserError
from datasets_ext.loaders import build_test_loader
from idkl.engine.setup import merge_config
from idkl.export.embedder import Embedder
from idkl.export.formats import FORMATS
from idkl.export.torch_file import METADATA
from idkl.modeling import IDKL
from tests.runs import BASELINE, save_network
from tests.small import CONFIGS, REPOSITORY, make_batch
from tools.export import main

EXAMPLE = REPOSITORY / "projects" / "IDKL" / "examples" / "onnx_query.py"
LEFT_OUT = re.compile("specific|purifier|confuser|discriminator|mask_|heads|logits")
ORIGIN = (b"site-packages", str(REPOSITORY).encode())  # of the graph, on this machine


@dataclass
class Made:
    """A network, and its run folder, which holds exported files as well."""

    folder: Path
    model: nn.Module
    printed: str = ""

    def export(self, output: str, *words: object) -> bytes:
        """What the program writes, given flags and config keys besides."""
        flags = (self.folder, "--output", self.folder / output)
        main([str(word) for word in (*flags, *words)])
        return (self.folder / output).read_bytes()


@pytest.fixture(scope="module")
def made(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """The network as ``model.onnx`` and ``model.pt2``, and what the program printed."""
    folder = tmp_path_factory.mktemp("export")
    made = Made(folder, save_network(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTREID_DATASETS", str(datasets))
        patch.setattr("idkl.export.latency.RUNS", 1)
        patch.setattr("idkl.export.latency.BATCHES", (1, 2))
        patch.setattr("idkl.export.agreement.TEST_IMAGES", 6)
        with pytest.MonkeyPatch.context() as streams:
            streams.setattr(sys, "stdout", printed := io.StringIO())
            for ending in FORMATS:
                made.export(f"model{ending}", "--time")
        made.printed = printed.getvalue()
        yield made


@pytest.fixture(scope="module")
def images(made: Made) -> dict[str, torch.Tensor]:
    """Ten images of the test set by their paths."""
    cfg = merge_config(str(made.folder / "config.yaml"), [])
    (batch, *_) = build_test_loader(cfg, "SYSU_MM01")[0]
    return dict(zip(batch["img_paths"][:10], batch["images"][:10], strict=True))


@pytest.mark.parametrize("ending", FORMATS)
def test_the_file_embeds_as_the_model(ending: str, made: Made, images: dict[str, torch.Tensor]) -> None:
    embed = FORMATS[ending].open((made.folder / f"model{ending}").read_bytes(), 1)
    batch = torch.stack(list(images.values()))
    with torch.no_grad():
        expected = F.normalize(made.model({"images": batch}))
    assert (expected @ expected.T).fill_diagonal_(0).max() < 0.9  # else any file would do
    for size in (1, 3, 10):
        assert torch.allclose(embed(batch[:size]), expected[:size], atol=1e-5, rtol=0)


def test_the_graph_holds_the_shared_branch_alone(made: Made) -> None:
    kept = Embedder(made.model, flip=False)
    convolutions = [module for module in kept.modules() if isinstance(module, nn.Conv2d)]
    graph = onnx.load(made.folder / "model.onnx").graph
    assert sum(node.op_type == "Conv" for node in graph.node) == len(convolutions) == 20
    # Each convolution takes its BN in as a bias; the neck's BN and the pixels' mean and deviation stay.
    weights = sum(c.weight.numel() + c.out_channels for c in convolutions) + 4 * 512 + 2 * 3
    found = sum(int(np.prod(tensor.dims)) for tensor in graph.initializer)
    assert weights <= found < weights + 20  # and some constants
    program = torch.export.load(made.folder / "model.pt2")
    assert {name: value.shape for name, value in program.state_dict.items()} == {
        name: value.shape for name, value in kept.state_dict().items()
    }
    names = [*(t.name for t in graph.initializer), *(n.name for n in graph.node), *map(str, program.graph.nodes)]
    assert len(names) > 100 and [name for name in names if LEFT_OUT.search(name)] == []
    share, whole = (sum(p.numel() for p in module.parameters()) / 1e6 for module in (kept, made.model))
    assert (
        f"trained values: {share:.1f} of the checkpoint's {whole:.1f} million" in made.printed and share < whole / 1.9
    )


def test_the_file_says_what_it_is_and_not_where_it_was_made(made: Made) -> None:
    model = onnx.load(made.folder / "model.onnx")
    said = {entry.key: entry.value for entry in model.metadata_props}
    files = {METADATA: ""}
    torch.export.load(made.folder / "model.pt2", extra_files=files)
    assert json.loads(files[METADATA]) == said
    assert (json.loads(said["size"]), said["dimensions"], said["checkpoint"]) == ([64, 32], "512", "model_final.pth")
    assert json.loads(said["pixel_mean"]) == pytest.approx(made.model.pixel_mean.flatten().tolist())
    assert json.loads(said["pixel_std"]) == pytest.approx(made.model.pixel_std.flatten().tolist())
    assert said["checkpoint_sha256"] == hashlib.sha256((made.folder / "model_final.pth").read_bytes()).hexdigest()
    shapes = [
        [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*model.graph.input, *model.graph.output)
    ]
    assert shapes == [["batch", 3, 64, 32], ["batch", 512]]
    with zipfile.ZipFile(made.folder / "model.pt2") as archive:
        contents = [archive.read(name) for name in archive.namelist()]
    for content in ((made.folder / "model.onnx").read_bytes(), *contents):
        assert not any(origin in content for origin in ORIGIN)


def test_the_program_says_how_near_and_how_fast(made: Made) -> None:
    errors = [float(error) for error in re.findall(r"max abs error (\S+),", made.printed)]
    assert len(errors) == 4 and max(errors) < 1e-5
    assert made.printed.count(" 6 test images of SYSU_MM01") == 2
    assert re.findall(r"^ +(1|2) +[\d.]+ +[\d.]+ +[\d.]+$", made.printed, re.MULTILINE) == ["1", "2"] * 2


def test_the_example_ranks_as_the_model(
    made: Made, images: dict[str, torch.Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    query, *gallery = images
    runpy.run_path(str(EXAMPLE))["main"](str(made.folder / "model.onnx"), query, *gallery)
    with torch.no_grad():
        unit = F.normalize(made.model({"images": torch.stack(list(images.values()))}))
    ranked = sorted(zip((unit[1:] @ unit[0]).tolist(), gallery, strict=True), reverse=True)
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    assert [path for _, path in lines] == [path for _, path in ranked]
    assert [float(cosine) for cosine, _ in lines] == pytest.approx([cosine for cosine, _ in ranked], abs=1e-4)


def test_nothing_is_written_when_the_file_would_differ(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    content, plain = (made.folder / "model.pt2").read_bytes(), IDKL.preprocess_image
    monkeypatch.setattr(IDKL, "preprocess_image", lambda self, given: plain(self, given).flip(dims=[3]))
    as_before = replace(FORMATS[".pt2"], make=lambda *_: content)  # Embedder normalises pixels by itself
    monkeypatch.setitem(FORMATS, ".pt2", as_before)
    files = sorted(made.folder.iterdir())
    for output in ("new.pt2", "model.pt2"):
        with pytest.raises(UserError, match="nothing is written: on random images .* are 0.* off the model's"):
            made.export(output)
    assert sorted(made.folder.iterdir()) == files and (made.folder / "model.pt2").read_bytes() == content


def test_baseline_with_its_mirror_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(tmp_path))
    words = (*BASELINE, "TEST.FLIP.ENABLED", "True")
    made = Made(tmp_path, save_network(tmp_path, *words))
    embed = FORMATS[".pt2"].open(made.export("a.pt2"), 1)
    images = make_batch()["images"][:3]
    with torch.no_grad():
        both = [made.model({"images": given}) for given in (images.clone(), images.flip(dims=[3]))]
    assert torch.allclose(embed(images), F.normalize(both[0] + both[1]), atol=1e-5, rtol=0)
    assert not torch.allclose(embed(images), F.normalize(both[0]), atol=1e-3)
    assert "not compared on test images: dataset SYSU_MM01 is not at" in capsys.readouterr().out


def test_mistakes_are_one_line(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(made.folder.iterdir())
    for output, words, message in (
        ("a.pt", (), r"a\.pt must end in one of \.onnx, \.pt2"),
        ("model_final.pth/a.pt2", (), "cannot write"),
        ("a.pt2", ("INPUT.CROP.ENABLED", "True"), r"INPUT\.SIZE_TEST \[64, 32\]: to export, give"),
    ):
        with pytest.raises(UserError, match=message) as error:
            made.export(output, *words)
        assert len(str(error.value).splitlines()) == 1
    config = ("--config-file", str(CONFIGS / "demo.yml"), "--output", "a.onnx")
    with pytest.raises(UserError, match=r"none\.pth is missing"):
        main([*config, "MODEL.WEIGHTS", "none.pth"])
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"\.onnx needs onnxscript .*pip install onnx onnxruntime onnxscript"):
        made.export("a.onnx")
    with pytest.raises(UserError, match="what is to be exported"):
        main(list(config))
    assert sorted(made.folder.iterdir()) == before
