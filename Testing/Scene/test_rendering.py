"""An assessment in Slicer's views, by their pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from LungNoduleRiskLib.display.results import removeAssessment, showAssessment
from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_assessment, made_ct
from made_scene import OBLIQUE, rigid
from nodulerisk.assess import assess
from nodulerisk.ct.points import read_points
from nodulerisk.ct.read import read_ct
from nodulerisk.outputs.colours import risk_colour
from nodulerisk.weights.store import load_weight_set
from plot import save_picture
from views import Views

SAMPLES = Path(__file__).parents[2] / "Resources" / "SampleData"
CENTRE_RAS_MM = np.array(CENTRE_LPS_MM) * (-1, -1, 1)
ASIDE_MM = (3, 2, 1)  # R, A, S: from the nodule to what the views look at
SEEN_MM = {
    "Red": (3, 2, 1),
    "Yellow": (2, 1, 3),
    "Green": (3, 1, 2),
    "3D": (3, 1, 0),
}  # then: right, down, off the slice
ACROSS_MM, SIZE = 60.0, (500, 400)
SPACING_MM = (1.0, 1.0, 1.25)


@pytest.fixture
def views(scene):
    views = Views(scene)
    yield views
    views.close()


@pytest.fixture
def volume(views, loaded, placed, stored_away, transformed, request):
    """A volume in the views, its CT, and a point on its nodule, which lies at the middle of the
    views.

    The parameter says how the grid lies: straight, oblique, or stored elsewhere and brought back by
        a transform.
    """
    ct = made_ct(OBLIQUE if request.param == "oblique" else None, SPACING_MM)
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    if request.param == "transformed":
        stored_away(volumeNode, markupsNode, rigid())
        transformed(volumeNode, rigid())
        transformed(markupsNode, rigid())
    views.show(volumeNode)
    views.jump(CENTRE_RAS_MM, ACROSS_MM)
    return volumeNode, ct, markupsNode


def tinted(picture: np.ndarray, colour) -> np.ndarray:
    """bool (height, width): where a picture has a colour's hue, however bright; grey has none."""
    chroma, wanted = (
        rgb - np.mean(rgb, axis=-1, keepdims=True)
        for rgb in (picture.astype(float), np.array(colour))
    )
    length = np.linalg.norm(chroma, axis=-1)
    return (length > 15) & (chroma @ wanted > 0.96 * length * np.linalg.norm(wanted))


def distance_mm(picture: np.ndarray, right_mm: float = 0, down_mm: float = 0) -> np.ndarray:
    """For each pixel, from a place beside the middle of a view."""
    height, width, _ = picture.shape
    rows, columns = np.indices((height, width)) * ACROSS_MM / height
    middle_mm = np.array([height - 1, width - 1]) / 2 * ACROSS_MM / height
    return np.hypot(rows - middle_mm[0] - down_mm, columns - middle_mm[1] - right_mm)


@pytest.mark.parametrize("volume", ["straight", "oblique", "transformed"], indirect=True)
def test_fault_13_the_nodule_is_drawn_where_it_lies_and_nowhere_else(
    views, volume, tmp_path, request
):
    volumeNode, ct, _ = volume
    assessment = made_assessment(ct)
    views.jump(CENTRE_RAS_MM + ASIDE_MM, ACROSS_MM)
    before = {name: views.render(name, SIZE) for name in SEEN_MM}
    showAssessment(assessment, volumeNode)
    for name, (right_mm, down_mm, off_mm) in SEEN_MM.items():
        picture = views.render(name, SIZE)
        save_picture(picture, f"{request.node.callspec.id} {name}", tmp_path)
        drawn, mm = (
            tinted(picture, risk_colour(assessment)),
            distance_mm(picture, right_mm, down_mm),
        )
        radius_mm = np.sqrt(RADIUS_MM**2 - off_mm**2)
        assert drawn[mm < radius_mm - 1.5].all()
        assert not drawn[mm > radius_mm + 1.5].any()
        assert not tinted(before[name], risk_colour(assessment)).any()

    removeAssessment("N1", volumeNode)
    for name, picture in before.items():
        np.testing.assert_array_equal(views.render(name, SIZE), picture)


@pytest.mark.parametrize("volume", ["straight"], indirect=True)
def test_the_voxels_show_through_the_mask_and_its_rim_is_its_colour(views, volume):
    volumeNode, ct, _ = volume
    assessment = made_assessment(ct)
    showAssessment(assessment, volumeNode)
    colour = np.array(risk_colour(assessment)) * 255
    picture = views.render("Red", SIZE)
    off = np.abs(picture - colour).max(axis=-1)
    mm = distance_mm(picture)
    assert (off[mm < RADIUS_MM - 1.5] > 40).all()
    assert (off[np.abs(mm - RADIUS_MM) < 1] < 40).sum() > 50


@pytest.mark.parametrize("volume", ["straight", "transformed"], indirect=True)
def test_points_are_drawn_with_their_labels(views, volume, tmp_path, request):
    *_, markupsNode = volume
    markupsNode.CreateDefaultDisplayNodes()
    displayNode = markupsNode.GetDisplayNode()
    for name in SEEN_MM:
        labelled = views.render(name, SIZE)
        save_picture(labelled, f"label {request.node.callspec.id} {name}", tmp_path)
        displayNode.SetPointLabelsVisibility(False)
        unlabelled = views.render(name, SIZE)
        displayNode.SetVisibility(False)
        bare = views.render(name, SIZE)
        displayNode.SetVisibility(True)
        displayNode.SetPointLabelsVisibility(True)
        assert_near_the_middle(unlabelled, bare, within_mm=2)
        assert_near_the_middle(labelled, unlabelled, within_mm=6)


def assert_near_the_middle(picture: np.ndarray, without: np.ndarray, within_mm: float) -> None:
    changed = (picture != without).any(axis=-1)
    assert changed.sum() > 50
    assert distance_mm(picture)[changed].max() < within_mm


def test_the_bundled_ct_shows_its_nodule(views, loaded, tmp_path):
    ct = read_ct(SAMPLES / "demo-chest-ct.zip")
    point = read_points(SAMPLES / "demo-point.mrk.json")[0]
    volumeNode = loaded(ct)
    assessment = assess(ct, point.lps_mm, load_weight_set("open"), "cpu")
    showAssessment(assessment, volumeNode)
    views.show(volumeNode)
    views.jump(np.array(assessment.centre_lps_mm) * (-1, -1, 1), ACROSS_MM)
    for name in SEEN_MM:
        picture = views.render(name, SIZE)
        save_picture(picture, f"bundled {name}", tmp_path)
        drawn, mm = tinted(picture, risk_colour(assessment)), distance_mm(picture)
        assert drawn[mm < 5].mean() > 0.9
        assert not drawn[mm > 20].any()


@pytest.mark.parametrize("volume", ["straight"], indirect=True)
def test_a_saved_scene_looks_the_same(scene, views, volume, tmp_path):
    volumeNode, ct, _ = volume
    showAssessment(made_assessment(ct), volumeNode)
    before = {name: views.render(name, SIZE) for name in SEEN_MM}
    path = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(path)
    scene.Clear()
    assert scene.ReadFromMRB(path)
    views.show(scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"))
    views.jump(CENTRE_RAS_MM, ACROSS_MM)
    for name, picture in before.items():
        again = views.render(name, SIZE)
        save_picture(again, f"again {name}", tmp_path)
        np.testing.assert_allclose(again.astype(int), picture, atol=2)
