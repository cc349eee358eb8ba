"""Reading and work in the page, in Chromium: tools over the views, and what must not be lost."""

from __future__ import annotations

import json
import re
import zipfile

from playwright.sync_api import Page, expect
from pydicom import dcmread

from test_page import CT, TYPED, add_point, assess, downloaded, upload

LOW = {"width": 1280, "height": 720}
# The least contrast of each text over a bar with any colour that may lie behind it.
BAR_CONTRASTS = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => v / 255)
      .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const colours = (text) => [...text.matchAll(/rgba?\\(([^)]*)\\)/g)]
    .map(([_, numbers]) => numbers.split(",").map(Number)).filter((one) => one[3] !== 0)
    .map((one) => one.slice(0, 3));
  return [...document.querySelectorAll(".bar")].flatMap((bar) => {
    const fill = getComputedStyle(bar.querySelector(".fill"));
    const behind = colours(fill.backgroundColor + fill.backgroundImage);
    return [...bar.querySelectorAll(".bar-words, .bar-threshold")].flatMap((text) => {
      const ink = light(colours(getComputedStyle(text).color)[0]);
      return behind.map(light)
        .map((paper) => (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05));
    });
  });
}"""


# A folder is dropped in which a link leads nowhere: the browser lists the file, and cannot read it.
DROP_A_DEAD_LINK = """() => {
  const gone = { isFile: true, name: "gone.dcm", file: (done, failed) => failed(new Error()) };
  const folder = { isFile: false, createReader: () => {
    const found = [[gone], []];
    return { readEntries: (done) => done(found.shift()) };
  } };
  const drop = new Event("drop", { cancelable: true });
  drop.dataTransfer = { items: [{ webkitGetAsEntry: () => folder }] };
  document.dispatchEvent(drop);
}"""


def with_sample(page: Page) -> None:
    page.get_by_role("button", name="Sample").click()
    expect(page.locator(".nodule")).to_have_count(1)
    expect(corner(page)).to_contain_text("Slice 30 of 59")


def view(page: Page, name: str = "Axial"):
    return page.get_by_label(f"{name} view")


def corner(page: Page, name: str = "Axial"):
    return view(page, name).locator(".corner")


def at(page: Page, right: float, up: float, name: str = "Axial") -> tuple[float, float]:
    """Pixels from the middle of a view."""
    box = view(page, name).bounding_box()
    return box["x"] + box["width"] / 2 + right, box["y"] + box["height"] / 2 - up


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def test_reading_a_slice(page):
    """HU, window, slab, cine, measuring and reset."""
    with_sample(page)
    page.mouse.move(*at(page, 40, 40))
    readout = page.locator(".readout")
    expect(readout).to_have_text(re.compile(r"^−?\d+ HU · L [\d.]+ P [\d.]+ I [\d.]+ mm$"))
    drag(page, at(page, 60, 60), at(page, 90, 20))
    expect(page.get_by_role("combobox", name="Window")).to_have_value("Free")
    expect(corner(page)).not_to_contain_text("W 1500")
    page.get_by_label("Width").fill("900")
    page.get_by_label("Level").fill("−300")
    expect(corner(page, "Coronal")).to_contain_text("W 900 L −300")
    page.get_by_role("combobox", name="Window").click(force=True)
    page.get_by_role("option", name="Bone").click()
    expect(corner(page)).to_contain_text("W 1800 L 400")
    page.get_by_role("combobox", name="Slab").click(force=True)
    page.get_by_role("option", name="MIP 10 mm").click()
    expect(corner(page)).to_contain_text("MIP 10 mm")

    page.get_by_role("button", name="Reset views and window").click()
    expect(corner(page)).to_have_text(re.compile(r"^Slice \d+ of 59 · W 1500 L −600$"))
    still = corner(page).text_content()
    page.get_by_role("button", name="Cine").click()
    expect(corner(page)).not_to_have_text(still)
    page.mouse.click(*at(page, 60, 60))  # stops it
    expect(page.get_by_role("button", name="Cine")).to_have_attribute("aria-pressed", "false")

    page.get_by_role("button", name="Measure").click()
    for right in (-40, 40):
        page.mouse.click(*at(page, right, -30))
    expect(page.get_by_role("button", name="Measure")).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".nodule")).to_have_count(1)  # no nodule was placed


def test_touchpad_steps_add_up_and_arrows_turn_slices(page):
    with_sample(page)
    page.mouse.move(*at(page, 0, 0))
    for _ in range(40):
        page.mouse.wheel(0, 1)
    page.mouse.wheel(0, 60)
    expect(corner(page)).to_contain_text("Slice 29 of 59")
    view(page).focus()
    page.keyboard.press("ArrowUp")
    expect(corner(page)).to_contain_text("Slice 30 of 59")


def fingers(page: Page, *path: list[tuple[float, float]]) -> None:
    """Puts fingers down, moves them from place to place, and lifts them."""
    screen = page.context.new_cdp_session(page)
    for kind, places in [("Start", path[0]), *(("Move", one) for one in path[1:]), ("End", [])]:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        screen.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})


def shown_mm(page: Page) -> float:
    """From left to right between two places of the axial view, once two readings agree: what is
    under the mouse is said a little later than the mouse is there."""
    last, now = 0.0, read_mm(page)
    while now != last or now < 1:
        last, now = now, read_mm(page)
    return now


def read_mm(page: Page) -> float:
    found = []
    for right in (-40, 40):
        page.mouse.move(*at(page, right, -20))
        page.mouse.move(*at(page, right, -21))
        readout = page.locator(".readout")
        expect(readout).to_contain_text("HU")
        page.wait_for_timeout(300)
        found.append(float(re.search(r"[LR] ([\d.]+)", readout.text_content())[1]))
    return abs(found[1] - found[0])


def test_one_finger_turns_slices_and_two_zoom(visit):
    page = visit(viewport={"width": 820, "height": 1180}, has_touch=True)
    with_sample(page)
    before = shown_mm(page)
    fingers(page, *([at(page, 0, up)] for up in range(0, 61, 10)))
    expect(corner(page)).to_contain_text("Slice 34 of 59")
    fingers(page, *([at(page, apart, 0), at(page, -apart, 0)] for apart in range(30, 61, 5)))
    page.wait_for_timeout(500)
    assert 0.4 < shown_mm(page) / before < 0.6
    expect(corner(page)).to_contain_text("Slice 34 of 59")
    expect(page.locator(".nodule")).to_have_count(1)


def test_points_are_not_lost_unasked_and_follow_up_compares(page, tmp_path):
    """Typed with brackets and Unicode's minus, entered, undone; a second CT beside the first; what
    became of the nodule; and the corrected mask in the downloads."""
    upload(page, CT)
    expect(page.locator("#ct-text")).to_be_visible()
    page.get_by_label("x, y, z").fill(f"({TYPED})".replace("-", "−").replace(",", ";"))
    page.get_by_label("x, y, z").press("Enter")
    expect(page.locator(".nodule")).to_have_count(1)
    page.locator("h2").first.click()
    page.keyboard.press("Control+z")
    expect(page.locator(".nodule")).to_have_count(0)
    add_point(page)
    assess(page)

    page.get_by_role("button", name="Sample").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("removes N1")
    dialog.get_by_role("button", name="Keep what is open").click()
    expect(page.locator(".nodule .sizes")).to_have_count(1)
    page.get_by_role("button", name="Choose a demonstration CT").click()
    page.get_by_text("Thick slices").click()
    dialog.get_by_role("button", name="Open beside").click()
    expect(page.locator(".scans li")).to_have_count(2)
    expect(page.locator(".nodule")).to_contain_text("Not assessed yet")
    assess(page)
    page.get_by_role("combobox", name="Earlier CT").click(force=True)
    page.get_by_role("option").first.click()
    page.get_by_label("Days between").fill("180 days")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("a number, such as 180")
    page.get_by_label("Days between").fill("180")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_role("button", name="Compare these").click()
    expect(page.locator(".earlier")).to_contain_text("Since 180 days before")
    expect(page.locator(".earlier")).to_contain_text("volume: 4253 → 4253 mm³")

    page.get_by_role("button", name="Paint").click()
    drag(page, at(page, 30, 0), at(page, 50, 10))
    expect(page.locator(".nodule .sizes")).not_to_contain_text("volume 4253 mm³")
    painted = json.loads(downloaded(page, "nodules.json", tmp_path).read_text("utf-8"))
    sizes = {one["name"]: one["value"] for one in painted["assessments"][0]["measurements"]}
    said = page.locator(".nodule .sizes").text_content()
    assert f"volume {sizes['volume']:.0f} mm³" in said
    page.keyboard.press("Control+z")
    expect(page.locator(".nodule .sizes")).to_contain_text("volume 4253 mm³")
    assert page.said == []


def test_results_fit_a_low_window_and_can_be_read_on_light_and_dark(visit):
    page = visit(viewport=LOW)
    with_sample(page)
    assess(page)
    expect(page.locator(".nodule")).to_be_in_viewport(ratio=1)
    expect(page.locator("#facts p").first).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("heading", name="Malignancy: malignant")).to_be_visible()
    for _theme in ("dark", "light"):
        page.wait_for_function(f"Math.min(...({BAR_CONTRASTS})()) >= 4.5")
        page.get_by_role("button", name="Dark").click()
    page.get_by_role("button", name="Keys and mouse").click()
    expect(page.get_by_role("dialog")).to_contain_text("turn the slices")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()


def test_an_upload_says_how_far_it_is_can_be_cancelled_and_names_dead_links(page, tmp_path):
    with_sample(page)
    network = page.context.new_cdp_session(page)
    pace = {"offline": False, "latency": 0, "downloadThroughput": -1}
    network.send("Network.emulateNetworkConditions", pace | {"uploadThroughput": 2_000_000})
    large = tmp_path / "large.nrrd"
    large.write_bytes(bytes(60_000_000))
    upload(page, large)
    expect(page.locator("#sent-words")).to_have_text(re.compile(r"^\d+ % of 60\.0 MB sent$"))
    page.get_by_role("button", name="Cancel upload").click()
    expect(page.get_by_text("The upload was cancelled.")).to_be_visible()
    expect(page.locator(".nodule")).to_have_count(1)
    with zipfile.ZipFile(CT) as archive:
        archive.extractall(tmp_path / "series")
    upload(page, tmp_path / "series", kind="Folder")
    expect(page.get_by_alt_text("A slice that has arrived")).to_be_visible()
    page.get_by_role("button", name="Cancel upload").click()
    expect(page.get_by_alt_text("A slice that has arrived")).to_have_count(0)
    page.evaluate(DROP_A_DEAD_LINK)
    expect(page.get_by_role("alert")).to_contain_text("'gone.dcm' cannot be read")


def test_a_dead_link_that_the_browser_leaves_out_is_a_missing_slice(page, tmp_path):
    """Chromium lists no such file of a folder that is chosen, and does not say so."""
    with zipfile.ZipFile(CT) as archive:
        archive.extractall(tmp_path)
    slices = sorted(tmp_path.rglob("*.dcm"), key=lambda file: dcmread(file).InstanceNumber)
    slices[20].unlink()
    slices[20].symlink_to("nowhere")
    upload(page, tmp_path, kind="Folder")
    expect(page.locator(".checks")).to_contain_text("1 missing slice")
