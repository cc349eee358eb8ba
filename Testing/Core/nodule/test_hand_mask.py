"""A mask drawn or corrected by hand: shown and measured as drawn, on any CT, with unchanged
probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.spatial.transform import Rotation

from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_assessment, made_ct, positions_of
from nodulerisk.assessment import NoduleMask, load_assessment, save_assessment
from nodulerisk.checks import FLAT, Check
from nodulerisk.ct.volume import CT
from nodulerisk.nodule.findings import nodule_checks, remeasured
from nodulerisk.nodule.mask import centroid_lps_mm, hand_mask, touches_cube_edge
from nodulerisk.nodule.measure import measure, nodule_hu, principal_axes_mm, value_of
from nodulerisk.outputs.html.interactive import mesh_figure
from nodulerisk.outputs.html.nodule_report import ReportNodule, write_report
from nodulerisk.outputs.mesh import nodule_mesh
from nodulerisk.outputs.picture import picture_png
from nodulerisk.outputs.slices import nodule_slices
from nodulerisk.outputs.words import measured_on

OBLIQUE = Rotation.from_euler("xyz", [20, -15, 30], degrees=True).as_matrix()
DIRECTIONS = [
    np.eye(3),
    np.diag([-1.0, -1.0, 1.0]),
    np.eye(3)[:, [2, 0, 1]],
    OBLIQUE,
    OBLIQUE * (1, 1, -1),
]


def drawn(ct: CT, radius_mm: float = RADIUS_MM) -> NoduleMask:
    """A sphere around the nodule's centre, in a region with empty rims."""
    inside = np.linalg.norm(positions_of(ct) - CENTRE_LPS_MM, axis=-1) <= radius_mm
    first = tuple(int(i.min()) - 3 for i in np.nonzero(inside))
    return hand_mask(inside[tuple(slice(a, None) for a in first)], first, ct)


@pytest.fixture(
    params=DIRECTIONS, ids=["straight", "prone", "permuted", "oblique", "oblique and mirrored"]
)
def turned(request) -> CT:
    return made_ct(request.param, (0.6, 0.7, 2.0))


def test_it_lies_where_it_was_drawn(turned):
    nodule = drawn(turned)
    inside = np.linalg.norm(positions_of(turned) - CENTRE_LPS_MM, axis=-1) <= RADIUS_MM
    np.testing.assert_array_equal(nodule.on_ct(), inside)
    np.testing.assert_allclose(
        centroid_lps_mm(nodule), positions_of(turned)[inside].mean(axis=0), atol=1e-9
    )
    assert (nodule.evidence, touches_cube_edge(nodule)) == ("reader", False)


def test_its_mesh_encloses_its_voxels(turned):
    nodule = drawn(turned)
    volume = nodule.region.sum() * np.prod(turned.spacing_mm)
    mesh = nodule_mesh(nodule)
    assert mesh.volume_mm3 == pytest.approx(volume, rel=0.08)
    np.testing.assert_allclose(mesh.vertices_lps_mm.mean(axis=0), CENTRE_LPS_MM, atol=0.5)
    assert [mesh.visible for mesh in mesh_figure(nodule).data] == [True, False, False]


def test_its_outlines_are_the_sphere_in_mm(turned):
    edited = remeasured(made_assessment(turned), turned, drawn(turned))
    for picture in nodule_slices(turned, edited):
        (outline,) = picture.outlines
        np.testing.assert_allclose(np.linalg.norm(outline, axis=1), RADIUS_MM, atol=1.2)


def test_sizes_and_densities_are_its_own_and_probabilities_stay(ct, assessment):
    smaller = drawn(ct, 4.0)
    edited = remeasured(assessment, ct, smaller)
    assert value_of(edited.measurements, "equivalent diameter") == pytest.approx(8, abs=0.3)
    assert value_of(edited.measurements, "mean density") == pytest.approx(
        nodule_hu(smaller, ct).mean()
    )
    assert (edited.tasks, edited.provenance) == (assessment.tasks, assessment.provenance)
    assert (edited.point_lps_mm, edited.centre_lps_mm) == (
        assessment.point_lps_mm,
        assessment.centre_lps_mm,
    )
    assert edited.checks[: len(assessment.checks)] == assessment.checks
    (note,) = edited.checks[len(assessment.checks) :]
    assert (note.code, note.severity, note.fault) == ("mask-edited", "note", 42)
    assert measured_on(edited) == "on the mask, corrected by hand"
    assert "by hand" not in measured_on(assessment)


def test_fault_42_findings_of_the_old_mask_are_not_shown_for_the_new_one(ct, assessment):
    old = [
        Check(code, "warning", code, 30)
        for code in ("no-nodule", "size-out-of-range", "mask-cut", "calcified")
    ]
    edited = remeasured(replace(assessment, checks=(*old, *assessment.checks)), ct, drawn(ct))
    again = remeasured(edited, ct, drawn(ct, 1.8))
    assert [check.code for check in edited.checks] == [
        "thick-slices",
        "kernel-unknown",
        "mask-edited",
    ]
    assert [check.code for check in again.checks] == [
        "thick-slices",
        "kernel-unknown",
        "size-out-of-range",
        "mask-edited",
    ]


def test_a_crop_of_the_ct_gives_the_same(ct, assessment):
    whole = drawn(ct)
    low = [a - 2 for a in whole.first_voxel]
    box = tuple(slice(a, a + n + 4) for a, n in zip(low, whole.region.shape, strict=True))
    crop = CT(ct.hu[box].copy(), ct.spacing_mm, tuple(ct.point_of(low[::-1])), ct.direction)
    part = hand_mask(whole.region, (2, 2, 2), crop)
    assert part.ct_shape == crop.hu.shape
    assert (
        remeasured(assessment, crop, part).to_dict() == remeasured(assessment, ct, whole).to_dict()
    )
    np.testing.assert_allclose(
        nodule_mesh(part).vertices_lps_mm, nodule_mesh(whole).vertices_lps_mm, atol=1e-4
    )


@pytest.mark.parametrize("region", [np.zeros((0, 0, 0), bool), np.zeros((3, 4, 5), np.uint8)])
def test_fault_26_an_empty_one_is_measured_as_nothing(ct, assessment, region, tmp_path):
    edited = remeasured(assessment, ct, hand_mask(region, (5, 6, 7), ct))
    assert edited.measurements == ()
    assert {"no-nodule", "mask-edited"} <= {check.code for check in edited.checks}
    assert not edited.mask.any()
    assert len(nodule_mesh(edited.nodule).faces) == 0
    write_report([ReportNodule(ct, edited)], tmp_path / "nodule.html")


def test_a_deleted_mask_is_not_measured(ct, assessment):
    edited = remeasured(assessment, ct, None)
    assert (edited.nodule, edited.measurements) == (None, ())
    assert edited.checks[-1].code == "mask-edited"


def test_it_is_saved_and_shown_like_any_other(assessment, tmp_path):
    ct = made_ct(OBLIQUE, (0.6, 0.7, 2.0))
    edited = remeasured(assessment, ct, drawn(ct))
    save_assessment(edited, ct, tmp_path)
    loaded = load_assessment(tmp_path)
    assert loaded.to_dict() == edited.to_dict()
    np.testing.assert_array_equal(loaded.mask, edited.mask)
    assert nodule_mesh(loaded.nodule).volume_mm3 == pytest.approx(
        nodule_mesh(edited.nodule).volume_mm3, rel=1e-4
    )
    picture_png(ct, edited, tmp_path / "nodule.png")
    write_report([ReportNodule(ct, edited)], tmp_path / "nodule.html")
    assert imread(tmp_path / "nodule.png").shape[:2] == (1000, 1600)
    assert "corrected by hand" in (tmp_path / "nodule.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("spacing_mm", [(0.7, 0.7, 1.0), (0.7, 0.7, 2.0)], ids=["thin", "thick"])
@pytest.mark.parametrize(
    ("axes_mm", "flat"),
    [((4, 16, 24), True), ((24, 4, 16), True), ((6, 6, 6), False), ((8, 9, 28), False)],
    ids=["plate", "upright plate", "ball", "rod"],
)
def test_fault_67_what_is_flat_may_be_a_scar_or_a_fissure_and_decides_nothing(
    axes_mm, flat, spacing_mm, assessment
):
    ct = made_ct(spacing_mm=spacing_mm)
    offsets = (positions_of(ct) - CENTRE_LPS_MM)[..., ::-1] / np.divide(axes_mm, 2)
    edited = remeasured(assessment, ct, hand_mask((offsets**2).sum(axis=-1) <= 1, (0, 0, 0), ct))
    reasons = edited.stated("malignancy").reasons
    assert FLAT.among(edited.checks) == (FLAT.withholds in reasons) == flat


def test_the_axes_of_an_ellipsoid_are_found_whichever_way_it_lies():
    ct = made_ct(spacing_mm=(0.8, 0.8, 0.8))
    turn = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
    offsets = (positions_of(ct) - CENTRE_LPS_MM) @ turn / (5, 8, 12)
    found = principal_axes_mm((offsets**2).sum(axis=-1) <= 1, ct.spacing_mm)
    np.testing.assert_allclose(found, (10, 16, 24), rtol=0.02)


@pytest.mark.parametrize(("tilt", "said"), [(0, ""), (4, ""), (12, "by 12°"), (-30, "by 30°")])
@pytest.mark.parametrize("axes", [[0, 1, 2], [2, 0, 1]], ids=["axial", "sagittal"])
def test_fault_14_diameters_of_tilted_slices_are_said_to_be_of_the_slices(tilt, said, axes):
    ct = made_ct(Rotation.from_euler("x", tilt, degrees=True).as_matrix()[:, axes])
    nodule = drawn(ct)
    found = nodule_checks(nodule, measure(nodule, ct), ct)
    messages = [check.message for check in found if check.code == "oblique-slices"]
    assert len(messages) == bool(said) and all(said in message for message in messages)


@pytest.mark.parametrize(("cut_at", "flagged"), [(40, False), (30, True)])
def test_fault_28_74_a_mask_that_reaches_the_edge_of_the_ct_is_flagged(cut_at, flagged):
    z, y, x = np.ogrid[:cut_at, :60, :60]
    ball = (z - 30) ** 2 + (y - 30) ** 2 + (x - 30) ** 2 <= 8**2
    ct = CT(np.where(ball, 30, -850).astype(np.int16), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    nodule = hand_mask(ball, (0, 0, 0), ct)
    found = {check.code for check in nodule_checks(nodule, measure(nodule, ct), ct)}
    assert ("mask-at-edge" in found) == flagged
