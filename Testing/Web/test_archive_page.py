"""The page and a real archive: from Orthanc's list of studies to the masks found in it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pydicom import dcmread

from axe import violations
from made_orthanc import Orthanc, orthanc, sample_study
from needs import AXE
from nodulerisk.pacs.access import CREDENTIALS, access_to
from nodulerisk.pacs.archive import Archive
from nodulerisk.pacs.query import Wanted
from nodulerisk.pacs.received import series_folder

pytestmark = pytest.mark.needs("Orthanc", AXE)
POINT = "-81.5, -192.5, -192"
KEY = "reader:a password; with ü"
STUDIES = {"20240301": "Grün^Jörg", "20220301": "Grün^Jörg", "20240302": "Rot^Eva"}


@pytest.fixture(scope="module")
def studies(tmp_path_factory) -> dict[str, list[Path]]:
    """The sample's images as studies of two patients, by date."""
    folder = tmp_path_factory.mktemp("studies")
    return {date: sample_study(folder / date, date, name) for date, name in STUDIES.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory, studies) -> Iterator[Orthanc]:
    user, _, password = KEY.partition(":")
    with orthanc(tmp_path_factory.mktemp("orthanc"), {user: password}) as server:
        for files in studies.values():
            archive_of(server).store({file.name: file for file in files})
        yield server


def archive_of(server: Orthanc) -> Archive:
    return Archive(access_to(server.address, {CREDENTIALS: KEY}))


@pytest.fixture(scope="module")
def options(server, studies, tmp_path_factory) -> Iterator[list[str]]:
    received = tmp_path_factory.mktemp("received")
    files = studies["20240302"]
    kept = series_folder(received, dcmread(files[0]).SeriesInstanceUID)
    kept.mkdir()
    for file in files:
        (kept / file.name).write_bytes(file.read_bytes())
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(CREDENTIALS, KEY)
        yield ["--sessions", "4", "--pacs", server.address, "--received", str(received)]


def find(page: Page, name: str) -> None:
    page.get_by_role("button", name="Find a CT").click()
    page.get_by_label("Patient's name").fill(name)
    page.get_by_label("Patient's name").press("Enter")


def close(page: Page) -> None:
    page.get_by_role("button", name="Close", exact=True).click()


def test_from_the_list_of_studies_to_the_masks_found_again(visit, server, studies):
    page, other = visit(), visit()
    find(page, "jörg grün")
    rows = page.locator(".studies tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("2024-03-01")
    page.get_by_role("button", name="Show the series of 2024-03-01").click()
    proposed = page.get_by_title("Retrieve this series")
    expect(proposed).to_contain_text("3 mm, 56 images · proposed")
    assert violations(page) == {}
    proposed.click()
    expect(page.locator("#ct-text")).to_be_visible()
    expect(page.locator(".studies")).to_have_count(0)  # with the names in it
    expect(page.get_by_title("Retrieve the earlier CT")).to_contain_text("2022-03-01")

    page.get_by_label("x, y, z").fill(POINT)
    page.get_by_role("button", name="Add", exact=True).click()
    page.locator("#assess").click()
    expect(page.get_by_text("nodules assessed.")).to_be_visible()
    page.get_by_role("button", name="Send results").click()
    dialog = page.get_by_role("dialog", name="Send to the archive?")
    expect(dialog).to_contain_text(server.address)
    expect(dialog).to_contain_text("Grün^Jörg")
    assert violations(page) == {}
    dialog.get_by_role("button", name="Send", exact=True).click()
    panel = page.get_by_role("complementary", name="Nodules and results")
    expect(panel.get_by_text("The archive has stored the masks and the report.")).to_be_visible()
    [study] = [
        one for one in archive_of(server).find(Wanted(name="Grün"))[0] if one.date == "2024-03-01"
    ]
    assert {"CT", "SEG", "SR"} == set(study.modalities)
    assert page.said == []

    find(other, "rot")
    expect(other.locator(".studies tbody tr")).to_have_count(1)
    assert "Grün" not in other.content()
    close(other)


def test_what_was_received_is_offered(visit):
    page = visit()
    page.get_by_role("button", name="Find a CT").click()
    page.get_by_title("Open this CT").click()
    expect(page.locator("#ct-text")).to_be_visible()
    expect(page.get_by_text("Rot")).to_have_count(0)


def test_an_archive_that_is_gone_is_said(visit, server):  # the last one: it stays gone
    page = visit()
    server.process.terminate()
    server.process.wait(30)
    find(page, "grün")
    expect(page.get_by_role("dialog", name="Find a CT").get_by_role("alert")).to_contain_text(
        "cannot be reached"
    )
    assert page.locator(".studies").count() == 0
    close(page)
