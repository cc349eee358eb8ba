"""The pictures of an assessment: upright slices, honest words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from scipy.spatial.transform import Rotation

from made_assessment import CENTRE_LPS_MM, RADIUS_MM, TASKS, made_assessment, made_ct
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import Measurement
from nodulerisk.ct.volume import CT
from nodulerisk.errors import OutputError
from nodulerisk.nodule.quantities import Code
from nodulerisk.outputs.html.interactive import mesh_figure
from nodulerisk.outputs.picture import nodule_figure, picture_png
from nodulerisk.outputs.slices import AIR_HU, TICKS_MM, nodule_slices
from nodulerisk.outputs.words import measurement_value, task_bars, task_basis, task_title
from nodulerisk.tasks import EVIDENCE_WORDS

VOLUME = Code("118565006", "SCT", "Volume")
OBLIQUE = Rotation.from_euler("xyz", [20, -15, 30], degrees=True).as_matrix()


def drawn_texts(figure) -> str:
    return "\n".join(text.get_text() for part in (figure, *figure.axes) for text in part.texts)


@pytest.mark.parametrize(
    "direction", [np.eye(3), np.diag([-1.0, -1.0, 1.0]), np.eye(3)[:, [2, 0, 1]], OBLIQUE]
)
def test_fault_14_slices_are_upright_whatever_the_acquisition(direction):
    """The chest wall lies on the patient's right: left in the axial and coronal picture."""
    ct = made_ct(direction, (1.0, 1.0, 1.0))
    axial, coronal, sagittal = nodule_slices(ct, made_assessment(ct))
    for picture in (axial, coronal):
        assert picture.hu[75, 5] > 0
        assert picture.hu[75, -5] < -700
    assert sagittal.hu.max() > 0
    assert sagittal.hu[75, 5] < -700


def test_slices_show_front_above_and_head_above():
    ramp = np.indices((91, 91, 91)).astype(np.int16)
    for volume, plane in ((ramp[1], 0), (-ramp[0], 1), (-ramp[0], 2)):
        ct = CT(volume, (1.0, 1.0, 1.0), tuple(np.array(CENTRE_LPS_MM) - 45))
        picture = nodule_slices(ct, made_assessment(made_ct()))[plane]
        assert np.all(np.diff(picture.hu[:, 75]) > 0)  # grows downwards: to the back, to the feet
    ct = CT(ramp[1], (1.0, 1.0, 1.0), tuple(np.array(CENTRE_LPS_MM) - 45))
    # the sagittal view looks left
    assert np.all(np.diff(nodule_slices(ct, made_assessment(made_ct()))[2].hu[75]) > 0)


def test_outline_is_the_sphere_in_mm(ct, assessment):
    for picture in nodule_slices(ct, assessment):
        (outline,) = picture.outlines
        np.testing.assert_allclose(np.linalg.norm(outline, axis=1), RADIUS_MM, atol=0.25)


def test_air_is_assumed_outside_the_scan(ct, assessment):
    picture = nodule_slices(ct, replace(assessment, centre_lps_mm=(-81.0, -192.0, -148.0)))[1]
    assert np.all(picture.hu[TICKS_MM < -5] == AIR_HU)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(904.78, "mm³", "905 mm³"), (12.04, "mm", "12.0 mm"), (0.251, "", "0.25")],
)
def test_measurements_have_sensible_digits(value, unit, words):
    assert measurement_value(Measurement("m", value, unit, "", VOLUME)) == words


def test_two_classes_need_one_bar_and_three_need_three():
    assert [bar.label for bar in task_bars(TASKS["malignancy"])] == ["malignant"]
    assert [bar.mean for bar in task_bars(TASKS["grade"])] == [0.15, 0.6, 0.25]
    assert task_bars(TASKS["subtype"]) == []


def test_task_that_was_not_run_says_why(assessment):
    assert task_title(assessment, "subtype") == "Subtype: not run"
    assert "import DenseSharp" in task_basis(TASKS["subtype"])


def test_there_are_three_meshes_to_choose_from(assessment):
    figure = mesh_figure(assessment.nodule)
    sizes = [len(mesh.i) for mesh in figure.data]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 3
    assert [mesh.visible for mesh in figure.data] == [True, False, False]


def test_fault_46_the_picture_holds_no_identity(ct, assessment):
    """The series UID is only in the JSON."""
    assert assessment.provenance.series_uid not in drawn_texts(nodule_figure(ct, assessment))


def test_picture_shows_the_same(ct, assessment, tmp_path):
    picture_png(ct, assessment, tmp_path / "nodule.png")
    assert imread(tmp_path / "nodule.png").shape[:2] == (1000, 1600)
    texts = drawn_texts(nodule_figure(ct, assessment))
    for words in (
        "Malignancy: 0.73, decision withheld: the slices are thick",
        "0.73",
        EVIDENCE_WORDS["simulated"],
        "volume: 905 mm³",
        RESEARCH_USE_ONLY,
    ):
        assert words in texts


@pytest.mark.parametrize("copies", [1, 6], ids=["usual", "crowded"])
def test_nothing_in_the_picture_is_cut_or_overlaps(ct, assessment, copies):
    grade = replace(TASKS["grade"], evidence="pathology")
    crowded = replace(
        assessment,
        name="N" * copies * 12,
        tasks=TASKS | {"subtype": grade},
        checks=assessment.checks * copies,
        measurements=assessment.measurements * copies,
    )
    figure = nodule_figure(ct, crowded)
    FigureCanvasAgg(figure).draw()
    boxes = [text.get_window_extent() for part in (figure, *figure.axes) for text in part.texts]
    for number, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= 1600
        assert box.y1 <= 1000
        assert not any(box.padded(-1).overlaps(other.padded(-1)) for other in boxes[:number])


def test_text_that_does_not_fit_is_reported_as_left_out(ct, assessment):
    crowded = replace(assessment, checks=assessment.checks * 20)
    assert "more in assessment.json" in drawn_texts(nodule_figure(ct, crowded))


def test_fault_47_formulas_in_names_are_plain_text(ct, tmp_path):
    picture_png(ct, made_assessment(ct, "$\\frac{$ $x_1$"), tmp_path / "nodule.png")


@pytest.mark.parametrize("empty_mask", [True, False])
def test_fault_26_picture_without_a_nodule(ct, assessment, tmp_path, empty_mask):
    empty = replace(
        assessment.nodule,
        region=np.zeros((0, 0, 0), np.uint8),
        probability=np.zeros((32, 32, 32), np.float32),
    )
    nothing = replace(assessment, nodule=empty if empty_mask else None, measurements=(), checks=())
    picture_png(ct, nothing, tmp_path / "nodule.png")


def test_fault_44_the_picture_is_refused_where_no_folder_can_be(ct, assessment, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        picture_png(ct, assessment, tmp_path / "file" / "nodule.png")
