"""The application: answers against a naive ranking, and its pages in a browser that must ask nobody else."""

from __future__ import annotations

import io
import re
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from flask.testing import FlaskClient
from PIL import Image

from datasets_ext import UserError
from idkl.application import pages
from idkl.application.pages import create_app
from idkl.application.search import PersonSearch
from idkl.application.serve import make_app_server, open_port
from idkl.visualization.source import open_source
from tests.runs import save_network
from tools.app import main

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

TOP = 4


@pytest.fixture(scope="module")
def search(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PersonSearch]:
    """A network with a test set of infrared and visible images."""
    save_network(folder := tmp_path_factory.mktemp("run"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTREID_DATASETS", str(datasets))
        patch.setattr(pages, "TOP", TOP)
        yield PersonSearch(open_source(folder))


@pytest.fixture
def client(search: PersonSearch) -> FlaskClient:
    return create_app(search).test_client()


@pytest.fixture(scope="module")
def address(search: PersonSearch) -> Iterator[str]:
    """Where the pages are served meanwhile."""
    server = make_app_server(create_app(search), open_port(0))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://{server.host}:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("modality", [0, 1])
def test_the_other_modality_is_ranked_by_cosine(modality: int, search: PersonSearch) -> None:
    labels, modalities = search.embedded.images, search.embedded.modalities
    row = int(search.rows(modality)[0])
    answer = search.ask_row(row, TOP)
    features = torch.from_numpy(search.embedded.features)
    gallery = [other for other in range(len(features)) if modalities[other] != modality]
    cosines = {other: float(F.cosine_similarity(features[row], features[other], dim=0)) for other in gallery}
    ranked = sorted(gallery, key=lambda other: -cosines[other])
    assert [match.row for match in answer.matches] == ranked[:TOP] and answer.gallery == len(gallery)
    for match in answer.matches:
        assert match.cosine == pytest.approx(cosines[match.row], abs=1e-5)
        assert (match.pid, match.camid) == (labels.pids[match.row], labels.camids[match.row])
    right = [rank for rank, other in enumerate(ranked, 1) if labels.pids[other] == labels.pids[row]]
    assert (answer.first_right, answer.pid) == (right[0], labels.pids[row])


def test_an_uploaded_test_image_gets_the_answer_of_that_image(search: PersonSearch) -> None:
    row = int(search.rows(1)[0])
    image = Image.open(search.embedded.root / search.embedded.images.paths[row]).convert("RGB")
    known, unknown = search.ask_row(row, TOP), search.ask_image(image, 1, TOP)
    assert torch.equal(known.pixels, unknown.pixels) and unknown.pid is unknown.first_right is None
    for one, other in zip(known.matches, unknown.matches, strict=True):
        assert one.row == other.row and one.cosine == pytest.approx(other.cosine, abs=1e-5)


def test_heat_is_of_what_sets_query_and_match_apart_from_the_rest(
    search: PersonSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[torch.Tensor] = []

    def stand_in(_: Any, images: torch.Tensor, directions: torch.Tensor) -> tuple[np.ndarray, tuple[int, int]]:
        asked.extend(directions)
        return np.arange(len(images))[:, None, None] * np.ones((64, 32)), (4, 2)

    monkeypatch.setattr("idkl.application.search.grad_cam", stand_in)
    row = int(search.rows(1)[0])
    answer = search.ask_row(row, TOP)
    features, modalities = torch.from_numpy(search.embedded.features), search.embedded.modalities
    visible, infrared = (features[modalities == modality].mean(dim=0) for modality in (0, 1))
    query, first = features[row] - infrared, features[answer.matches[0].row] - visible
    zero = search._network.origin()[0]
    for direction, partner, mean in (
        (asked[0], first, infrared - zero),
        *((direction, query, visible - zero) for direction in asked[1:]),
    ):
        towards = partner / partner.norm()
        assert torch.allclose(direction, towards - (towards @ mean) / (mean @ mean) * mean, atol=1e-5)
    assert len(asked) == 1 + TOP
    assert [entry.heat[0, 0] for entry in (answer, *answer.matches)] == list(range(1 + TOP))


def test_what_the_pages_refuse(client: FlaskClient, search: PersonSearch) -> None:
    last = len(search.embedded.features) - 1
    assert client.get(f"/image/{last}.png").status_code == client.get(f"/test/{last}").status_code == 200
    assert client.get(f"/image/{last + 1}.png").status_code == client.get(f"/test/{last + 1}").status_code == 404
    assert client.get("/?side=9&page=99999").status_code == client.get("/?side=x&page=-3").status_code == 200
    assert client.get("/", headers={"Host": "rebound.example:80"}).status_code == 400  # a foreign name for this machine
    assert client.post("/upload", data={"modality": "infrared"}).status_code == 400
    named = {"modality": "infrared", "image": (io.BytesIO(b"x"), "<script>alert(1)</script>.png")}
    text = client.post("/upload", data=named).text
    assert "&lt;script&gt;" in text and "<script" not in text
    gone = search.embedded.root / search.embedded.images.paths[0]
    gone.rename(gone.with_suffix(".away"))
    answer = client.get("/test/0")
    gone.with_suffix(".away").rename(gone)
    assert answer.status_code == 400 and "is gone: restore it" in answer.text
    policy = client.get("/").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "http" not in policy


def test_every_test_image_is_offered_once(client: FlaskClient, search: PersonSearch) -> None:
    for side in (0, 1):
        found, page = [], 0
        while "More images" in (text := client.get(f"/?side={side}&page={page}").text) or not found or page:
            found += [int(row) for row in re.findall(r'src="/image/(\d+)\.png"', text)]
            page = page + 1 if "More images" in text else 0
            if page == 0:
                break
        assert sorted(found) == np.flatnonzero(search.embedded.modalities == side).tolist()


@pytest.fixture
def tab(chromium: Browser, address: str) -> Iterator[Page]:
    """The first page; the test ends badly when a page threw or asked for anything elsewhere."""
    tab = chromium.new_page()
    troubles: list[str] = []
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on("request", lambda r: None if r.url.startswith((address, "data:")) else troubles.append(r.url))
    tab.on("response", lambda r: troubles.append(r.url) if r.status >= 400 and r.request.method == "GET" else None)
    tab.goto(address)
    yield tab
    tab.close()
    assert troubles == []


def follow(tab: Page, link: Locator) -> None:
    """Click, and wait until the next page and its images are there."""
    with tab.expect_navigation():
        link.click()


def send(tab: Page, file: Path, modality: str = "infrared") -> None:
    tab.set_input_files("input[type=file]", file)
    tab.get_by_label(modality, exact=True).check()
    follow(tab, tab.get_by_role("button", name="Search"))


def seen(tab: Page) -> bool:
    """Whether every image of the page is there."""
    return tab.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0) && document.images.length")


def test_a_click_ranks_the_gallery(tab: Page, search: PersonSearch) -> None:
    follow(tab, tab.locator(".offered a").first)
    answer = search.ask_row(int(search.rows(1)[0]), TOP)
    assert "Infrared query, visible gallery" in tab.locator("#answer h2").inner_text()
    cards = tab.locator(".matches li")
    for match, text in zip(answer.matches, cards.all_inner_texts(), strict=True):
        assert f"cosine {match.cosine:.3f}" in text
    right = [match.pid == answer.pid for match in answer.matches]
    assert ["✓ same person" in text for text in cards.all_inner_texts()] == right
    assert seen(tab) and tab.locator(".matches img").count() == 2 * TOP
    follow(tab, cards.first.get_by_role("link"))  # and on from the match, the other way round
    assert "Visible query, infrared gallery" in tab.locator("#answer h2").inner_text()


def test_an_upload_is_ranked_and_a_bad_one_refused(tab: Page, tmp_path: Path) -> None:
    night = np.random.default_rng(0).random((96, 48)) * 65535
    Image.fromarray(night.astype(np.uint16)).save(tmp_path / "night.png")
    send(tab, tmp_path / "night.png")
    assert "Infrared query, visible gallery" in tab.locator("#answer h2").inner_text()
    assert "night.png" in tab.locator(".query").inner_text() and tab.locator(".mark").count() == 0
    assert tab.locator(".matches li").count() == TOP and seen(tab)
    send(tab, tmp_path / "night.png", "visible")
    assert "Visible query, infrared gallery" in tab.locator("#answer h2").inner_text()
    for name, content, message in (
        ("notes.txt", b"hello", "notes.txt is not an image of a known format: give one of PNG, JPEG"),
        ("cut.png", (tmp_path / "night.png").read_bytes()[:-5000], "cut.png is a damaged image"),
        ("big.png", bytes(21 * 2**20), "The file is too big: it may have 20 MB."),
    ):
        (tmp_path / name).write_bytes(content)
        send(tab, tmp_path / name)
        assert message in tab.get_by_role("alert").inner_text()
        assert "Traceback" not in tab.content() and tab.locator(".offered a").count() > 10


def test_a_port_in_use_and_other_mistakes_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_network(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {number} is in use: choose another one with --port"):
            main([str(tmp_path), "--port", str(number)])
    with pytest.raises(UserError, match="port 70000 cannot be opened"):
        open_port(70000)
    with pytest.raises(UserError, match="has no model_final.pth"):
        main([str(tmp_path / "..")])
    monkeypatch.setitem(sys.modules, "pytorch_grad_cam", None)
    with pytest.raises(UserError, match="the application needs pytorch_grad_cam: pip install"):
        main([str(tmp_path)])


def test_only_this_machine_is_served() -> None:
    with open_port(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
