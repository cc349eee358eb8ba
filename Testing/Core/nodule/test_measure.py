"""Measurements: correct on shapes of known size, independent of how a CT is stored, and equal to
other programs'."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.sr.codedict import codes
from scipy.spatial.transform import Rotation

from made_assessment import made_ct, positions_of, sphere_nodule
from made_shapes import (
    GLASS_HU,
    OBLIQUE,
    SAGITTAL,
    SOLID_HU,
    Shape,
    ellipsoid,
    reoriented,
)
from nodulerisk.assessment import Measurement, mask_image
from nodulerisk.ct.volume import CT
from nodulerisk.datasets.lidc.slices import read_lidc_slices
from nodulerisk.nodule.mask import hand_mask
from nodulerisk.nodule.measure import (
    axes_mm,
    density_type,
    drawn_axes,
    measure,
    solid_component,
)
from nodulerisk.nodule.quantities import QUANTITIES, UNITS

# Directions, and the array axis across the axial slices.
PLANES = ((np.eye(3), 2), (SAGITTAL, 0), (OBLIQUE, 2))


def values(shape: Shape, **options) -> dict[str, float]:
    return {m.name: m.value for m in measure(*shape, **options)}


def central_axes(semi_mm, turn, normal) -> tuple[float, float]:
    """Long and short axis of the section of an ellipsoid through its middle: of all parallel
    sections the largest."""
    plane = np.linalg.svd(normal[None])[2][1:]
    section = plane @ turn @ np.diag(np.array(semi_mm) ** -2.0) @ turn.T @ plane.T
    long, short = 2 / np.sqrt(np.linalg.eigvalsh(section))
    return long, short


def missed(semi_mm, turn, normal, step_mm: float) -> float:
    """Returns the share of the middle section's axes that is lost in a slice half a step away from
    it."""
    height = np.linalg.norm(np.array(semi_mm) * (turn.T @ normal))
    return 1 - np.sqrt(max(0.0, 1 - (step_mm / 2 / height) ** 2))


def errors(seed: int) -> tuple[float, float, float]:
    """Errors of long axis, short axis and equivalent diameter on an ellipsoid of any size and
    direction in a CT of any spacing and direction, in voxels in plane; what a slice off the middle
    may miss does not count as an error."""
    rng = np.random.default_rng(seed)
    semi, voxel = (
        rng.uniform(2.5, 15) * np.array([1, *rng.uniform(0.5, 1, 2)]),
        rng.uniform(0.5, 0.95),
    )
    turn, (direction, normal) = (
        Rotation.random(random_state=seed).as_matrix(),
        PLANES[seed % len(PLANES)],
    )
    spacing = [voxel] * 3
    spacing[normal] = rng.uniform(0.6, 2.5)
    found = values(
        ellipsoid(tuple(semi), turn, tuple(spacing), direction, rng.uniform(-0.4, 0.4, 3))
    )
    long, short = central_axes(semi, turn, direction[:, normal])
    share = missed(semi, turn, direction[:, normal], spacing[normal])

    def error(value: float, truth: float) -> float:
        return (value - np.clip(value, truth * (1 - share), truth)) / voxel

    return (
        error(found["long axis"], long),
        error(found["short axis"], short),
        (found["equivalent diameter"] - 2 * np.prod(semi) ** (1 / 3)) / voxel,
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_ellipsoids_are_measured_to_a_voxel(seed):
    long, short, equivalent = errors(seed)
    assert abs(long) < 0.75
    assert abs(short) < 1.5
    assert abs(equivalent) < 0.75


def test_there_is_no_bias():
    found = np.array([errors(seed) for seed in range(90)])
    assert np.abs(found.mean(axis=0)).max() < 0.2
    assert found.std(axis=0).max() < 0.35


@pytest.mark.parametrize("radius", [2.5, 4, 6, 10, 15])
def test_spheres(radius):
    found = values(ellipsoid((radius,) * 3, spacing_mm=(0.5, 0.5, 0.5), off_mm=(0.1, 0.2, 0.15)))
    for name in ("long axis", "short axis", "mean diameter", "equivalent diameter"):
        assert found[name] == pytest.approx(2 * radius, abs=0.35)
    assert found["volume"] == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.03)


@pytest.mark.parametrize(
    "direction", [np.eye(3), SAGITTAL, OBLIQUE], ids=["axial", "sagittal", "oblique"]
)
def test_the_axes_lie_in_the_slices_nearest_to_axial(direction):
    """An upright column is as wide as in the slices, however tall; in an oblique CT, as in its own
    slices."""
    upright = ellipsoid((3, 4, 12), spacing_mm=(0.5, 0.5, 0.5), direction=direction, turn=None)
    along_the_scan = ellipsoid(
        (3, 4, 12), turn=OBLIQUE, spacing_mm=(0.5, 0.5, 0.5), direction=OBLIQUE
    )
    shape = along_the_scan if direction is OBLIQUE else upright
    found = values(shape)
    assert (found["long axis"], found["short axis"]) == pytest.approx((8, 6), abs=0.4)


@settings(max_examples=48, deadline=None)
@given(order=st.permutations(range(3)), flips=st.tuples(*[st.booleans()] * 3))
def test_fault_10_every_axis_order_and_flip_gives_the_same(order, flips):
    nodule, ct = ellipsoid(
        (5, 7, 9),
        Rotation.random(random_state=1).as_matrix(),
        (0.6, 0.7, 1.3),
        off_mm=(0.1, 0, 0.3),
    )
    ct.hu[:, :20] -= 400  # a solid component
    turned, mask = (
        reoriented(ct, order, flips),
        reoriented(replace(ct, hu=nodule.on_ct().astype(np.int16)), order, flips),
    )
    assert values((hand_mask(mask.hu, (0, 0, 0), turned), turned)) == pytest.approx(
        values((nodule, ct))
    )


def with_core(core_hu: int = SOLID_HU, off_mm=(0.1, 0.2, 0.15)) -> Shape:
    """A ball of ground glass, 8 mm in radius, with a core of 4 mm."""
    nodule, ct = ellipsoid(
        (8, 8, 8), spacing_mm=(0.5, 0.5, 0.5), off_mm=(0.1, 0.2, 0.15), hu=GLASS_HU
    )
    ct.hu[np.linalg.norm(positions_of(ct) - off_mm, axis=-1) <= 4] = core_hu
    return nodule, ct


@pytest.mark.parametrize("off_mm", [(0.1, 0.2, 0.15), (2.2, -1.3, 0.9)])
def test_a_solid_core_in_a_shell(off_mm):
    found = values(with_core(off_mm=off_mm))
    core, whole = 4 / 3 * np.pi * 4**3, 4 / 3 * np.pi * 8**3
    assert found["solid long axis"] == pytest.approx(8, abs=0.3)
    assert found["solid mean diameter"] == pytest.approx(8, abs=0.3)
    assert found["solid volume"] == pytest.approx(core, rel=0.03)
    assert found["CTR"] == pytest.approx(0.5, abs=0.02)
    mean = (core * SOLID_HU + (whole - core) * GLASS_HU) / whole
    assert found["mean density"] == pytest.approx(mean, abs=5)
    assert found["density SD"] == pytest.approx(
        np.sqrt(core * (whole - core)) / whole * (SOLID_HU - GLASS_HU), rel=0.02
    )
    assert found["mass"] == pytest.approx(whole * (mean + 1000) / 1000, rel=0.03)


def test_the_solid_component_is_the_largest_part_inside_the_mask():
    nodule, ct = with_core(off_mm=(3, 0, 0))
    ct.hu[np.linalg.norm(positions_of(ct) - (-5, 0, 0), axis=-1) <= 2] = (
        SOLID_HU  # another, smaller
    )
    ct.hu[0] = SOLID_HU  # chest wall, outside
    assert values((nodule, ct))["solid volume"] == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.03)


def test_the_threshold_of_the_solid_component_is_a_setting():
    shape = with_core(core_hu=-300)
    assert values(shape)["solid volume"] == 0
    assert values(shape, solid_hu=-301)["solid long axis"] == pytest.approx(8, abs=0.3)
    assert values(shape, solid_hu=-700)["CTR"] == 1
    assert solid_component(*shape).shape == shape[0].region.shape


def of_volumes(whole: float, solid: float) -> tuple[Measurement, ...]:
    pairs = {"volume": whole, "solid volume": solid}
    return tuple(Measurement(name, value, *QUANTITIES[name]) for name, value in pairs.items())


@pytest.mark.parametrize(
    ("solid", "kind"),
    [(0, "ground glass"), (0.1, "part-solid"), (79.9, "part-solid"), (80, "solid"), (100, "solid")],
)
def test_the_density_type_turns_at_none_and_at_four_fifths(solid, kind):
    assert density_type(of_volumes(100, solid)) == kind
    assert density_type(()) is None


def test_among_slices_of_equal_length_the_broadest_counts():
    region = np.zeros((3, 9, 9), bool)
    region[0, 4, :] = region[1, 2:7, :] = region[2, 3:6, :] = True
    region[1:, [2, 3, 5, 6], :2] = region[1:, [2, 3, 5, 6], 7:] = False  # no longer than the first
    ct = CT(np.zeros((3, 9, 9), np.int16), (1.0, 1.0, 1.0), (0, 0, 0))
    assert axes_mm(region, ct) == pytest.approx((8.6, 4.6))


def test_concave_shapes_are_measured_as_by_a_calliper():
    region = np.zeros((1, 20, 20), bool)
    region[0, 2:18, 2:4] = region[0, 2:4, 2:18] = True  # an L
    ct = CT(np.zeros((1, 20, 20), np.int16), (1.0, 1.0, 1.0), (0, 0, 0))
    long, short = axes_mm(region, ct)
    assert long == pytest.approx(np.hypot(15, 15), abs=1)
    # from the corner to the line between the ends
    assert short == pytest.approx(16 / np.sqrt(2), abs=1)


@pytest.mark.parametrize("box", [(1, 1, 1), (1, 1, 9), (9, 1, 1), (1, 9, 1), (1, 9, 9)])
def test_the_thinnest_masks_are_measured(box):
    ct = CT(np.full((11, 11, 11), 30, np.int16), (0.5, 0.5, 2.0), (0, 0, 0))
    found = values((hand_mask(np.ones(box, bool), (1, 1, 1), ct), ct))
    assert all(np.isfinite(value) for value in found.values())
    assert 0 < found["short axis"] <= found["long axis"] < 0.5 * np.hypot(*box[1:]) + 0.5


def test_nothing_is_measured_of_an_empty_mask(ct):
    assert measure(hand_mask(np.zeros((2, 2, 2)), (0, 0, 0), ct), ct) == ()
    assert axes_mm(np.zeros((2, 2, 2)), ct) == (0, 0)


@pytest.mark.parametrize("spacing_mm", [(0.6, 0.6, 0.6), (0.7, 0.7, 2.5), (0.5, 0.8, 1.2)])
def test_simpleitk_measures_the_same(spacing_mm):
    nodule, ct = ellipsoid((5, 7, 9), OBLIQUE, spacing_mm)
    ct.hu[...] += np.random.default_rng(0).integers(-50, 50, ct.hu.shape, np.int16)
    found, mask = values((nodule, ct)), mask_image(nodule, ct)
    shape, intensity = (
        sitk.LabelShapeStatisticsImageFilter(),
        sitk.LabelIntensityStatisticsImageFilter(),
    )
    shape.Execute(mask)
    intensity.Execute(mask, ct.to_sitk())
    assert found["volume"] == pytest.approx(shape.GetPhysicalSize(1))
    assert found["equivalent diameter"] == pytest.approx(2 * shape.GetEquivalentSphericalRadius(1))
    assert found["mean density"] == pytest.approx(intensity.GetMean(1))
    assert found["density SD"] == pytest.approx(intensity.GetStandardDeviation(1), rel=1e-2)
    shape.ComputeFeretDiameterOn()
    ferets = []
    for z in range(mask.GetSize()[2]):
        shape.Execute(mask[:, :, z])
        ferets += [shape.GetFeretDiameter(label) for label in shape.GetLabels()]
    # ITK measures from centre to centre of voxels
    assert 0 < found["long axis"] - max(ferets) < max(spacing_mm[:2])


def test_the_readers_nodules_measure_as_published(lidc_folder, expected):
    """LIDC-IDRI, all readers' outlines: the diameter in the table is that of a sphere of equal
    volume."""
    nodules = read_lidc_slices(lidc_folder).nodules[:: expected(1, 4)]
    found = [
        values((hand_mask(nodule.mask, (0, 0, 0), nodule.ct), nodule.ct)) for nodule in nodules
    ]
    published = np.array([nodule.diameter_mm for nodule in nodules])
    difference = np.array([one["equivalent diameter"] for one in found]) - published
    assert abs(difference.mean()) < 0.2
    assert 1.96 * difference.std() < 0.8
    axes = np.array(
        [(one["short axis"], one["equivalent diameter"], one["long axis"]) for one in found]
    )
    assert np.mean(axes[:, 0] <= axes[:, 2]) == 1
    assert np.corrcoef(axes[:, 2], published)[0, 1] > 0.9


def test_every_quantity_is_measured_with_a_unit_and_a_code_of_its_own(ct):
    measured = measure(sphere_nodule(ct), ct)
    assert [m.name for m in measured] == list(QUANTITIES)
    assert len({m.code for m in measured}) == len(measured)
    for measurement in measured:
        assert measurement.source and measurement.unit_code is UNITS[measurement.unit]
        # DICOM's limits
        assert len(measurement.code.value) <= 16 and len(measurement.code.meaning) <= 64


def test_standard_codes_have_the_meaning_in_the_standard():
    """None of the codes of SNOMED CT, DICOM and UCUM is invented or has another meaning."""
    used = [quantity.code for quantity in QUANTITIES.values()] + list(UNITS.values())
    known = [code for code in used if code.scheme != "99LNR"]
    assert {code.scheme for code in known} == {"SCT", "DCM", "UCUM"}
    standard = [
        code
        for scheme in ("SCT", "DCM", "UCUM")
        for code in getattr(codes, scheme).concepts.values()
    ]
    named = {(code.scheme_designator, code.value, code.meaning.lower()) for code in standard}
    without_name = {"mm", "mg"}  # meant by their letters alone
    assert all(
        (code.scheme, code.value, code.meaning.lower()) in named
        for code in known
        if code.value not in without_name
    )


def test_a_turned_ct_gives_nearly_the_same():
    found = [
        values((sphere_nodule(ct), ct)) for ct in (made_ct(), made_ct(OBLIQUE), made_ct(SAGITTAL))
    ]
    for name in ("long axis", "short axis", "equivalent diameter", "solid long axis"):
        assert [one[name] for one in found] == pytest.approx([12] * 3, abs=1)


@pytest.mark.parametrize(("direction", "normal"), PLANES)
def test_axes_are_drawn_where_they_were_measured(direction, normal):
    region = np.moveaxis(np.zeros((5, 12, 14), bool), 0, 2 - normal).copy()
    slices = np.moveaxis(region, 2 - normal, 0)
    slices[1:4, 5, 6] = slices[2, 3:8, 4:9] = True
    ct = replace(made_ct(direction=direction), spacing_mm=(0.5, 0.7, 0.9))
    long, short = drawn_axes(region, ct.direction, ct.spacing_mm)
    assert (long.length_mm, short.length_mm) == axes_mm(region, ct)
    for axis in (long, short):
        along = (axis.ends[1] - axis.ends[0]) * ct.spacing_mm[::-1]
        assert np.linalg.norm(along) == pytest.approx(axis.length_mm)
        assert set(axis.ends[:, 2 - normal]) == {2}
    vectors = [(a.ends[1] - a.ends[0]) * ct.spacing_mm[::-1] for a in (long, short)]
    assert np.dot(*vectors) == pytest.approx(0, abs=1e-9)
