"""The report: every number with its evidence, nothing executable, no patient data, and
printable."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from made_assessment import CHECKS, MEASUREMENTS, TASKS, made_assessment
from needs import CHROMIUM
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.clinical.advice import Advice
from nodulerisk.clinical.followup import Earlier, FollowUp
from nodulerisk.clinical.guidelines import Guideline
from nodulerisk.clinical.scores import SCORES, Input, ScoreResult, score_nodule
from nodulerisk.errors import OutputError
from nodulerisk.outputs.html import nodule_report as report
from nodulerisk.outputs.html.nodule_report import ReportNodule, change_words, write_report
from nodulerisk.outputs.not_found import NotFound, not_found_png
from nodulerisk.outputs.slices import nodule_slices
from nodulerisk.outputs.words import MASK_WORDS, task_title
from nodulerisk.tasks import EVIDENCE_WORDS

HOSTILE = (
    "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">'\""
    " \u202egnp.exe"
)
VOID = {"meta", "img", "br", "link"}
LUNG_RADS = Guideline(
    "Lung-RADS v2022", "4A", ("long axis 12.1 mm",), (), "solid, 8 to 15 mm", "ACR 2022"
)
FLEISCHNER = Guideline("Fleischner 2017", None, ("density solid",), ("nodules", "risk"), "", "2017")
FOLLOW_UP = FollowUp(183, (11.0, 12.0), (700.0, 904.78), (720.0, 929.6), False)


class Page(HTMLParser):
    """A page as a reader sees it: tags with their attributes, in order, and the text outside
    scripts and styles."""

    def __init__(self, html: str):
        super().__init__()
        self.html, self.tags, self.texts, self._open = html, [], [], []
        self.feed(html)
        assert self._open == []

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, *names: str) -> list[dict]:
        return [attributes for tag, attributes in self.tags if tag in names]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1:] not in (["script"], ["style"]):
            self.texts.append(data)


@pytest.fixture
def page_of(tmp_path):
    """Writes the report of nodules and parses it."""

    def page(*nodules, **options) -> Page:
        write_report(nodules, tmp_path / "report.html", **options)
        return Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    return page


@pytest.fixture
def nodule(ct, assessment) -> ReportNodule:
    return ReportNodule(ct, assessment)


@pytest.fixture
def followed(ct, assessment) -> ReportNodule:
    """A nodule with guidelines and an earlier scan, where it was smaller."""
    smaller = tuple(replace(m, value=700.0) if m.name == "volume" else m for m in MEASUREMENTS)
    earlier = Earlier("183 days before", replace(assessment, measurements=smaller), FOLLOW_UP)
    return ReportNodule(ct, assessment, Advice((), (LUNG_RADS, FLEISCHNER)), (earlier,))


@pytest.fixture
def saying(ct, assessment):
    """A nodule with a given text wherever text comes from outside."""

    def nodule(text: str) -> ReportNodule:
        found = made_assessment(
            ct,
            text,
            tasks={
                "malignancy": replace(TASKS["malignancy"], members={text: (0.2, 0.8)}),
                "subtype": replace(TASKS["subtype"], note=text),
            },
            measurements=(replace(MEASUREMENTS[0], name=text, unit=text, source=text),),
            checks=(replace(CHECKS[0], message=text),),
            provenance=replace(assessment.provenance, weight_set=text, device=text),
        )
        guideline = Guideline(text, text, (text,), (text,), text, text)
        score = ScoreResult(
            text, 0.5, "outcome", (Input(text, text, text),), (), (text,), "", *[text] * 4
        )
        missing = replace(score, probability=None, missing=(text,))
        advice = Advice((score, missing), (guideline,))
        return ReportNodule(ct, found, advice, (Earlier(text, found, None),))

    return nodule


def test_every_number_stands_beside_its_evidence(page_of, nodule):
    page = page_of(nodule)
    for name in ("malignancy", "invasiveness", "grade"):
        title = task_title(nodule.assessment, name)
        assert f"{title} {TASKS[name].evidence}" in page.text
    assert "withheld 0.73 reader" in page.text  # at a glance
    assert "0.15/0.60/0.25 simulated" in page.text
    assert "volume 905 mm³ reader" in page.text
    assert "Measurements reader" in page.text
    assert MASK_WORDS["reader"] in page.text
    # the legend
    levels = EVIDENCE_WORDS.items() - {("none", EVIDENCE_WORDS["none"])}  # its badge says it all
    assert all(f"{level} {words}" in page.text for level, words in levels)


def test_it_says_all_that_is_in_the_assessment(page_of, nodule):
    page = page_of(nodule)
    for words in (
        "threshold 0.50",
        "large: 0.73",
        "-81.5, -191.0, -192.5 mm (LPS)",
        "p(ground glass/part-solid/solid) 0.01/0.06/0.93",
        "set open 1.0",
    ):
        assert words in page.text
    for measurement in MEASUREMENTS:
        assert measurement.name in page.text and measurement.source in page.text
    assert all(check.message in page.text for check in CHECKS)
    assert "Subtype: not run" in page.text and "import DenseSharp" in page.text
    assert "abababababab" in page.text


def test_guidelines_say_what_they_used_and_what_they_miss(page_of, followed):
    text = page_of(followed).text
    assert "Lung-RADS v2022: 4A · Fleischner 2017: not computed reader" in text  # at a glance
    assert "4A solid, 8 to 15 mm long axis 12.1 mm none" in text
    assert "not computed density solid nodules, risk" in text


def test_scores_stand_first_with_whom_they_were_made_for(page_of, nodule):
    told = {
        name: Input(name, value, "given")
        for name, value in {"age": 62, "smoking": "never", "years_since_quitting": 0}.items()
    } | {"long axis": Input("long axis", 10, "measured"), "nodules": Input("nodules", 2, "given")}
    found = {score.name: score_nodule(score, told) for score in SCORES}
    advice = Advice((found["Veterans Affairs"], found["Mayo"]))
    page = page_of(replace(nodule, advice=advice)).text
    assert "N1 Veterans Affairs: 7.9 % * outcome * not made for cases like this withheld" in page
    assert "7.9 % outcome made for single nodules age 62 (given)" in page
    assert "long axis 10 mm (measured) 375 veterans" in page and "AUC 0.79 (0.74 to 0.84)" in page
    assert "Mayo: not computed: needs cancer, mean diameter, spiculation, upper lobe" in page
    assert page.index("Scores outcome") < page.index("Measurements reader")


def test_a_report_of_scores_that_all_fit_the_patient_opens(page_of, nodule):
    told = {"sex": "male", "upper_lobe": True, "long axis": 10}
    known = {name: Input(name, value, "given") for name, value in told.items()}
    found = {score.name: score_nodule(score, known) for score in SCORES}
    text = page_of(replace(nodule, advice=Advice((found["Brock 1a"],)))).text
    assert "Brock 1a:" in text and "not made for cases like this" not in text


def test_a_guideline_shows_what_is_in_doubt_what_is_next_and_what_it_left_out(page_of, nodule):
    told = replace(LUNG_RADS, next_step="CT soon", not_considered=("kind",), doubts=("it is cut",))
    text = page_of(replace(nodule, advice=Advice((), (told,)))).text
    assert "Lung-RADS v2022: 4A (in doubt)" in text  # at a glance
    assert "in doubt: it is cut next: CT soon not considered: kind" in text


def test_scans_stand_side_by_side_with_what_changed(page_of, followed):
    text = page_of(followed).text
    assert "Measurement 183 days before this scan change" in text
    assert "volume 700 mm³ 905 mm³ +205 mm³ (+29%)" in text
    assert all(line in text for line in FOLLOW_UP.lines)


def test_a_growing_solid_part_is_said_at_a_glance(page_of, followed):
    core = replace(FOLLOW_UP, subsolid=True, solid_diameter_mm=(2, 9), solid_volume_mm3=(4, 382))
    earlier = replace(followed.earlier[0], follow_up=core)
    text = page_of(replace(followed, earlier=(earlier,))).text
    assert f"Since 183 days before: {core.lines[0]} reader" in text
    assert text.index(core.lines[0]) < text.index("Measurements reader")


def test_a_nodule_over_four_scans_has_a_growth_curve_and_a_picture_of_each(page_of, followed, ct):
    scans = [
        replace(followed.earlier[0], when=f"{days} days before", days=days, ct=ct)
        for days in (540, 360, 183)
    ]
    page = page_of(replace(followed, earlier=scans))
    assert "4 scans in 540 days" in page.text
    assert any(tag.get("id") == "growth-1" for tag in page.all("div"))
    shown = [f"{days} days before" for days in (540, 360, 183)]
    assert " ".join(page.text.split()).count("540 days before") >= 3
    assert all(when in page.text for when in shown)
    plain = page_of(replace(followed, earlier=[replace(scans[0], days=None, ct=None)]))
    assert not any(tag.get("id") == "growth-1" for tag in plain.all("div"))


@pytest.mark.needs(CHROMIUM)
def test_the_growth_page_draws_its_curve(followed, ct, tmp_path):
    from playwright.sync_api import sync_playwright

    scans = [
        replace(followed.earlier[0], when=f"{days} days before", days=days, ct=ct)
        for days in (540, 360, 183)
    ]
    path = tmp_path / "report.html"
    write_report([replace(followed, earlier=scans)], path)
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = chromium.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.as_uri())
        page.wait_for_selector("#growth-1 .scatterlayer .point")
        points = page.locator("#growth-1 .subplot.xy .scatterlayer .point").count()
        chromium.close()
    assert errors == [] and points == 4


def test_a_nodule_that_is_not_found_any_more_has_its_section(page_of, nodule, ct):
    slices = nodule_slices(ct, nodule.assessment)
    words = "Not found at the later scan: no nodule was drawn in its place."
    gone = NotFound("L2", "before and after", words, slices, slices)
    page = page_of(nodule, not_found=[gone])
    assert f"L2 before and after {words} At the earlier scan" in page.text
    outside = replace(gone, after=[])
    assert "There at the later scan" not in page_of(nodule, not_found=[outside]).text


def test_a_nodule_that_is_not_found_any_more_has_its_picture(nodule, ct, tmp_path):
    slices = nodule_slices(ct, nodule.assessment)
    not_found_png(NotFound("$L2$", "before and after", "gone", slices, slices), tmp_path / "a.png")
    picture = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert picture.shape == (840, 1200, 3) and len(np.unique(picture)) > 100


def test_a_scan_without_a_mask_has_no_change(page_of, nodule):
    unmeasured = Earlier("before", replace(nodule.assessment, nodule=None, measurements=()), None)
    text = page_of(replace(nodule, earlier=(unmeasured,))).text
    assert "volume – 905 mm³ –" in text
    assert "not measured in both scans" in text


@pytest.mark.parametrize(
    ("name", "before", "after", "words"),
    [
        ("volume", 500, 650, "+150 mm³ (+30%)"),
        ("long axis", 12, 9, "-3.0 mm (-25%)"),
        ("mean density", -600, -300, "+300 HU"),
        ("mass", 0, 10, "+10.0 mg"),
    ],
)
def test_changes_have_a_sign_and_where_it_means_something_a_share(name, before, after, words):
    measurement = next(m for m in MEASUREMENTS if m.name == name)
    assert (
        change_words(replace(measurement, value=before), replace(measurement, value=after)) == words
    )


def test_fault_25_refused_points_are_reported(page_of, nodule):
    page = page_of(nodule, refusals={"N2": "It lies outside the CT."})
    assert "N2 was not assessed: It lies outside the CT." in page.text


def test_only_the_first_of_many_nodules_are_interactive(page_of, nodule, monkeypatch):
    monkeypatch.setattr(report, "INTERACTIVE", 1)
    alone, both = (
        page_of(nodule),
        page_of(nodule, replace(nodule, assessment=replace(nodule.assessment, name="N2"))),
    )
    assert alone.html.count("Plotly.newPlot(") == both.html.count("Plotly.newPlot(")
    assert len(both.all("image")) == 2 * len(alone.all("image")) == 6
    assert len(both.all("img")) == 2
    assert "only the first 1 nodules" in both.text
    assert "only the first" not in alone.text
    assert len(both.html) - len(alone.html) < 200_000


def test_it_asks_the_network_for_nothing_and_runs_only_its_own_scripts(page_of, followed):
    page = page_of(followed)
    (policy,) = (meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    nonces = {script["nonce"] for script in page.all("script")}
    assert policy.startswith(f"default-src 'none'; script-src 'nonce-{nonces.pop()}';")
    assert not nonces
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href")
    ]
    assert {address.partition(":")[0].partition("-")[0] for address in addresses} == {
        "data",
        "#nodule",
    }


def test_two_pages_share_no_number(page_of, nodule):
    assert page_of(nodule).all("script")[0] != page_of(nodule).all("script")[0]


def test_fault_47_html_injection(page_of, saying):
    """The same number of tags as for harmless texts: none was injected."""
    harmless, page = (
        page_of(saying(t), identity={t: t}, refusals={t: t}) for t in ("text", HOSTILE)
    )
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert page.text.count("<script>") >= harmless.text.count("text") - 2 > 20
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_fault_47_text_cannot_turn_the_direction_of_what_follows(page_of, saying):
    page = page_of(saying(HOSTILE), identity={HOSTILE: HOSTILE}, refusals={HOSTILE: HOSTILE})
    assert "\u202e" not in page.text + str(page.tags)
    assert "gnp.exe" in page.text


def test_fault_46_only_what_was_asked_for_says_who_the_patient_is(page_of, nodule):
    assert nodule.assessment.provenance.series_uid not in page_of(nodule).html
    assert "Patient Doe, Jane" in page_of(nodule, identity={"Patient": "Doe, Jane"}).text


@pytest.mark.parametrize("empty_mask", [True, False])
def test_fault_26_without_a_nodule_there_is_no_mesh_and_it_says_why(page_of, nodule, empty_mask):
    nothing = np.zeros((0, 0, 0), np.uint8)
    empty = replace(
        nodule.assessment.nodule, region=nothing, probability=np.zeros((32, 32, 32), np.float32)
    )
    found = replace(
        nodule.assessment, nodule=empty if empty_mask else None, measurements=(), checks=()
    )
    page = page_of(replace(nodule, assessment=found))
    assert f"No mesh: {'no nodule was found' if empty_mask else 'no mask was drawn'}" in page.text
    assert "not measured" in page.text
    assert page.all("img") == []


def test_fault_44_it_is_refused_where_no_folder_can_be(nodule, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report([nodule], tmp_path / "file" / "report.html")


def test_who_cannot_see_it_can_have_it_read(page_of, followed):
    page = page_of(followed)
    pictures = [tag for tag in page.all("svg", "div") if tag.get("role") == "img"]
    assert len(pictures) > 10 and all(tag["aria-label"] for tag in pictures)
    assert all(tag["alt"] for tag in page.all("img"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))
    assert page.all("html") == [{"lang": "en"}]


def test_paper_has_still_pictures_and_the_words_research_use_only_on_every_page(page_of, nodule):
    page = page_of(nodule)
    running = next(
        attributes for tag, attributes in page.tags if "running" in attributes.get("class", "")
    )
    assert RESEARCH_USE_ONLY in page.text and running
    style = page.html[page.html.index("@media print") :]
    # which browsers repeat at the top of each page
    assert ".running { display: table-header-group" in style
    assert re.search(r"\.screen[^{]*\{ display: none", style) and ".paper { display: grid" in style


@pytest.mark.needs(CHROMIUM)
def test_fault_47_in_a_browser_the_figures_are_drawn_and_nothing_else_runs(
    page_of, saying, tmp_path
):
    page_of(saying(HOSTILE))
    options = ["--headless", "--no-sandbox", "--virtual-time-budget=5000", "--dump-dom"]
    address = (tmp_path / "report.html").as_uri()
    done = subprocess.run([CHROMIUM, *options, address], capture_output=True, text=True, check=True)
    assert "<title>Lung nodule report</title>" in done.stdout
    assert done.stdout.count('class="main-svg"') >= 2
