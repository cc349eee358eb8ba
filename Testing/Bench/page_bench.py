"""How fast the page is: ``python -m page_bench``, for Docs/web.md.

The page as a user has it, in Chromium on the same machine, with the first sample. Prints a table.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from conftest import STARTING_MS, serving
from needs import CHROMIUM

ROUNDS = 3
SIZES = ((1366, 768), (1920, 1080), (3840, 2160))
NOTCHES = 40
REST_MS = 4000  # until nothing moves any more, and a session in reserve has started
TURNING_S = 3.0
# Times of the pictures with other slices in the axial view, while they come, in ms.
WATCH_SLICES = """() => {
  const times = window.times = [];
  const text = document.querySelector("[aria-label='Axial view'] .corner");
  new MutationObserver(() => times.push(performance.now()))
    .observe(text, { characterData: true, childList: true, subtree: true });
}"""
# Times of all pictures of the 3D view.
WATCH_SPACE = """() => {
  const times = window.times = [];
  let last = null;
  const look = () => {
    const shown = trame.utils.lnr.shown().ThreeD;
    if (shown !== last) times.push(performance.now());
    last = shown;
    if (window.times === times) requestAnimationFrame(look);
  };
  look();
}"""


def main() -> None:
    print("| what | found |")
    print("|---|---|")
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for options in (["--no-reserve"], []):
            found = [usable_s(chromium, *options) for _ in range(ROUNDS)]
            say(f"page usable, {' '.join(options) or 'session in reserve'}", found, "s")
        with opened(chromium) as page:
            for width, height in SIZES:
                page.set_viewport_size({"width": width, "height": height})
                found = [late_s(page) for _ in range(ROUNDS)]
                say(f"last notch to its picture, {width} × {height}", found, "s")
            say("memory of the session at 4K", [memory_gb()], "GB")
            page.set_viewport_size({"width": 1920, "height": 1080})
            assess_s(page)  # the networks start
            say("Assess to result, warm", [assess_s(page) for _ in range(ROUNDS)], "s")
            choose_layout(page, "3D")
            say("3D pictures, 1920 × 1080", [turned_fps(page) for _ in range(ROUNDS)], "/s")
        chromium.close()
    print(f"\nload {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores")


def say(what: str, found: list[float], unit: str) -> None:
    middle = f"{statistics.median(found):.2f} {unit}"
    spread = f" ({min(found):.2f} to {max(found):.2f})" if len(found) > 1 else ""
    print(f"| {what} | {middle}{spread} |", flush=True)


@contextmanager
def opened(chromium: Browser) -> Iterator[Page]:
    """A page with the sample."""
    with serving() as address:
        page = chromium.new_page()
        page.goto(address, timeout=STARTING_MS)
        page.get_by_role("button", name="Sample").click()
        page.locator(".nodule").wait_for()
        yield page
        page.close()


def usable_s(chromium: Browser, *options: str) -> float:
    """From the address to a page that can be used."""
    with serving(*options) as address:
        page = chromium.new_page()
        page.wait_for_timeout(2 * REST_MS)
        began = time.monotonic()
        page.goto(address, timeout=STARTING_MS)
        page.get_by_role("button", name="Sample").wait_for()
        took = time.monotonic() - began
        page.context.close()
        return took


def late_s(page: Page) -> float:
    """From the last of many notches over the axial view to its picture."""
    page.wait_for_timeout(REST_MS)
    page.evaluate(WATCH_SLICES)
    box = page.get_by_label("Axial view").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for notch in range(NOTCHES):
        page.mouse.wheel(0, 100 if notch < NOTCHES // 2 else -100)
    over = page.evaluate("performance.now()")
    page.wait_for_timeout(REST_MS)
    return (page.evaluate("window.times.at(-1)") - over) / 1000


def assess_s(page: Page) -> float:
    page.evaluate("trame.state.set('message', '')")
    page.get_by_text("nodules assessed.").wait_for(state="hidden")
    began = time.monotonic()
    page.locator("#assess").click()
    page.get_by_text("nodules assessed.").wait_for()
    return time.monotonic() - began


def choose_layout(page: Page, name: str) -> None:
    page.get_by_role("combobox", name="Layout").click(force=True)
    page.get_by_role("option", name=name, exact=True).click()
    page.wait_for_timeout(REST_MS)


def turned_fps(page: Page) -> float:
    """Pictures a second while the mouse turns the 3D view."""
    page.evaluate(WATCH_SPACE)
    box = page.get_by_role("img", name="3D view").bounding_box()
    assert box is not None
    left, top = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(left, top)
    page.mouse.down()
    began, step = time.monotonic(), 0
    while time.monotonic() < began + TURNING_S:
        step += 1
        page.mouse.move(left + step % 200, top + step % 90)
    page.mouse.up()
    return len(page.evaluate("window.times")) / TURNING_S


def memory_gb() -> float:
    """Of the session's process."""
    mine = psutil.Process().children(recursive=True)
    sessions = [one for one in mine if "LungNoduleRiskWeb.session" in one.cmdline()]
    return max(one.memory_info().rss for one in sessions) / 1e9


if __name__ == "__main__":
    main()
