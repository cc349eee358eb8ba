"""The page of a cohort: what was counted, with its evidence, and neither a single nodule nor a
patient."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from made_cohort import assessed_row, made_row, made_set
from needs import CHROMIUM
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.cohort import summary
from nodulerisk.cohort.nodules import Cohort, CohortNodule, CtCase
from nodulerisk.cohort.store import Row, Store
from nodulerisk.cohort.summary import COLUMNS, Tally, draws_for, evaluations, write_summary
from nodulerisk.errors import OutputError
from nodulerisk.evaluation.bootstrap import DRAWS, Figure
from nodulerisk.evaluation.figure_tables import with_interval
from nodulerisk.tasks import TASKS

HOSTILE = (
    "<script>document.title = 'run'</script><img src=x onerror=\"document.title ="
    " 'run'\">\u202egnp.exe"
)


def case(name: str, *labels: str | None, earlier: str | None = None, evidence="reader") -> CtCase:
    """A CT with one nodule per label of malignancy; None: not labelled."""
    nodules = (
        CohortNodule(
            f"N{number}",
            (0, 0, 0),
            labels={"malignancy": label} if label else {},
            label_evidence=evidence,
        )
        for number, label in enumerate(labels or (None,), start=1)
    )
    return CtCase(name, Path(f"{name}.nrrd"), tuple(nodules), earlier=earlier)


def cohort(*cases: CtCase, name: str = "table.csv") -> Cohort:
    return Cohort(name, cases)


@pytest.fixture
def page_of(tmp_path):
    """The page of rows, and its text as a reader meets it."""

    def page(asked: Cohort, rows: Iterable[Row]) -> tuple[str, str]:
        with Store(tmp_path, made_set()) as store:
            store.add(rows)
            write_summary(store, asked, tmp_path / "summary.html")
        html = (tmp_path / "summary.html").read_text(encoding="utf-8")
        text = re.sub(r"<(script|style|title)\b.*?</\1>|<[^>]*>", " ", html, flags=re.DOTALL)
        return html, " ".join(unescape(text).split())

    return page


def tally_of(asked: Cohort, rows: Iterable[Row]) -> Tally:
    tally = Tally(asked)
    for row in rows:
        tally.add({name: row[name] for name in COLUMNS})
    return tally


def random_rows(count: int, seed: int = 0) -> tuple[Cohort, list[Row]]:
    """Two nodules per CT, with labels that determine the odds."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=(count // 2, 2))
    cases = [
        case(f"C{i}", *(TASKS["malignancy"].classes[label] for label in pair))
        for i, pair in enumerate(labels)
    ]
    rows = [
        assessed_row(
            f"C{i}",
            f"N{j + 1}",
            float(np.exp(rng.normal(2 * label - 1, 1.5))),
            size_mm=rng.uniform(4, 30),
        )
        for i, pair in enumerate(labels)
        for j, label in enumerate(pair)
    ]
    return cohort(*cases), rows


# --- Counts


def test_every_nodule_of_the_table_is_counted_once(page_of):
    asked = cohort(case("A"), case("B", None, None), case("C"), case("D"))
    rows = [
        assessed_row("A", "N1", 1.0),
        made_row("B", "N1", status="refused", reason="no", assessment=""),
        made_row("B", "N2", status="failed", reason="", assessment="", seconds=None, attempts=3),
        assessed_row("stranger", "N1", 1.0),
    ]
    tally = tally_of(asked, rows)
    assert (tally.asked, tally.missing, tally.strangers, tally.retried) == (5, 2, 1, 1)
    assert tally.statuses == {"assessed": 1, "refused": 1, "failed": 1} and tally.cases == {"A"}
    _, text = page_of(asked, rows)
    assert (
        "4 CTs 5 nodules 1 (20.0 %) assessed 1 (20.0 %) refused 1 (20.0 %) failed 2 (40.0 %) not"
        " run yet" in text
    )
    assert (
        "1 (25.0 %) of the CTs have at least one assessed nodule. Nodules that needed more than one"
        " attempt: 1." in text
    )
    assert "for nodules that are not in this table, not counted here: 1." in text
    assert "no reason was given" in text and RESEARCH_USE_ONLY in text


def test_answers_stand_beside_their_evidence(page_of):
    asked = cohort(*(case(f"C{number}") for number in range(4)))
    # on the last one the networks disagree: 0.36 and 0.44
    odds = {"C0": 0.1, "C1": 0.1, "C2": 9.0, "C3": 0.66}
    rows = [
        assessed_row(name, "N1", value, size_mm=25 if name == "C0" else 10)
        for name, value in odds.items()
    ]
    tally = tally_of(asked, rows)
    assert tally.answers["malignancy"].decisions == {"benign": 1, "malignant": 1}
    assert tally.answers["malignancy"].histogram.sum(axis=1).tolist() == [4, 4]
    assert tally.answers["grade"].histogram.sum(axis=1).tolist() == [4, 4, 4]
    assert tally.withheld["the networks disagree"]["malignancy"] == 1
    assert tally.withheld["the slices are thick"] == {"malignancy": 1, "grade": 1}
    assert tally.checks == {("thick-slices", "warning"): 1, ("kernel-unknown", "note"): 1}
    _, text = page_of(asked, rows)
    assert "Malignancy 4 benign 1 (25.0 %) · malignant 1 (25.0 %) 0.400 2 (50.0 %) reader" in text
    assert "Demonstration: trained on simulated nodules Task Nodules Evidence Grade 4 sim" in text
    assert "long axis 4 10 mm 10 mm 22.7 mm 25 mm reader" in text
    assert "the slices are thick 1 (25.0 %)" in text
    assert "1 (25.0 %) warning: thick-slices Slice thickness or spacing is 3 mm" in text
    assert "Not answered: presence, invasiveness, subtype, density" in text


def test_times_are_of_nodules_and_of_cts(page_of):
    rows = [
        assessed_row("A", "N1", 1.0, seconds=100.0),
        assessed_row("A", "N2", 1.0, seconds=300.0),
    ]
    _, text = page_of(cohort(case("A", None, None)), rows)
    assert "per nodule 2 110 s 200 s 290 s 300 s" in text
    assert "per CT, with all its nodules 1 400 s 400 s 400 s 400 s" in text
    assert "6.7 minutes of worker time in total. Networks ran on cpu (2 nodules)." in text


def test_a_cohort_without_results_has_a_page(page_of):
    _, text = page_of(cohort(case("A")), [])
    assert "1 (100.0 %) not run yet" in text and "No nodule was assessed." in text


def test_a_page_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with Store(tmp_path, made_set()) as store, pytest.raises(OutputError):
        write_summary(store, cohort(case("A")), tmp_path / "file" / "summary.html")


# --- Reasons


def refused(number: int, reason: str) -> Row:
    return made_row(f"C{number}", status="refused", reason=reason, assessment="")


def test_reasons_are_grouped_by_their_common_part():
    reasons = [
        f"The point ({number}.5, -2, 3e4) of 'N{number}' lies outside the nodule's CT."
        for number in range(30)
    ]
    reasons += ["/data/Smythington/ct.nii cannot be read."]
    asked = cohort(*(case(f"C{number}") for number in range(31)))
    found = tally_of(asked, map(refused, range(31), reasons)).reasons["refused"]
    assert found["… cannot be read."] == 1
    ((words, count),) = [item for item in found.items() if item[1] > 1]
    assert (
        count == 30
        and words.startswith("The point (…, …, ")
        and words.endswith("of … lies outside the nodule's CT.")
    )


def test_reasons_beyond_the_common_ones_share_a_line(monkeypatch, page_of):
    monkeypatch.setattr(summary, "WORTH_A_LINE", 3)
    monkeypatch.setattr(summary, "KNOWN_REASONS", 5)
    letters = "aaaabbbccdefgh"
    asked = cohort(*(case(f"C{number}") for number in range(len(letters))))
    _, text = page_of(
        asked, [refused(number, f"because {letter}") for number, letter in enumerate(letters)]
    )
    assert "4 because a 3 because b 2 because c 5 other reasons" in text


# --- The evaluation


def test_the_evaluation_is_of_labelled_nodules_with_an_answer(page_of):
    asked, rows = random_rows(200)
    rows[0] = made_row("C0", "N1", status="failed", reason="died", assessment="")
    found = evaluations(tally_of(asked, rows), made_set())["malignancy"]
    labels = [
        nodule.labels["malignancy"] == "malignant" for one in asked.cases for nodule in one.nodules
    ][1:]
    said = [row["malignancy_malignant"] for row in rows[1:]]
    figures = {figure.name: figure for figure in found.figures}
    up, down = (
        [p for p, label in zip(said, labels, strict=True) if label is kind]
        for kind in (True, False)
    )
    brute = np.mean([(a > b) + (a == b) / 2 for a in up for b in down])
    assert (
        figures["AUC"].value == pytest.approx(brute, abs=0.002)
        and 0.6 < figures["AUC"].low < figures["AUC"].high
    )
    assert (found.nodules, found.patients, found.evidence) == (199, 100, "reader")
    decided = [
        row["malignancy_malignant"] >= made_set().threshold("malignancy") for row in rows[1:]
    ]
    counted = [
        [
            sum(x is a and y is b for x, y in zip(labels, decided, strict=True))
            for b in (False, True)
        ]
        for a in (False, True)
    ]
    assert found.confusion == tuple(map(tuple, counted))
    assert {"sensitivity", "specificity", "calibration error", "Brier score"} <= set(figures)
    html, text = page_of(asked, rows)
    assert "Evaluation of malignancy: benign / malignant reader 199 nodules of 100 patients" in text
    assert "Labelled, but without an answer and not included in any figure: 1." in text
    assert all(
        f'id="malignancy-{plot}"' in html
        for plot in ("ROC-curve", "Confusion-matrix", "Reliability")
    )
    assert (
        f"AUC {figures['AUC'].value:.3f} ({figures['AUC'].low:.3f}–{figures['AUC'].high:.3f}) 199"
        " 100 reader" in text
    )
    assert "the threshold 0.400 (the weight set's own)" in text and f"{DRAWS} draws" in text


def test_cts_of_one_patient_count_as_one():
    asked = cohort(
        case("first", "benign"),
        case("second", "benign", earlier="first"),
        case("third", "malignant", earlier="second"),
        case("also second", "malignant", earlier="first"),
        case("other", "malignant"),
    )
    rows = [assessed_row(one.case, "N1", 1.0) for one in asked.cases]
    assert evaluations(tally_of(asked, rows), made_set())["malignancy"].patients == 2


def test_cts_of_one_named_patient_count_as_one():
    named = [
        replace(case(name, "benign"), patient_id=number)
        for name, number in (("1", 2), ("A", 2), ("B", 1))
    ]
    # a patient who is not named
    asked = cohort(*named, case("2", "malignant"), case("C", "malignant", earlier="2"))
    rows = [assessed_row(one.case, "N1", 1.0) for one in asked.cases]
    assert evaluations(tally_of(asked, rows), made_set())["malignancy"].patients == 3


def test_not_cts_but_named_patients_are_drawn():
    asked, rows = random_rows(600)
    shared = cohort(
        *(replace(one, patient_id=1 + index // 20) for index, one in enumerate(asked.cases))
    )
    alone, together = (
        evaluations(tally_of(one, rows), made_set())["malignancy"] for one in (asked, shared)
    )
    assert (alone.patients, together.patients, together.nodules) == (300, 15, 600)
    assert [figure.value for figure in together.figures] == [
        figure.value for figure in alone.figures
    ]
    assert together.figures != alone.figures


def test_labels_are_as_good_as_the_weakest(page_of):
    asked = cohort(
        case("A", "benign", evidence="pathology"), case("B", "malignant", evidence="none")
    )
    _, text = page_of(asked, [assessed_row("A", "N1", 0.1), assessed_row("B", "N1", 3.0)])
    assert (
        "Evaluation of malignancy: benign / malignant none 2 nodules of 2 patients; labels of"
        " unknown origin" in text
    )


def test_without_labels_there_is_no_evaluation(page_of):
    html, text = page_of(cohort(case("A")), [assessed_row("A", "N1", 1.0)])
    assert "Evaluation" not in text and "Confusion" not in html


def test_a_figure_without_an_interval_says_that_there_were_too_few():
    few = Figure("AUC", 1.0, 1.0, 1.0, 4, 3)
    assert with_interval(few) == "1.000 (too few)"
    assert with_interval(replace(few, value=0.9, low=0.8)) == "0.900 (0.800–1.000)"


def test_labels_of_one_class_have_no_roc_curve(page_of):
    html, text = page_of(cohort(case("A", "benign")), [assessed_row("A", "N1", 1.0)])
    assert (
        "Evaluation of malignancy" in text
        and "malignancy-Confusion" in html
        and "malignancy-ROC" not in html
    )


def test_the_users_threshold_decides_and_is_reported(tmp_path):
    asked, rows = random_rows(40)
    weights = made_set().with_thresholds({"malignancy": 0.9})
    found = evaluations(tally_of(asked, rows), weights)["malignancy"]
    assert (found.threshold.value, found.threshold.source) == (0.9, "set by the user")
    said = [row["malignancy_malignant"] for row in rows]
    assert sum(row[1] for row in found.confusion) == sum(p >= 0.9 for p in said)


def test_large_cohorts_use_fewer_draws():
    assert [draws_for(n) for n in (0, 10, 10_000, 20_000, 10**6)] == [DRAWS, DRAWS, DRAWS, 500, 100]


# --- What must not be in it


def test_the_page_does_not_grow_with_the_table(page_of, tmp_path):
    small, _ = page_of(*random_rows(600))
    shutil.rmtree(tmp_path / "results")
    large, _ = page_of(*random_rows(2000, seed=1))
    assert abs(len(large) - len(small)) < 2000


def test_fault_46_no_case_nodule_or_path_is_named(page_of):
    asked = cohort(case("Smythington", "benign"), case("Jonesworth", "malignant"))
    rows = [
        assessed_row("Smythington", "N1", 1.0),
        made_row(
            "Jonesworth", status="failed", reason="'Jonesworth.nrrd' is cut off: Q:\\Jonesworth"
        ),
    ]
    html, _ = page_of(asked, [*rows[:1], rows[1] | {"assessment": ""}])
    assert "Smythington" not in html and "Jonesworth" not in html


@pytest.mark.needs(CHROMIUM)
def test_fault_47_texts_are_escaped_and_no_script_but_its_own_runs(page_of, tmp_path):
    asked = cohort(case("A"), case("B"), name=HOSTILE)
    row = assessed_row("A", "N1", 1.0, size_mm=25)
    row["assessment"] = row["assessment"].replace(
        "Slice thickness or spacing is 3 mm", HOSTILE.replace('"', "'")
    )
    html, _ = page_of(asked, [row, made_row("B", status="refused", reason=HOSTILE, assessment="")])
    assert "<script>document" not in html and "<img" not in html and "\u202e" not in html
    options = ["--headless", "--no-sandbox", "--virtual-time-budget=5000", "--dump-dom"]
    address = (tmp_path / "summary.html").as_uri()
    done = subprocess.run([CHROMIUM, *options, address], capture_output=True, text=True, check=True)
    assert "<title>Cohort &lt;script&gt;" in done.stdout
    assert done.stdout.count('class="main-svg"') >= 4  # two tasks, two sizes
