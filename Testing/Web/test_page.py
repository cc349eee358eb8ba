"""The page in Chromium: the whole job as a user does it, and what must not be possible."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pydicom import dcmread
from pydicom.uid import generate_uid

from axe import violations
from needs import AXE, WHOLE_DATA
from nodulerisk.ct.dicom.identity import identity_in
from nodulerisk.ct.points import read_points
from nodulerisk.ct.read import read_ct

SAMPLE = Path(__file__).parents[2] / "Resources" / "SampleData"
CT = SAMPLE / "demo-chest-ct.zip"
POINT = read_points(SAMPLE / "demo-point.mrk.json")[0].lps_mm
TYPED = ", ".join(str(mm) for mm in POINT)
AGE = "62"
PLACE = "Place points: click each nodule in a slice"


def upload(page: Page, *files: Path | str, kind: str = "File") -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=kind, exact=True).click()
    chooser.value.set_files(files[0] if kind == "Folder" else list(files))


def add_point(page: Page, text: str = TYPED) -> None:
    page.get_by_label("x, y, z").fill(text)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".nodule")).not_to_have_count(0)


def assess(page: Page) -> None:
    page.locator("#assess").click()
    expect(page.get_by_text("nodules assessed.")).to_be_visible()


def downloaded(page: Page, name: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.locator(f"a[href='download/{name}']").click()
    assert download.value.suggested_filename == name
    download.value.save_as(folder / name)
    return folder / name


@pytest.fixture
def terminal(tmp_path):
    """The terminal's results for a CT at the same point."""

    def run(ct: Path, *options: str) -> Path:
        out, point = tmp_path / "terminal", TYPED.replace(" ", "")
        program = Path(sys.executable).with_name("nodulerisk")
        subprocess.run(
            [program, "assess", ct, "--point", point, "--out", out, *options],
            check=True,
            capture_output=True,
        )
        return out

    return run


def test_from_the_upload_to_the_downloads(page, terminal, tmp_path):
    """The whole job; every result equals the terminal's, bit for bit."""
    upload(page, CT)
    expect(page.locator("#ct-text")).to_have_text("256 × 256 × 56 voxels of 0.564 × 0.564 × 3 mm")
    add_point(page)
    assess(page)
    expect(page.locator("#facts")).to_contain_text(
        "Withheld: every decision (the slices are thick)"
    )
    expect(page.locator("#facts")).to_contain_text("radiologists' suspicion, not pathology")
    expect(page.get_by_role("img", name=re.compile(r"^p\(malignant\): 1.00"))).to_be_visible()

    expect(page.locator("#facts")).to_contain_text(re.compile("Brock 2b: not computed: needs age"))
    page.get_by_label("Age", exact=True).fill(AGE)
    expect(page.locator("#facts")).not_to_contain_text("needs age")

    terminal = terminal(CT, "--patient", f"age={AGE}")
    assert_same_assessment(page, terminal, tmp_path)
    with zipfile.ZipFile(downloaded(page, "results.zip", tmp_path)) as archive:
        names = {name.rpartition("/")[2] for name in archive.namelist()}
        assert names == {path.name for path in terminal.iterdir()}
        for name in ("mask.nrrd", "mask_probability.nrrd", "mask.nii.gz", "mesh.ply"):
            assert archive.read(f"N1/{name}") == (terminal / name).read_bytes()
    assert (
        downloaded(page, "nodules.csv", tmp_path).read_bytes()
        == (terminal / "nodules.csv").read_bytes()
    )
    assert "plotly" in downloaded(page, "report.html", tmp_path).read_text("utf-8")
    assert zipfile.is_zipfile(downloaded(page, "scene.mrb", tmp_path))
    with zipfile.ZipFile(downloaded(page, "dicom.zip", tmp_path)) as archive:
        modalities = {dcmread(archive.open(name)).Modality for name in archive.namelist()}
    assert modalities == {"SEG", "SR"}
    assert page.said == []
    assert {url.split("/")[2] for url in page.asked if url.startswith("http")} == {
        page.url.split("/")[2]
    }


def assert_same_assessment(page: Page, terminal: Path, folder: Path) -> None:
    (found,) = json.loads(downloaded(page, "nodules.json", folder).read_text("utf-8"))[
        "assessments"
    ]
    wanted = json.loads((terminal / "assessment.json").read_text("utf-8"))
    for advice in ("scores", "guidelines"):  # no part of an assessment
        wanted.pop(advice, None)
    for assessment in (found, wanted):
        del assessment["provenance"]["seconds"], assessment["provenance"]["made"]
    assert found == wanted


def test_fault_46_the_report_names_the_patient_only_on_a_tick(page, tmp_path):
    upload(page, CT)
    add_point(page)
    assess(page)
    (said,) = identity_in([CT]).values()  # the sample's series alone; its patient has no name
    assert said not in downloaded(page, "report.html", tmp_path).read_text("utf-8")
    page.get_by_label("Name the patient in reports").check()
    assert said in downloaded(page, "report.html", tmp_path).read_text("utf-8")


@pytest.mark.slow
@pytest.mark.needs(WHOLE_DATA)
def test_a_whole_ct_as_a_folder(page, terminal, shared, tmp_path):
    archive = shared / "data" / "cptac_lscc_C3N-00247_chest_ct.zip"
    with zipfile.ZipFile(archive) as files:
        files.extractall(tmp_path / "series")
    upload(page, tmp_path / "series", kind="Folder")
    add_point(page)
    assess(page)
    assert_same_assessment(page, terminal(archive), tmp_path)


ASKED_WRONGLY = """async () => {
  const session = trame.client.getConnection().getSession();
  return JSON.stringify(await session.call("trame.state.update", [5]).catch(e => e));
}"""


def test_what_fails_tells_the_page_nothing_of_the_servers_files(page):
    said = page.evaluate(ASKED_WRONGLY)
    assert "Exception raised" in said and "Traceback" not in said
    assert not re.search(r"\.py|/\w+/", said)


def middle_of(page: Page, view: str) -> tuple[float, float]:
    """The middle of a view on the screen, where its crosshair lines meet."""
    box = (
        page.get_by_text(view, exact=True)
        .locator("xpath=ancestor::*[contains(@class,'layout-grid-item')]")
        .bounding_box()
    )
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_click_in_a_slice_places_a_point(page):
    """The slices are brought to a nodule first; a point clicked in the middle of one lies there."""
    page.get_by_role("button", name="Sample").click()
    expect(page.locator(".nodule")).to_have_count(1)
    page.get_by_role("button", name=PLACE).click()
    page.mouse.click(*middle_of(page, "Coronal"), delay=100)
    expect(page.locator(".nodule")).to_have_count(2)
    assess(page)
    expect(page.locator(".nodule .sizes")).to_have_count(2)
    texts = page.locator(".nodule .sizes").all_text_contents()
    sizes = [[float(number) for number in re.findall(r"[\d.]+", text)] for text in texts]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.01)  # both points are on the one nodule


@pytest.mark.needs(AXE)
def test_axe_finds_nothing_that_keeps_people_out(page):
    """When the page is empty, and when it shows results."""
    assert violations(page) == {}
    page.get_by_role("button", name="Sample").click()
    expect(page.locator(".nodule")).to_have_count(1)
    assess(page)
    expect(page.locator(".nodule .sizes")).to_have_count(1)
    assert violations(page) == {}


def test_by_keyboard_alone(page):
    """Sample, a second point where the slices meet, assessing, and stepping through the nodules."""
    page.get_by_role("button", name="Sample").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".nodule")).to_have_count(1)
    page.get_by_role("slider", name="Axial slice, mm").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Adds a point where the three slices meet").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".chosen")).to_contain_text("N2")
    page.locator("h2").first.click()
    page.keyboard.press("a")
    expect(page.get_by_text("2 of 2 nodules assessed.")).to_be_visible()
    page.keyboard.press("k")
    expect(page.locator(".chosen")).to_contain_text("N1")
    page.keyboard.press("j")
    expect(page.locator(".chosen")).to_contain_text("N2")
    page.keyboard.press("K")  # with caps lock
    expect(page.locator(".chosen")).to_contain_text("N1")


def test_coordinates_in_any_system_mean_one_place(page):
    """The seed's page takes voxels; LPS and RAS are DICOM's and Slicer's."""
    upload(page, CT)
    add_point(page)
    x, y, z = POINT
    for system, text in (("RAS", f"{-x}; {-y}; {z}".replace(";", ",")), ("voxel", voxel_of(POINT))):
        page.get_by_role("combobox", name="Coordinates").click(force=True)
        page.get_by_role("option", name=system).click()
        add_point(page, text)
    assess(page)
    sizes = page.locator(".nodule .sizes").all_text_contents()
    assert len(sizes) == 3 and len(set(sizes)) == 1


def voxel_of(point) -> str:
    return ", ".join(f"{index:.6f}" for index in read_ct(CT).voxel_of(point))


def test_the_interactive_mesh_opens_over_the_page(page):
    page.get_by_role("button", name="Sample").click()
    assess(page)
    page.get_by_role("button", name="Interactive mesh and slices").click()
    frame = page.frame_locator("iframe.report")
    expect(frame.get_by_text("Nodule N1")).to_be_visible()
    expect(frame.locator(".js-plotly-plot").first).to_be_visible()
    expect(frame.get_by_role("banner")).to_contain_text("Research use only")
    page.get_by_role("button", name="Close").last.click()
    expect(page.locator("iframe.report")).to_have_count(0)


BAD = {  # words of the refusal, to what makes such an upload
    "damaged": lambda path: path.write_text("not a CT"),
    "larger than 0.1 GB": lambda path: path.write_bytes(bytes(101_000_000)),
    "outside its folder": lambda path: zip_with(path, "../../slipped.dcm"),
}


def test_fault_45_bad_uploads_are_refused_and_what_is_open_stays(page, tmp_path):
    upload(page, CT)
    add_point(page)
    bad = tmp_path / "bad.zip"
    for words, make in BAD.items():
        make(bad)
        upload(page, bad)
        expect(page.get_by_role("alert")).to_contain_text(words)
        expect(page.locator("#ct-text")).to_contain_text("256 × 256 × 56")
    assess(page)


def zip_with(path: Path, name: str) -> None:
    with zipfile.ZipFile(CT) as source, zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, source.read(source.namelist()[0]))


@pytest.mark.slow  # as the next one, but for what makes them several
def test_a_dicom_folder_of_several_series_asks_which(page, tmp_path):
    """The sample, and its every other slice as a series of its own."""
    with zipfile.ZipFile(CT) as archive:
        archive.extractall(tmp_path)
    other = generate_uid()
    for path in sorted(tmp_path.rglob("*.dcm"))[::2]:
        dataset = dcmread(path)
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = other, generate_uid()
        dataset.save_as(path.with_name(f"other-{path.name}"))
    upload(page, tmp_path, kind="Folder")
    expect(page.get_by_role("alert")).to_contain_text("several CT series")
    page.get_by_role("button", name="Open this series").filter(has_text="28 slices").click()
    expect(page.locator("#ct-text")).to_contain_text("256 × 256 × 28")


def test_fault_49_two_acquisitions_of_one_series_ask_which(page, tmp_path):
    """The sample, and its every other slice as a second acquisition half a step on."""
    with zipfile.ZipFile(CT) as archive:
        archive.extractall(tmp_path)
    for path in sorted(tmp_path.rglob("*.dcm"))[::2]:
        dataset = dcmread(path)
        dataset.AcquisitionNumber, dataset.SOPInstanceUID = 99, generate_uid()
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, z + dataset.SliceThickness / 2]
        dataset.save_as(path.with_name(f"other-{path.name}"))
    upload(page, tmp_path, kind="Folder")
    expect(page.get_by_role("alert")).to_contain_text("several CT series or volumes")
    page.get_by_role("button", name="Open this series").filter(has_text="acquisition 99").click()
    expect(page.locator("#ct-text")).to_contain_text("256 × 256 × 28")


def test_two_users_see_nothing_of_each_other(visit):
    one, other = visit(), visit()
    assert one.url != other.url
    upload(one, CT)
    add_point(one)
    expect(other.locator(".nodule")).to_have_count(0)
    expect(other.locator("#ct-text")).to_have_count(0)
    other.get_by_role("button", name="Sample").click()
    for page in (one, other):
        page.locator("#assess").click()
    for page in (one, other):
        expect(page.get_by_text("1 of 1 nodules assessed.")).to_be_visible()


def test_fault_43_cancel_and_assess_again(page):
    page.get_by_role("button", name="Sample").click()
    page.get_by_label("Stability").check()
    page.locator("#assess").click()
    page.locator("#cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("cancelled")
    expect(page.locator("#cancel")).to_be_disabled()
    page.get_by_label("Stability").uncheck()
    assess(page)


def test_a_reload_mid_run_finds_the_run_again(page):
    page.get_by_role("button", name="Sample").click()
    page.get_by_label("Stability").check()
    page.locator("#assess").click()
    expect(page.locator("#cancel")).to_be_enabled()
    page.reload()
    expect(page.locator("#cancel")).to_be_enabled()
    expect(page.get_by_text("1 of 1 nodules assessed.")).to_be_visible(
        timeout=90_000
    )  # seven answers
    expect(page.locator("#facts")).to_contain_text("Stability")


def test_a_session_that_is_ended_says_so(visit):
    page = visit()
    page.get_by_role("button", name="Deletes what was uploaded").click()
    expect(page.get_by_role("heading", name="This session has ended")).to_be_visible()
    page.get_by_role("link", name="Start a new one").click()
    expect(page.get_by_role("button", name="Sample")).to_be_visible()


def test_fault_46_47_the_patient_is_nowhere_and_runs_nothing(page, tmp_path):
    """A name that would run as a script, in the DICOM files and in the file names."""
    name = "<img src=x onerror=alert(1)>^Novakova"
    folder = tmp_path / "Novakova, Jane"
    folder.mkdir()
    with zipfile.ZipFile(CT) as archive:
        archive.extractall(folder)
    for path in folder.rglob("*.dcm"):
        dataset = dcmread(path)
        dataset.PatientName = dataset.SeriesDescription = name
        dataset.save_as(path)
    upload(page, folder, kind="Folder")
    add_point(page)
    assess(page)
    everything = (
        page.content()
        + page.title()
        + page.url
        + downloaded(page, "report.html", tmp_path).read_text("utf-8")
    )
    everything += downloaded(page, "nodules.json", tmp_path).read_text("utf-8")
    everything += (
        zipfile.ZipFile(downloaded(page, "scene.mrb", tmp_path)).read("scene/scene.mrml").decode()
    )
    assert "Novakova" not in everything
    assert page.said == []


def test_it_fits_a_tablet(visit):
    """Held upright nothing is wider than the screen, the views stand above the nodules, and a
    finger places points."""
    page = visit(viewport={"width": 820, "height": 1180}, has_touch=True)
    page.get_by_role("button", name="Sample").tap()
    expect(page.locator(".nodule")).to_have_count(1)
    page.get_by_role("button", name=PLACE).tap()
    page.touchscreen.tap(*middle_of(page, "Coronal"))
    expect(page.locator(".nodule")).to_have_count(2)
    page.locator("#assess").tap()
    expect(page.get_by_text("2 of 2 nodules assessed.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    views, panel = (page.locator(name).bounding_box() for name in (".views", ".panel"))
    assert views["y"] + views["height"] <= panel["y"] + 1
