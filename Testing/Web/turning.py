"""How fast pictures follow the wheel: ``python Testing/Web/turning.py``, for Docs/speed.md.

Turns forty notches over the axial view of the sample in Chromium, at three window sizes, and prints
the time from the last notch to the last picture, and the most memory of the session.
"""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
from playwright.sync_api import Page, sync_playwright

sys.path.append(str(Path(__file__).parents[1]))

from conftest import serving
from needs import CHROMIUM

SIZES = ((1366, 768), (1920, 1080), (3840, 2160))
NOTCHES = 40
# Times of the axial view's pictures, while they come, in ms.
WATCH = """() => {
  window.times = [];
  const text = document.querySelector("[aria-label='Axial view'] .corner");
  new MutationObserver(() => window.times.push(performance.now()))
    .observe(text, { characterData: true, childList: true, subtree: true });
}"""


def main() -> None:
    print("| window | last notch to its picture | pictures | memory of the session |")
    print("|---|---|---|---|")
    with serving() as address, sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = chromium.new_page()
        page.goto(address)
        page.get_by_role("button", name="Sample").click()
        page.locator(".nodule").wait_for()
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(4000)
            late_s, pictures = turned(page)
            memory = memory_gb()
            print(f"| {width} × {height} | {late_s:.2f} s | {pictures} | {memory:.2f} GB |")
        chromium.close()


def turned(page: Page) -> tuple[float, int]:
    """Seconds from the last notch to the last picture, and how many pictures there were."""
    page.evaluate(WATCH)
    box = page.get_by_label("Axial view").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for notch in range(NOTCHES):
        page.mouse.wheel(0, 100 if notch < NOTCHES // 2 else -100)
    over = page.evaluate("performance.now()")
    page.wait_for_timeout(4000)
    times = page.evaluate("window.times")
    return (times[-1] - over) / 1000, len(times)


def memory_gb() -> float:
    """Of the session's process."""
    mine = psutil.Process().children(recursive=True)
    sessions = [one for one in mine if "LungNoduleRiskWeb.session" in one.cmdline()]
    return max(one.memory_info().rss for one in sessions) / 1e9


if __name__ == "__main__":
    main()
