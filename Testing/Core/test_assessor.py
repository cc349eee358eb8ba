"""The Python interface: networks that stay warm, many CTs, tables, imports that cost nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import nodulerisk
from made_assessment import CENTRE_LPS_MM
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assess import assess
from nodulerisk.assess_points import Assessor
from nodulerisk.ct.points import Point
from nodulerisk.engine.engine import OpenVINOBackend
from nodulerisk.errors import NoduleRiskError, PointError

OUTSIDE = (500.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def assessor(weights) -> Assessor:
    return Assessor(weights, "cpu")


def test_it_answers_as_assess_does_with_networks_loaded_once(ct, weights, monkeypatch):
    loaded, real = [], OpenVINOBackend._compile
    monkeypatch.setattr(
        OpenVINOBackend, "_compile", lambda *asked: (loaded.append(asked[1]), real(*asked))[1]
    )
    assessor = Assessor(weights.folder, "cpu", thresholds={"malignancy": 0.3})
    found = [assessor.assess(ct, CENTRE_LPS_MM) for _ in range(2)]
    assert sorted(loaded) == sorted(weights.networks)
    own = assess(ct, CENTRE_LPS_MM, weights.with_thresholds({"malignancy": 0.3}), "cpu")
    assert [one.tasks for one in found] == [own.tasks] * 2


def test_a_refused_point_is_an_error_that_says_why(ct, assessor):
    with pytest.raises(PointError, match="outside the CT"):
        assessor.assess(ct, OUTSIDE)
    with pytest.raises(PointError, match="not three numbers"):
        assessor.assess(ct, (1.0, float("nan"), 2.0))


def test_many_cts_give_each_points_outcome_with_its_ct(ct, assessor, tmp_path):
    (tmp_path / "points.csv").write_text("name,x,y,z\nright,-81,-192,-192\nfar,500,0,0\n")
    shares: list[tuple[str, float]] = []
    found = list(
        assessor.assess_many(
            {"A": ct, "gone": tmp_path / "gone.nrrd", "B": ct},
            {"A": CENTRE_LPS_MM, "gone": [Point("x", CENTRE_LPS_MM)], "B": tmp_path / "points.csv"},
            progress=lambda *told: shares.append(told),
        )
    )
    assert [(one.case, one.point.name) for one in found] == [
        ("A", "N1"),
        ("gone", "x"),
        ("B", "right"),
        ("B", "far"),
    ]
    assert [one.assessment is None for one in found] == [False, True, False, True]
    assert "no file or folder" in found[1].refusal
    assert found[2].assessment.tasks == found[0].assessment.tasks
    assert [share for _, share in shares] == sorted(share for _, share in shares)
    assert shares[0][0].startswith("A: N1: ") and 0 <= shares[-1][1] <= 1


def test_cts_and_points_in_two_lists_are_counted(ct, assessor):
    found = assessor.assess_many([ct, ct], [CENTRE_LPS_MM, [CENTRE_LPS_MM]])
    assert [one.case for one in found] == ["1", "2"]


def test_cts_without_points_are_found_before_anything_is_read(assessor, tmp_path):
    with pytest.raises(NoduleRiskError, match="B needs both"):
        next(assessor.assess_many({"A": tmp_path, "B": tmp_path}, {"A": CENTRE_LPS_MM}))


def test_tables_have_a_row_a_nodule_its_features_and_the_notice(ct, assessor):
    outcomes = assessor.assess_many({"A": ct}, {"A": [CENTRE_LPS_MM, OUTSIDE]}, features=True)
    table = nodulerisk.to_pandas(outcomes)
    assert list(table.columns[:2]) == ["case", "name"]
    assert table.columns[-1] == "research_use_only"
    assert set(table["research_use_only"]) == {RESEARCH_USE_ONLY}
    assert table["volume (mm³)"][0] == pytest.approx(table["original_shape_VoxelVolume"][0], abs=1)
    assert table["original_firstorder_Mean"].isna().tolist() == [False, True]
    assert "outside the CT" in table["refusal"][1]


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys; before = set(sys.modules); import nodulerisk; nodulerisk.NoduleRiskError;"
        "print(*sorted({m for m in set(sys.modules) - before if '.' not in m}))"
    )
    root = str(next(iter(nodulerisk.__path__)) + "/..")
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {root!r}); {code}"],
        capture_output=True,
        text=True,
    )
    third = {"numpy", "torch", "SimpleITK", "openvino", "pydicom", "scipy", "matplotlib"}
    assert done.returncode == 0, done.stderr
    assert "nodulerisk" in done.stdout.split() and not third & set(done.stdout.split())


def test_every_public_name_is_there_and_others_are_not():
    for name in nodulerisk.__all__:
        assert getattr(nodulerisk, name) is not None and name in dir(nodulerisk)
    with pytest.raises(AttributeError, match="no attribute 'assessor'"):
        nodulerisk.assessor  # noqa: B018
