"""What is clicked is what was seen: a point lies in the slice that was on the screen."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

PLACE = "Place points: click each nodule in a slice"
# The axial picture as it is when a button is pressed, in 64 x 64 grey levels, for `seen`.
WATCH = """() => {
  window.grey = () => {
    const small = document.createElement("canvas");
    small.width = small.height = 64;
    const ink = small.getContext("2d");
    const view = document.querySelector("[aria-label='Axial view'] canvas");
    ink.drawImage(view, 0, 0, 64, 64);
    return [...ink.getImageData(0, 0, 64, 64).data].filter((_, index) => index % 4 === 1);
  };
  window.addEventListener("pointerdown", () => { window.seen = window.grey(); }, true);
}"""
UNLIKE = """() => window.grey().reduce(
  (sum, value, index) => sum + Math.abs(value - window.seen[index]), 0)"""
LATE = """() => {
  const decode = window.createImageBitmap;
  window.createImageBitmap = async (...given) => {
    await new Promise((done) => setTimeout(done, window.late ?? 0));
    return decode(...given);
  };
}"""


def with_sample(page: Page) -> None:
    page.get_by_role("button", name="Sample").click()
    expect(page.locator(".nodule")).to_have_count(1)
    expect(corner(page)).to_contain_text("Slice 30 of 59")
    page.evaluate(WATCH)


def corner(page: Page, view: str = "Axial"):
    return page.get_by_label(f"{view} view").locator(".corner")


def middle(page: Page, view: str = "Axial") -> tuple[float, float]:
    box = page.get_by_label(f"{view} view").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def slice_of(page: Page, nodule: str) -> int:
    """As the list of nodules says."""
    row = page.locator(".nodule").filter(has_text=nodule)
    expect(row).to_contain_text("slice")
    return int(re.search(r"slice (\d+)", row.text_content())[1])


def go_to(page: Page, number: int) -> None:
    """One slice at a time, by keys, as each is shown."""
    page.get_by_label("Axial view").focus()
    while (now := int(re.search(r"Slice (\d+)", corner(page).text_content())[1])) != number:
        page.keyboard.press("ArrowUp" if now < number else "ArrowDown")
        expect(corner(page)).not_to_contain_text(f"Slice {now} of")


def assert_the_point_is_in_what_was_seen(page: Page) -> None:
    """The picture that was on the screen is most alike to that of the point's slice, or of one
    beside it."""
    number = slice_of(page, "N2")
    page.locator(".nodule").first.click()  # its marker is in none of the pictures compared
    expect(corner(page)).to_contain_text("Slice 30 of 59")
    unlike = {}
    for near in range(number - 2, number + 3):
        go_to(page, near)
        unlike[near] = page.evaluate(UNLIKE)
    assert abs(min(unlike, key=unlike.get) - number) <= 1, (number, unlike)


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (1366, 768),
        pytest.param(1920, 1080, marks=pytest.mark.slow),
        pytest.param(3840, 2160, marks=pytest.mark.slow),
    ],
)
def test_fault_84_a_click_after_forty_notches_lies_in_the_slice_on_the_screen(visit, width, height):
    page = visit(viewport={"width": width, "height": height})
    with_sample(page)
    page.get_by_role("button", name=PLACE).click()
    page.mouse.move(*middle(page))
    for notch in range(40):
        page.mouse.wheel(0, 100 if notch < 20 else -100)
    page.mouse.click(*middle(page))
    expect(page.locator(".nodule")).to_have_count(2)
    assert_the_point_is_in_what_was_seen(page)


def test_fault_84_a_click_on_a_late_picture_brings_its_slice_back(visit):
    """Pictures that come a second late: the server has long moved on."""
    page = visit()
    page.evaluate(LATE)
    with_sample(page)
    page.get_by_role("button", name=PLACE).click()
    page.evaluate("window.late = 1000")
    page.mouse.move(*middle(page))
    page.mouse.wheel(0, 2000)
    expect(page.get_by_label("Axial slice, mm")).not_to_have_attribute("aria-valuenow", "")
    page.mouse.click(*middle(page))
    expect(page.locator(".nodule")).to_have_count(2)
    assert slice_of(page, "N2") == 30
    expect(corner(page)).to_contain_text("Slice 30 of 59")
