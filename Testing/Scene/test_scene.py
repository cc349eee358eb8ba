"""The scene: geometry into the core and back, the result nodes, saving and loading. Real MRML
(slicer-core)."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import permutations, product
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from pydicom import dcmread

from LungNoduleRiskLib.display.results import showAssessment
from LungNoduleRiskLib.scene import addCt, ctFromNode, placesIn, pointsLps
from made_assessment import CENTRE_LPS_MM, made_assessment, made_ct
from made_dicom import phantom, write_series
from made_scene import OBLIQUE, bending, rigid, segment_centre_lps, segment_mask
from nodulerisk.checks import Check
from nodulerisk.ct.points import Point
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT, Acquisition, to_lps, triple
from nodulerisk.errors import CTError, NoduleRiskError, PointError
from nodulerisk.nodule.place import place_of

SPACING_MM = (2.0, 2.2, 2.5)
AXES = [
    np.eye(3)[:, list(order)] * signs
    for order in permutations(range(3))
    for signs in product((1, -1), repeat=3)
]
DIRECTIONS = [*AXES, OBLIQUE, OBLIQUE * (1, 1, -1)]


def assert_same(one: CT, other: CT) -> None:
    np.testing.assert_array_equal(one.hu, other.hu)
    for name in ("spacing_mm", "origin_lps_mm", "direction"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-4)


@pytest.mark.parametrize("direction", DIRECTIONS, ids=range(len(DIRECTIONS)))
def test_fault_10_a_ct_in_the_scene_is_the_ct_in_the_file(scene, tmp_path, direction):
    """Slicer's own reader flips a left-handed file, hence the comparison along the patient's
    axes."""
    path = str(tmp_path / "ct.nrrd")
    sitk.WriteImage(made_ct(direction, SPACING_MM).to_sitk(), path)
    storageNode = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storageNode.SetFileName(path)
    volumeNode = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert storageNode.ReadData(volumeNode)
    assert_same(to_lps(ctFromNode(volumeNode)), to_lps(read_ct(path)))


@pytest.mark.parametrize("direction", DIRECTIONS, ids=range(len(DIRECTIONS)))
def test_fault_10_the_ct_and_the_segment_lie_on_the_anatomy(loaded, direction):
    ct = made_ct(direction, SPACING_MM)
    volumeNode = loaded(ct)
    assert_same(ctFromNode(volumeNode), ct)
    showAssessment(made_assessment(ct), volumeNode)
    np.testing.assert_array_equal(segment_mask(volumeNode), ct.hu == 30)
    np.testing.assert_allclose(segment_centre_lps(volumeNode), CENTRE_LPS_MM, atol=2)


def test_fault_13_linear_transforms_move_ct_points_and_segment(
    loaded, placed, stored_away, transformed, ct
):
    """The CT and the points are stored moved away, and two nested transforms bring them back."""
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    toWorld = rigid() @ rigid(-50, 70)
    stored_away(volumeNode, markupsNode, toWorld)
    for node in (volumeNode, markupsNode):
        transformed(transformed(node, rigid(-50, 70)), rigid())

    assert_same(ctFromNode(volumeNode), ct)
    np.testing.assert_allclose(pointsLps(markupsNode)[0].lps_mm, CENTRE_LPS_MM, atol=1e-9)
    showAssessment(made_assessment(ct), volumeNode)
    np.testing.assert_array_equal(segment_mask(volumeNode), ct.hu == 30)
    np.testing.assert_allclose(segment_centre_lps(volumeNode), CENTRE_LPS_MM, atol=2)


def test_fault_13_hardening_the_ct_moves_no_segment(loaded, transformed, ct):
    volumeNode = loaded(ct)
    transformed(volumeNode, rigid())
    showAssessment(made_assessment(ct, "N1"), volumeNode)
    volumeNode.HardenTransform()
    assert volumeNode.GetParentTransformNode() is None
    showAssessment(made_assessment(ct, "N2"), volumeNode)
    for name in ("N1", "N2"):
        np.testing.assert_array_equal(segment_mask(volumeNode, name), ct.hu == 30)


def test_fault_13_transforms_that_bend_are_refused(loaded, placed, transformed, ct):
    for node, read in ((loaded(ct), ctFromNode), (placed(N1=CENTRE_LPS_MM), pointsLps)):
        transformed(transformed(node, rigid()), bending())
        with pytest.raises(NoduleRiskError, match="bends space"):
            read(node)


def test_fault_13_a_shearing_transform_is_refused(loaded, transformed, ct):
    volumeNode = loaded(ct)
    shear = np.eye(4)
    shear[0, 2] = 0.2
    transformed(volumeNode, shear)
    with pytest.raises(CTError, match="right angles"):
        ctFromNode(volumeNode)


def test_the_ct_is_a_copy(loaded, ct):
    volumeNode = loaded(ct)
    read = ctFromNode(volumeNode)
    slicer.util.arrayFromVolume(volumeNode)[:] = 0
    np.testing.assert_array_equal(read.hu, ct.hu)


@pytest.mark.parametrize("className", ["vtkMRMLScalarVolumeNode", "vtkMRMLVectorVolumeNode"])
def test_fault_12_a_volume_that_is_no_ct_is_refused(scene, className):
    volumeNode = scene.AddNewNodeByClass(className)
    if className == "vtkMRMLVectorVolumeNode":
        colours = vtk.vtkImageData()
        colours.SetDimensions(4, 4, 4)
        colours.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
        volumeNode.SetAndObserveImageData(colours)
    with pytest.raises(CTError, match="holds no CT"):
        ctFromNode(volumeNode)


def test_points_have_clean_unique_names_and_those_not_placed_are_left_out(placed):
    markupsNode = placed(
        **{"upper": (1, 2, 3), "Upper": (4, 5, 6), "": (7, 8, 9), "preview": (0, 0, 0)}
    )
    markupsNode.SetNthControlPointLabel(2, "")
    markupsNode.UnsetNthControlPointPosition(3)
    points = pointsLps(markupsNode)
    assert [point.name for point in points] == ["upper", "Upper-2", "N3"]
    assert [point.lps_mm for point in points] == [(1, 2, 3), (4, 5, 6), (7, 8, 9)]


def test_fault_47_labels_become_harmless_names(placed):
    markupsNode = placed(**{'=HYPERLINK("http://x")': (1, 2, 3), "<b>../a\n</b>": (4, 5, 6)})
    assert not set("=<>/\\.\"'\n@") & set("".join(point.name for point in pointsLps(markupsNode)))


def test_no_points_are_refused(placed):
    with pytest.raises(PointError, match="place one"):
        pointsLps(placed())


# What is known of a CT beside its voxels


def test_a_ct_added_to_the_scene_keeps_what_its_reader_found(scene):
    found = Check("missing-slice", "warning", "A slice was missing.", 1)
    ct = replace(
        made_ct(),
        checks=(found,),
        filled_slices=(7,),
        acquisition=Acquisition("CT", "1.2.3", 1.0, "B70f"),
    )
    read = ctFromNode(addCt(ct))
    assert_same(read, ct)
    assert read.acquisition == ct.acquisition
    assert read.filled_slices == (7,)
    assert found in read.checks and "sharp-kernel" in [check.code for check in read.checks]


@pytest.fixture
def from_dicom(loaded, tmp_path, monkeypatch):
    """A volume as Slicer's DICOM module loads a series: `from_dicom(header element=value) -> volume
    node`."""

    def load(**header):
        hu = phantom()
        files = write_series(tmp_path / "series", hu, **header)
        instances = {f"1.2.{k}": str(file) for k, file in enumerate(files)}
        database = SimpleNamespace(fileForInstance=lambda instance: instances.get(instance, ""))
        monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
        volumeNode = loaded(read_ct(tmp_path / "series"))
        volumeNode.SetAttribute("DICOM.instanceUIDs", " ".join(instances))
        return volumeNode

    return load


def test_fault_24_the_kernel_is_read_from_slicers_dicom_database(from_dicom):
    ct = ctFromNode(from_dicom(ConvolutionKernel="B70f"))
    assert ct.acquisition.kernel == "B70f"
    assert ct.acquisition.head_to_foot is True
    assert "sharp-kernel" in [check.code for check in ct.checks]


def test_a_points_slice_is_counted_as_an_assessment_counts_it(from_dicom, tmp_path):
    volumeNode = from_dicom()
    for file in (tmp_path / "series").iterdir():
        header = dcmread(file)
        header.InstanceNumber += 36
        header.save_as(file)
    ct = ctFromNode(volumeNode)
    points = [Point(f"N{k}", triple(ct.point_of((5, 6, k)))) for k in range(len(ct.hu))]
    counted = placesIn(volumeNode, points)
    assert counted == {point.name: place_of(ct, point.lps_mm) for point in points}
    assert {place.slice_number for place in counted.values()} == {37 + k for k in range(len(ct.hu))}
    assert placesIn(volumeNode, [Point("far", (900.0, 0.0, 0.0))]) == {}


def test_a_points_slice_is_said_before_packages_are_installed(from_dicom, monkeypatch):
    volumeNode = from_dicom()
    point = Point("N1", triple(ctFromNode(volumeNode).point_of((5, 6, 7))))
    monkeypatch.setitem(sys.modules, "nodulerisk.ct.dicom.series", None)
    assert placesIn(volumeNode, [point])["N1"].slice_number == 8  # as they lie


def test_fault_19_a_volume_of_another_modality_is_refused(from_dicom, tmp_path):
    volumeNode = from_dicom()
    for file in (tmp_path / "series").iterdir():
        header = dcmread(file)
        header.Modality = "MR"
        header.save_as(file)
    with pytest.raises(CTError, match="MR, not CT"):
        ctFromNode(volumeNode)


def test_a_series_that_left_the_database_is_taken_as_it_lies(from_dicom, monkeypatch):
    volumeNode = from_dicom()
    monkeypatch.setattr(slicer, "dicomDatabase", SimpleNamespace(fileForInstance=lambda _: ""))
    assert ctFromNode(volumeNode).acquisition == Acquisition()


def test_fault_49_two_acquisitions_that_slicer_loaded_as_one_are_refused(from_dicom, tmp_path):
    volumeNode = from_dicom()
    for k, file in enumerate(sorted((tmp_path / "series").iterdir())):
        header = dcmread(file)
        header.AcquisitionNumber = 1 + k % 2
        header.save_as(file)
    with pytest.raises(CTError, match="(?s)not one CT.*acquisition 1.*acquisition 2.*Advanced"):
        ctFromNode(volumeNode)


def test_fault_63_what_any_slice_says_is_read_from_slicers_dicom_database(from_dicom, tmp_path):
    volumeNode = from_dicom()
    header = dcmread(tmp_path / "series" / "slice 004.dcm")
    header.LossyImageCompressionRatio = 20
    header.save_as(tmp_path / "series" / "slice 004.dcm")
    assert "lossy-compression" in [check.code for check in ctFromNode(volumeNode).checks]
