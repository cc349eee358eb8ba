"""The real thing: `nodulerisk serve` in a process of its own, and Chromium."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from needs import CHROMIUM

LAPTOP = {"width": 1366, "height": 768}
PATIENCE_MS = 30_000  # for what computes
STARTING_MS = 90_000  # as long as a session may take to start, and more
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.fixturenames:
            item.add_marker(pytest.mark.needs(CHROMIUM))


NODULERISK = [str(Path(sys.executable).with_name("nodulerisk"))]
# the same, but with the next session in reserve at once: tests end theirs sooner than users
EAGER = [
    sys.executable,
    "-c",
    "from LungNoduleRiskWeb.front import sessions; sessions.REFILL_SECONDS = 0;"
    "from nodulerisk.cli import app; app()",
]
OPTIONS = ["--sessions", "4", "--max-upload-gb", "0.1"]


@contextmanager
def serving(*options: str, program: list[str] = NODULERISK) -> Iterator[str]:
    """The address that `nodulerisk serve` says to open."""
    command = [*program, "serve", "--port", "0", *options]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        yield next(line.split()[1] for line in server.stdout if line.startswith("Open "))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


@pytest.fixture(scope="session")
def shared_address() -> Iterator[str]:
    """Of the server that tests share."""
    with serving(*OPTIONS, program=EAGER) as address:
        yield address


@pytest.fixture(scope="module")
def options() -> list[str]:
    """Of the server; a module that needs others has one of its own."""
    return OPTIONS


@pytest.fixture(scope="module")
def address(options, request) -> Iterator[str]:
    if options is OPTIONS:
        yield request.getfixturevalue("shared_address")
    else:
        with serving(*options, program=EAGER) as address:
            yield address


@pytest.fixture(
    scope="module"
)  # no longer: while it lives, no test can run an event loop of its own
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address) -> Iterator:
    """Opens the page as a user of their own: `visit() -> Page`; its session ends with the test."""
    contexts = []

    def open_page(**options) -> Page:
        context = browser.new_context(**{"viewport": LAPTOP, "accept_downloads": True, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        # by the browser itself: scripts' faults, and what the content security policy refused
        page.said = []
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on(
            "console", lambda line: page.said.append(line.text) if "Security" in line.text else None
        )
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(address, timeout=STARTING_MS)
        page.get_by_role("button", name="Sample").wait_for()
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            page.get_by_role("button", name="Deletes what was uploaded").click()
        context.close()


@pytest.fixture
def page(visit) -> Page:
    return visit()
