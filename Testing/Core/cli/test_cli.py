"""The command line, end to end, with made-up networks."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from made_assessment import CENTRE_LPS_MM, made_assessment, made_ct
from made_dicom import write_study
from nodulerisk import __version__
from nodulerisk.assessment import Assessment, load_assessment
from nodulerisk.cli import app
from nodulerisk.cli.named import of_listed_series
from nodulerisk.ct.volume import Acquisition
from nodulerisk.errors import PointError, WeightsError
from nodulerisk.outputs.results import RESULT_FILES

INSIDE = "-81,-192,-192"
OUTSIDE = "500,0,0"


@pytest.fixture(scope="module")
def ct_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "ct.nrrd"
    sitk.WriteImage(made_ct().to_sitk(), str(path))
    return path


@pytest.fixture(scope="module")
def made() -> Assessment:
    return made_assessment(made_ct())


@pytest.fixture(autouse=True)
def made_networks(monkeypatch, made, weights):
    """Replaces weights and networks; returns the assessed points by name."""
    assessed = {}

    def assess(
        ct,
        point_lps_mm,
        weights,
        device="auto",
        *,
        name="N1",
        networks=None,
        progress=None,
        cascade=False,
    ):
        progress("mask", 0.5)
        if not ct.contains(point_lps_mm):
            raise PointError("The point lies outside the CT: place it inside.")
        assessed[name] = point_lps_mm
        return replace(made, name=name, point_lps_mm=tuple(point_lps_mm))

    monkeypatch.setattr("nodulerisk.assess_points.assess", assess)
    monkeypatch.setattr("nodulerisk.engine.engine.Engine", lambda weights, device, *, keep: None)
    monkeypatch.setattr("nodulerisk.weights.store.load_weight_set", lambda name: weights)
    return assessed


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def is_one_line_error(text: str) -> bool:
    return text.startswith("Error: ") and text.count("\n") == 1 and ":" in text[7:]


def rows_of(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "nodules.csv").read_text(encoding="utf-8-sig").splitlines()))


def test_version_and_help():
    assert __version__ in run("--version").stdout
    assert "import-weights" in run("--help").stdout


def test_help_imports_nothing_heavy():
    heavy = "{'numpy', 'torch', 'SimpleITK', 'plotly', 'matplotlib'}"
    code = f"import sys, nodulerisk.cli; print(*{heavy} & set(sys.modules))"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == ""


def test_one_point_may_have_negative_numbers(ct_file, made_networks, tmp_path):
    done = run("assess", ct_file, "--point", INSIDE, "--out", tmp_path)
    assert (done.exit_code, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {*RESULT_FILES, "nodules.csv"}
    assert made_networks == {"N1": CENTRE_LPS_MM}
    assert "Malignancy" in done.stdout and "withheld" in done.stdout
    assert str(tmp_path) in done.stdout.replace("\n", "")


def test_fault_46_reports_name_the_patient_only_where_that_is_asked_for(tmp_path):
    write_study(made_ct(), tmp_path / "ct")
    for options, named in (((), False), (("--identity",), True)):
        out = tmp_path / f"out{named}"
        done = run("assess", tmp_path / "ct", "--point", INSIDE, "--out", out, *options)
        assert done.exit_code == 0, done.stderr
        page = (out / "nodule.html").read_text("utf-8")
        assert ("SECRET-ID" in page) == ("Secret^Name" in page) == named
        assert "SECRET" not in (out / "assessment.json").read_text("utf-8").upper()


def test_fault_46_only_dicom_says_who_the_patient_is(ct_file, tmp_path):
    done = run("assess", ct_file, "--point", INSIDE, "--out", tmp_path, "--identity")
    assert done.exit_code == 2 and "Only DICOM" in done.stderr


def test_ras_point(ct_file, made_networks, tmp_path):
    assert (
        run("assess", ct_file, "--ras", "--point", "81,192,-192", "--out", tmp_path).exit_code == 0
    )
    assert made_networks == {"N1": CENTRE_LPS_MM}


def test_a_points_file_gives_one_folder_per_nodule(ct_file, tmp_path):
    (tmp_path / "points.csv").write_text(
        "name,x,y,z\nupper lobe,-81,-192,-192\n../evil,-80,-192,-192\n"
    )
    done = run("assess", ct_file, "--points", tmp_path / "points.csv", "--out", tmp_path / "out")
    assert done.exit_code == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"upper lobe", "___evil", "nodules.csv", "report.html"}
    assert load_assessment(tmp_path / "out" / "upper lobe").name == "upper lobe"


def test_fault_25_refused_point_does_not_stop_the_others(ct_file, tmp_path):
    done = run(
        "assess",
        ct_file,
        "--point",
        INSIDE,
        "--point",
        OUTSIDE,
        "--point",
        "-80,-192,-192",
        "--out",
        tmp_path,
    )
    assert done.exit_code == 2
    assert done.stderr == "Error: N2: The point lies outside the CT: place it inside.\n"
    assert {path.name for path in tmp_path.iterdir()} == {"N1", "N3", "nodules.csv", "report.html"}
    assert [bool(row["refusal"]) for row in rows_of(tmp_path)] == [False, True, False]
    assert "was not assessed: The point lies outside the CT" in (
        tmp_path / "report.html"
    ).read_text(encoding="utf-8")


def test_fault_29_hundred_points(ct_file, made_networks, monkeypatch, tmp_path):
    monkeypatch.setattr("nodulerisk.outputs.results.write_results", lambda *_, **__: [])
    (tmp_path / "points.csv").write_text("x,y,z\n" + f"{INSIDE}\n" * 100)
    assert (
        run(
            "assess", ct_file, "--points", tmp_path / "points.csv", "--out", tmp_path / "out"
        ).exit_code
        == 0
    )
    assert len(made_networks) == len(rows_of(tmp_path / "out")) == 100


LUNA = "seriesuid,coordX,coordY,coordZ\n1.2.8,1,2,3\n{uid},-81,-192,-192\n"


def test_fault_65_of_a_luna_table_the_rows_of_a_file_named_by_its_series(
    ct_file, made_networks, tmp_path
):
    named = tmp_path / f"1.2.3{''.join(ct_file.suffixes)}"
    named.write_bytes(ct_file.read_bytes())
    (tmp_path / "annotations.csv").write_text(LUNA.format(uid="1.2.3"))
    result = run("assess", named, "--points", tmp_path / "annotations.csv", "--out", tmp_path / "o")
    assert result.exit_code == 0, result.output
    assert len(rows_of(tmp_path / "o")) == len(made_networks) == 1


def test_fault_65_a_luna_table_without_the_series_is_refused(ct_file, tmp_path):
    (tmp_path / "annotations.csv").write_text(LUNA.format(uid="1.2.3"))
    points = tmp_path / "annotations.csv"
    result = run("assess", ct_file, "--points", points, "--out", tmp_path / "o")
    assert result.exit_code != 0 and "several CTs" in result.output


@pytest.mark.parametrize(("listed", "flagged"), [([], False), (["1.2.3"], False), (["9"], True)])
def test_fault_65_a_table_of_one_other_series_is_flagged_and_withholds(listed, flagged):
    scan = replace(made_ct(), acquisition=Acquisition(series_uid="1.2.3"))
    checks = of_listed_series(scan, listed, ["scan"]).checks
    assert [bool(check.kind.withholds) for check in checks] == [True] * flagged


def test_thresholds_and_cascade_reach_the_assessment(ct_file, made, monkeypatch, tmp_path):
    asked = []

    def assess(ct, point_lps_mm, weights, *, cascade, **_):
        asked.append((weights.thresholds, cascade))
        return made

    monkeypatch.setattr("nodulerisk.assess_points.assess", assess)
    here = ["assess", ct_file, "--point", INSIDE, "--out", tmp_path]
    assert (
        run(
            *here, "--threshold", "malignancy=0.3", "--threshold", "margin=.5", "--cascade"
        ).exit_code
        == 0
    )
    assert run(*here).exit_code == 0
    assert asked == [({"malignancy": 0.3, "margin": 0.5}, True), ({}, False)]


def test_what_is_known_of_the_patient_reaches_the_guidelines(ct_file, tmp_path):
    known = ("--patient", "status=baseline", "--patient", "nodules=1")
    done = run("assess", ct_file, "--point", INSIDE, "--out", tmp_path, *known)
    assert done.exit_code == 0
    assert "Lung-RADS v2022: 4A" in done.output
    with (tmp_path / "nodules.csv").open(encoding="utf-8-sig") as file:
        assert next(csv.DictReader(file))["Lung-RADS v2022"].startswith("4A")


def test_facts_about_one_nodule_are_refused_for_several(ct_file, tmp_path):
    points = ("--point", INSIDE, "--point", "-80,-192,-192")
    done = run(
        "assess",
        ct_file,
        *points,
        "--out",
        tmp_path,
        "--patient",
        "status=new",
        "--patient",
        "age=62",
    )
    assert done.exit_code == 2
    assert (
        is_one_line_error(done.stderr)
        and "status can only be given for a single nodule" in done.stderr
    )
    assert run("assess", ct_file, *points, "--out", tmp_path, "--patient", "age=62").exit_code == 0


def test_a_threshold_of_an_unknown_task_is_refused_in_one_line(ct_file, tmp_path):
    done = run("assess", ct_file, "--point", INSIDE, "--out", tmp_path, "--threshold", "cancer=0.3")
    assert done.exit_code == 2
    assert is_one_line_error(done.stderr) and "malignancy" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--point", "1,2"],
        ["--point", "nan,2,3"],
        ["--point", INSIDE, "--points", "points.csv"],
        ["--points", "missing.csv"],
        ["--point", INSIDE, "--ras", "--lps"],
        ["--point", INSIDE, "--threshold", "malignancy"],
        ["--point", INSIDE, "--threshold", "malignancy=high"],
        ["--point", INSIDE, "--out", f"{__file__}/out"],
    ],
)
def test_wrong_input_is_refused_in_one_line(ct_file, tmp_path, arguments):
    done = run("assess", ct_file, "--out", tmp_path / "out", *arguments)
    assert done.exit_code == 2
    assert is_one_line_error(done.stderr), done.stderr
    assert not (tmp_path / "out").exists()


def test_missing_ct_is_refused_without_a_path(tmp_path):
    done = run("assess", tmp_path / "Doe^John", "--point", INSIDE, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert "Doe" not in done.output


def test_fault_42_failed_run_leaves_no_old_results(ct_file, tmp_path, monkeypatch):
    assert run("assess", ct_file, "--point", INSIDE, "--out", tmp_path).exit_code == 0
    (tmp_path / "mine.txt").write_text("mine")

    def no_weights(name):
        raise WeightsError("The weights are damaged: import them again.")

    monkeypatch.setattr("nodulerisk.weights.store.load_weight_set", no_weights)
    assert run("assess", ct_file, "--point", INSIDE, "--out", tmp_path).exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_fault_42_results_of_several_points_are_replaced_too(ct_file, tmp_path):
    both = ["--point", INSIDE, "--point", "-80,-192,-192"]
    assert run("assess", ct_file, *both, "--out", tmp_path).exit_code == 0
    assert (
        run("assess", ct_file, "--point", INSIDE, "--point", OUTSIDE, "--out", tmp_path).exit_code
        == 2
    )
    assert list((tmp_path / "N2").iterdir()) == []


def test_input_is_never_removed_as_an_old_result(tmp_path):
    path = tmp_path / "mask.nrrd"
    sitk.WriteImage(made_ct().to_sitk(), str(path))
    done = run("assess", path, "--point", INSIDE, "--out", tmp_path)
    assert done.exit_code == 2
    assert is_one_line_error(done.stderr)
    assert path.exists()


def test_fault_43_cancelling_leaves_nothing_half_written(ct_file, tmp_path, monkeypatch):
    def cancelled(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("nodulerisk.outputs.picture.picture_png", cancelled)
    done = run("assess", ct_file, "--point", INSIDE, "--out", tmp_path)
    assert (done.exit_code, done.stderr) == (130, "Cancelled.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError("secret"), MemoryError()])
def test_unexpected_error_is_one_line_and_verbose_shows_where(
    ct_file, tmp_path, monkeypatch, error
):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr("nodulerisk.assess_points.assess", broken)
    done = run("assess", ct_file, "--point", INSIDE, "--out", tmp_path)
    assert done.exit_code == 2
    assert is_one_line_error(done.stderr)
    assert "secret" not in done.stderr
    assert (
        "Traceback"
        in run("assess", ct_file, "--point", INSIDE, "--out", tmp_path, "--verbose").stderr
    )


def test_import_weights_says_how_to_use_the_set(tmp_path, monkeypatch):
    asked = {}

    def import_keras(source, target, name, *, densesharp_evidence, report):
        asked.update(source=source, target=target, evidence=densesharp_evidence)
        report("VGG_40.h5", 0.5)
        return SimpleNamespace(networks={"malignancy-vgg-40": None})

    monkeypatch.setattr("nodulerisk.weights.import_keras.import_keras", import_keras)
    monkeypatch.setenv("NODULERISK_WEIGHTS", str(tmp_path / "sets"))
    done = run("import-weights", tmp_path, "--name", "emv", "--densesharp-evidence", "pathology")
    assert (done.exit_code, done.stdout) == (0, "emv: 1 networks. Use it with --weights emv\n")
    assert asked == {
        "source": tmp_path,
        "target": tmp_path / "sets" / "emv",
        "evidence": "pathology",
    }


def test_a_bundled_set_is_not_imported_over(tmp_path):
    done = run("import-weights", tmp_path, "--name", "open")
    assert done.exit_code == 2
    assert is_one_line_error(done.stderr) and "came with the program" in done.stderr


def test_weight_sets_are_listed_one_per_line(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "card.json").write_text("{}")
    monkeypatch.setenv("NODULERISK_WEIGHTS", str(tmp_path))
    assert run("list-weights").stdout == "open\nmine\n"


@pytest.mark.parametrize("arguments", [[], ["--densesharp-evidence", "belief"]])
def test_import_of_nothing_is_refused_in_one_line(tmp_path, arguments):
    done = run("import-weights", tmp_path, "--name", "emv", "--out", tmp_path / "emv", *arguments)
    assert done.exit_code == 2
    assert is_one_line_error(done.stderr)
