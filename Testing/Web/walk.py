"""The whole job as a new user does it, with a picture of each step to look at.

``python Testing/Web/walk.py FOLDER [WINDOW ...]`` goes from the studies of a real Orthanc to the
masks found in it again.

Firefox is Debian's own, driven by WebDriver BiDi: Playwright 1.58 does that, newer ones ask more of
it than Firefox ESR 153 knows.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

from playwright.sync_api import Locator, Page, Playwright, expect, sync_playwright

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "Core" / "made")]

from conftest import STARTING_MS, serving
from made_orthanc import Orthanc, orthanc, sample_study
from needs import CHROMIUM
from nodulerisk.pacs.access import access_to
from nodulerisk.pacs.archive import Archive
from nodulerisk.pacs.query import Wanted

PATIENT, LATER, EARLIER = "Grün^Jörg", "20240301", "20220301"
POINT = "(−81.5; −192.5; −192)"
PATIENCE_MS = 180_000
PHONE = {"width": 390, "height": 844}
WINDOWS: dict[str, dict[str, Any]] = {
    "laptop": {"viewport": {"width": 1366, "height": 768}},
    "phone": {"viewport": PHONE, "has_touch": True, "device_scale_factor": 2},
    "4k": {"viewport": {"width": 3840, "height": 2160}},
    "firefox": {"viewport": {"width": 1366, "height": 768}},
}


expect.set_options(timeout=PATIENCE_MS)


class Walk:
    """One user's way through the page."""

    def __init__(self, page: Page, folder: Path, touches: bool):
        self.page, self.folder, self._touches = page, folder, touches
        self._numbers = count(1)

    def see(self, step: str) -> None:
        """Keeps a picture of what is on the screen, and of nothing wider than it."""
        self.page.wait_for_timeout(1000)  # what moves comes to rest
        path = self.folder / f"{next(self._numbers):02d} {step}.png"
        self.page.screenshot(path=path)
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), step

    def press(self, what: Locator) -> None:
        what.scroll_into_view_if_needed()
        if self._touches:
            what.tap()
        else:
            what.click()

    def button(self, name: str) -> None:
        """Presses a button of the page, or of the dialog over it."""
        dialog = self.page.get_by_role("dialog")
        among = dialog if dialog.count() else self.page
        self.press(among.get_by_role("button", name=name).first)
        if name == "Close":
            expect(dialog).to_have_count(0)

    def find(self) -> None:
        page = self.page
        self.see("empty")
        self.button("Find a CT")
        page.get_by_label("Patient's name").fill("grün")
        page.get_by_label("Patient's name").press("Enter")
        expect(page.locator(".studies tbody tr")).to_have_count(2)
        self.see("studies")
        self.button("Show the series of 2024-03-01")
        page.get_by_title("Retrieve this series").wait_for()
        self.see("series")
        self.press(page.get_by_title("Retrieve this series"))
        expect(page.locator("#ct-text")).to_be_visible()
        self.see("opened")

    def assess(self) -> None:
        page = self.page
        page.get_by_label("x, y, z").fill(POINT)
        page.get_by_label("x, y, z").press("Enter")
        expect(page.locator(".nodule")).to_have_count(1)
        self.button("Place points")
        box = page.get_by_label("Coronal view").bounding_box()
        assert box is not None
        where = box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.45
        page.touchscreen.tap(*where) if self._touches else page.mouse.click(*where, delay=50)
        expect(page.locator(".nodule")).to_have_count(2)
        self.see("placed")
        self.press(page.locator("#assess"))
        expect(page.get_by_text("nodules assessed.")).to_be_visible()
        self.see("assessed")
        for number in (1, 2):
            page.locator("#facts h3").nth(3 * number).scroll_into_view_if_needed()
            self.see(f"facts {number}")
        page.get_by_role("heading", name="For scores").scroll_into_view_if_needed()
        self.see("downloads")

    def read(self) -> None:
        page = self.page
        self.button("Interactive mesh")
        page.frame_locator("iframe.report").locator(".js-plotly-plot").first.wait_for()
        self.see("mesh")
        self.button("Close")
        self.button("Explain")
        page.locator("#explained").wait_for()
        self.see("explained")
        self.button("Hide map")
        self.button("Dark")
        self.see("light")
        self.button("Dark")
        self.button("Keys and mouse")
        self.see("help")
        self.button("Close")

    def follow(self) -> None:
        """Compares with the earlier study of the archive."""
        page = self.page
        self.press(page.get_by_title("Retrieve the earlier CT"))
        self.button("Open beside")
        expect(page.locator(".scans li")).to_have_count(2)
        self.see("beside")
        page.get_by_label("x, y, z").fill(POINT)
        page.get_by_label("x, y, z").press("Enter")
        expect(page.locator(".nodule")).to_have_count(1)
        self.press(page.locator("#assess"))
        expect(page.get_by_text("1 of 1 nodules assessed.")).to_be_visible()
        self.press(page.get_by_role("button", name="Show this CT").first)
        expect(page.locator(".nodule")).to_have_count(2)
        self.press(page.locator("#follow-up .v-select"))
        page.get_by_role("option").first.click()
        self.button("Compare")
        page.get_by_role("button", name="Compare these").wait_for()
        self.see("pairs")
        self.button("Compare these")
        self.press(page.locator(".nodule").first)
        expect(page.locator(".earlier").first).to_be_visible()
        self.see("compared")

    def send(self, archive: Orthanc) -> None:
        page = self.page
        self.button("Send results")
        page.get_by_role("dialog", name="Send to the archive?").wait_for()
        self.see("sending")
        self.press(page.get_by_role("dialog").get_by_role("button", name="Send", exact=True))
        panel = page.get_by_role("complementary", name="Nodules and results")
        expect(panel.get_by_text("The archive has stored the masks")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        self.see("sent")
        studies = Archive(access_to(archive.address, {})).find(Wanted(name=PATIENT))[0]
        assert {"CT", "SEG", "SR"} in [set(study.modalities) for study in studies]
        self.button("Find a CT")
        page.get_by_label("Patient's name").press("Enter")
        expect(page.locator(".studies tbody tr")).to_have_count(2)
        self.see("found again")

    def see_in_the_archive(self, archive: Orthanc) -> None:
        """In Orthanc's own page."""
        root = archive.address.removesuffix("/dicom-web")
        with urlopen(f"{root}/studies?expand") as answer:
            [found] = [one["ID"] for one in json.load(answer) if LATER in str(one)]
        self.page.goto(f"{root}/app/explorer.html#study?uuid={found}")
        self.page.get_by_text("SEG").first.wait_for()
        self.see("in Orthanc")


@contextmanager
def browser(play: Playwright, window: str) -> Iterator[Page]:
    if window == "firefox":
        found = play.firefox.launch(
            channel="moz-firefox", executable_path=shutil.which("firefox-esr")
        )
    else:
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    page = found.new_context(**WINDOWS[window]).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: print("fault in a script:", error))
    yield page
    found.close()


def walk(play: Playwright, window: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as kept, orthanc(Path(kept)) as archive:
        for date in (EARLIER, LATER):
            files = sample_study(Path(kept, date), date, PATIENT)
            Archive(access_to(archive.address, {})).store({file.name: file for file in files})
        with serving("--pacs", archive.address) as address, browser(play, window) as page:
            page.goto(address, timeout=STARTING_MS)
            page.get_by_role("button", name="Find a CT").wait_for()
            user = Walk(page, folder, touches=bool(WINDOWS[window].get("has_touch")))
            try:
                user.find()
                user.assess()
                user.read()
                user.follow()
                user.send(archive)
                user.see_in_the_archive(archive)
            except Exception:
                page.screenshot(path=folder / "failed.png")
                raise


def main() -> None:
    folder, *windows = sys.argv[1:]
    with sync_playwright() as play:
        for window in windows or WINDOWS:
            walk(play, window, Path(folder, window))


if __name__ == "__main__":
    main()
