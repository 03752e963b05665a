"""A headless Chromium for tests of pages, as fixtures: the system's own browser, never one that is downloaded here.

Without a browser the tests are skipped with a line that says what to install; with ``CI`` in the environment they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium to open pages with: install it (Debian, Ubuntu: apt-get install chromium)"
LOCAL = ("file:", "data:", "blob:", "http://127.0.0.1:", "http://localhost:")
# Nothing that talks to the network by itself; a container runs as root, where Chromium's sandbox does not start.
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser, with a fresh profile, for the tests of one file: playwright keeps an event loop while it runs."""
    program = next((path for name in NAMES if (path := shutil.which(name))), None)
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    from playwright.sync_api import sync_playwright  # here: its import takes as long as many tests

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """An empty page. A test ends badly when it logged an error, threw, or asked for anything of another machine."""
    page = chromium.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(LOCAL) else troubles.append(request.url))
    yield page
    page.close()
    assert troubles == []
