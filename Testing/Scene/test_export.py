"""Scenes as training data: points, edited segments and descriptions on real MRML, read back as
nodules."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk

from LungNoduleRiskLib.assessing import SceneAssessor
from LungNoduleRiskLib.display.nodes import resultNode
from LungNoduleRiskLib.display.results import showAssessment
from LungNoduleRiskLib.exporting import exportNodules
from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_assessment, made_ct, positions_of
from made_scene import BallNetworks, edit
from made_weights import made_weights
from nodulerisk.ct.volume import CT
from nodulerisk.datasets.densesharp.read import read_densesharp
from nodulerisk.datasets.nodules import LabelledNodule, split_of
from nodulerisk.datasets.pathology import labels_in_words
from nodulerisk.errors import CTError, NoduleRiskError, OutputError, PointError

SPACING_MM = (2.0, 2.2, 2.5)
OBLIQUE = np.reshape(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix(), (3, 3))
DIRECTIONS = [
    *(np.eye(3)[:, list(order)] * (1, -1, 1) for order in permutations(range(3))),
    OBLIQUE,
]
BESIDE_LPS_MM = (CENTRE_LPS_MM[0] + 12, *CENTRE_LPS_MM[1:])


@pytest.fixture
def exported(tmp_path):
    """Exports into one folder and reads it: `exported(volumeNode, markupsNode, **choices) ->
    nodules`."""

    def export(volumeNode, markupsNode, **choices) -> tuple[LabelledNodule, ...]:
        dataset = read_densesharp(
            exportNodules(volumeNode, markupsNode, tmp_path / "set", **choices)
        )
        assert dataset.broken == ()
        return dataset.nodules

    return export


@pytest.fixture
def refused(tmp_path):
    """The message of an export that must write nothing: `refused(volumeNode, markupsNode,
    **choices) -> message`."""

    def refuse(*args, **choices) -> str:
        with pytest.raises(NoduleRiskError) as error:
            exportNodules(*args, tmp_path / "set", **choices)
        assert not (tmp_path / "set").exists()
        return str(error.value)

    return refuse


@pytest.fixture
def assessed(loaded, ct):
    """A CT with the results of these nodules: `assessed("N1", "N2") -> volume node`."""

    def assess(*names: str):
        volumeNode = loaded(ct)
        for name in names:
            showAssessment(made_assessment(ct, name), volumeNode)
        return volumeNode

    return assess


def drawn(volumeNode, mask: np.ndarray, name: str):
    """A segmentation of the user's own with one segment."""
    segmentationNode = volumeNode.GetScene().AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    segmentationNode.GetSegmentation().AddEmptySegment("", name)
    edit(volumeNode, mask, name, segmentationNode)
    return segmentationNode


def ball(ct: CT, radius_mm: float = RADIUS_MM, centre=CENTRE_LPS_MM) -> np.ndarray:
    return np.linalg.norm(positions_of(ct) - centre, axis=-1) <= radius_mm


def upper_half(ct: CT) -> np.ndarray:
    """An edit that no network would make, and that tells every axis from the others: towards +S, +P
    and +L."""
    offset = positions_of(ct) - CENTRE_LPS_MM
    return ball(ct, 10) & (offset @ (0.2, 0.5, 1) >= 0)


def described(markupsNode, *descriptions: str):
    for index, text in enumerate(descriptions):
        markupsNode.SetNthControlPointDescription(index, text)
    return markupsNode


def drawn_mm3(ct: CT, mask: np.ndarray) -> float:
    return float(mask.sum() * np.prod(ct.spacing_mm))


def volume_mm3(nodule: LabelledNodule) -> float:
    return float(nodule.mask.sum())  # read back at 1 mm


def test_assessed_edited_and_exported(exported, loaded, placed, tmp_path, ct):
    weights, logic, volumeNode = (
        made_weights(tmp_path / "weights").folder,
        SceneAssessor(BallNetworks),
        loaded(ct),
    )
    markupsNode = described(placed(N1=CENTRE_LPS_MM, second=BESIDE_LPS_MM), "AIS, part-solid", "")
    logic.assess(volumeNode, markupsNode, weights)
    edit(volumeNode, ball(ct, 9.0))
    first, second = exported(
        volumeNode, markupsNode, patient="P7", evidence="pathology", split="test"
    )

    assert volume_mm3(first) == pytest.approx(drawn_mm3(ct, ball(ct, 9.0)), rel=0.03)
    assert volume_mm3(second) == pytest.approx(
        drawn_mm3(ct, ball(ct)), rel=0.15
    )  # as the networks drew it
    assert first.labels == {"malignancy": 1, "invasiveness": 0, "subtype": 0, "density": 1}
    assert (first.pathology, second.pathology, second.labels) == ("AIS", "", {})
    for nodule, name in ((first, "N1"), (second, "second")):
        assert nodule.name.startswith("P7-ct-")
        assert nodule.name.endswith(f"-{name}")
        assert (nodule.patient, nodule.evidence, nodule.split) == ("P7", "pathology", "test")
    for nodule, x in ((first, 40), (second, 40 - 12)):  # the sphere in HU, where it lies from each
        assert nodule.ct.hu[38:43, 38:43, x - 2 : x + 3].mean() == pytest.approx(30, abs=30)


@pytest.mark.parametrize("direction", DIRECTIONS, ids=range(len(DIRECTIONS)))
def test_fault_10_the_mask_lies_on_the_anatomy(exported, loaded, placed, direction):
    ct = made_ct(direction, SPACING_MM)
    showAssessment(made_assessment(ct), volumeNode := loaded(ct))
    edit(volumeNode, upper_half(ct))
    assert_upper_half(exported(volumeNode, placed(N1=CENTRE_LPS_MM))[0])


def assert_upper_half(nodule: LabelledNodule) -> None:
    """The edit of ``upper_half`` lies in the cube as it lies in the patient, whatever the CT's axes
    were."""
    z, y, x = np.indices((80, 80, 80)) - 40.0
    wanted = made_ct(spacing_mm=(1.0, 1.0, 1.0))
    half = upper_half(wanted)
    centre = positions_of(wanted)[half].mean(axis=0) - CENTRE_LPS_MM
    x, y, z = x + centre[0], y + centre[1], z + centre[2]
    expected = (x * x + y * y + z * z <= 100) & (0.2 * x + 0.5 * y + z >= 0)
    assert 2 * (nodule.mask & expected).sum() / (nodule.mask.sum() + expected.sum()) > 0.9
    assert volume_mm3(nodule) == pytest.approx(half.sum(), rel=0.06)


def test_fault_13_linear_transforms_give_the_same_nodule(
    exported, loaded, placed, stored_away, transformed, ct
):
    """The CT and the points are stored moved away; the segment was drawn before the CT's transform
    was hardened."""
    transform = vtk.vtkTransform()
    transform.Translate(30, -12, 7)
    transform.RotateWXYZ(25, 0.3, 0.2, 1)
    toWorld = slicer.util.arrayFromVTKMatrix(transform.GetMatrix())
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    stored_away(volumeNode, markupsNode, toWorld)
    for node in (volumeNode, markupsNode):
        transformed(node, toWorld)
    showAssessment(made_assessment(ct), volumeNode)
    edit(volumeNode, upper_half(ct))

    (under,) = exported(volumeNode, markupsNode)
    assert_upper_half(under)
    volumeNode.HardenTransform()
    (hardened,) = exported(volumeNode, markupsNode)
    np.testing.assert_array_equal(hardened.mask, under.mask)


def test_segments_that_share_a_labelmap_are_told_apart(exported, assessed, placed, ct):
    volumeNode = assessed("N1", "N2")
    edit(volumeNode, ball(ct, 5, BESIDE_LPS_MM), "N2")
    segmentation = resultNode("segmentation", volumeNode).GetSegmentation()
    segmentation.CollapseBinaryLabelmaps(False)
    assert segmentation.GetNumberOfLayers() == 1
    nodules = exported(volumeNode, placed(N1=CENTRE_LPS_MM, N2=BESIDE_LPS_MM))
    masks = [ball(ct), ball(ct, 5, BESIDE_LPS_MM)]
    for nodule, mask in zip(nodules, masks, strict=True):
        assert volume_mm3(nodule) == pytest.approx(
            drawn_mm3(ct, mask), rel=0.12
        )  # steps of 2 mm, small balls


def test_a_segment_drawn_elsewhere_serves_where_the_result_has_none(
    exported, assessed, placed, loaded, ct
):
    volumeNode = assessed("N1")
    drawn(volumeNode, ball(ct, 10), "n1")
    drawn(loaded(ct), ball(ct, 4), "Mine")
    drawn(volumeNode, ball(ct, 8), "Mine")
    first, second = exported(volumeNode, placed(N1=CENTRE_LPS_MM, mine=CENTRE_LPS_MM))
    assert volume_mm3(first) == pytest.approx(
        drawn_mm3(ct, ball(ct)), rel=0.12
    )  # the result goes first
    assert volume_mm3(second) == pytest.approx(
        drawn_mm3(ct, ball(ct, 8)), rel=0.12
    )  # then what was drawn on this CT


def test_a_surface_serves_as_segment(scene, exported, loaded, placed, ct):
    x, y, z = CENTRE_LPS_MM
    sphere = vtk.vtkSphereSource()
    sphere.SetCenter(-x, -y, z)
    sphere.SetRadius(9)
    sphere.SetThetaResolution(40)
    sphere.SetPhiResolution(40)
    sphere.Update()
    volumeNode, segmentationNode = loaded(ct), scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    segmentationNode.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "N1")
    (nodule,) = exported(volumeNode, placed(N1=CENTRE_LPS_MM))
    assert volume_mm3(nodule) == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.06)


@pytest.mark.parametrize(
    ("description", "labels"),
    [
        ("", {}),
        (" , ", {}),
        ("malignant, Part_Solid, spiculated", {"malignancy": 1, "density": 1, "spiculation": 1}),
        (
            "invasive adenocarcinoma grade 2",
            {"malignancy": 1, "invasiveness": 1, "subtype": 2, "grade": 1},
        ),
        (
            "IAC (biopsy), G3,not lobulated",
            {"malignancy": 1, "invasiveness": 1, "subtype": 2, "grade": 2, "lobulation": 0},
        ),
        ("invasive", {"invasiveness": 1}),
        ("AAH-AIS", {"malignancy": 1, "invasiveness": 0, "subtype": 0}),
    ],
)
def test_words_of_a_description(description, labels):
    assert labels_in_words(description) == labels


@pytest.mark.parametrize(
    "description", ["1", "solid?", "MIA, grade 1", "ground glass, solid", "not malignant"]
)
def test_words_that_say_nothing_sure(description):
    with pytest.raises(NoduleRiskError, match="part-solid|contradicts|undecided"):
        labels_in_words(description)


def test_another_cts_result_never_serves(refused, assessed, loaded, placed, ct):
    assessed("N1")
    assert "no segment is named 'N1'" in refused(loaded(ct), placed(N1=CENTRE_LPS_MM))


def test_every_point_that_does_not_serve_is_named_and_nothing_is_written(
    refused, assessed, placed, ct
):
    volumeNode = assessed("good", "emptied", "moved", "mislabelled", "torn")
    edit(volumeNode, np.zeros(ct.hu.shape, bool), "emptied")
    edit(volumeNode, ball(ct, centre=BESIDE_LPS_MM), "moved")
    names = ("good", "missing", "emptied", "moved", "mislabelled", "torn")
    markupsNode = placed(**dict.fromkeys(names, CENTRE_LPS_MM))
    message = refused(volumeNode, described(markupsNode, "AIS", "", "", "", "malign", "benign, IA"))
    first, *reasons = message.splitlines()
    assert first.startswith("Nothing was exported")
    told = dict(line.split(": ", 1) for line in reasons)
    assert set(told) == set(names) - {"good"}
    assert "no segment is named 'missing'" in told["missing"]
    assert "empty" in told["emptied"]
    assert "8 mm from the point" in told["moved"]
    for known in (
        "malign'",
        "benign",
        "AAH-AIS",
        "invasive adenocarcinoma grade 1",
        "part-solid",
        "not spiculated",
    ):
        assert known in told["mislabelled"]
    assert "'IA' contradicts" in told["torn"]


def test_what_cannot_be_a_set_is_refused(refused, assessed, placed, scene):
    volumeNode, markupsNode = assessed("N1"), placed(N1=CENTRE_LPS_MM)
    assert "Select a CT" in refused(None, markupsNode)
    assert "unknown evidence 'hearsay'" in refused(volumeNode, markupsNode, evidence="hearsay")
    assert "unknown split 'some'" in refused(volumeNode, markupsNode, split="some")
    assert "no point" in refused(volumeNode, placed())
    assert "holds no CT" in refused(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"), markupsNode)


def test_a_mask_that_is_lost_at_1_mm_leaves_nothing_behind(refused, loaded, placed):
    ct = made_ct(spacing_mm=(0.4, 0.4, 0.4))
    x, y, z = np.rint(ct.voxel_of(CENTRE_LPS_MM)).astype(int)
    mask = np.zeros(ct.hu.shape, bool)
    mask[z, y, [x - 4, x + 4]] = True  # between the voxels of 1 mm that lie around its centre
    drawn(volumeNode := loaded(ct), mask, "N1")
    assert "draw it again" in refused(volumeNode, placed(N1=CENTRE_LPS_MM))


def test_a_folder_grows_ct_by_ct_and_a_second_export_replaces(exported, loaded, placed, ct):
    other = made_ct(spacing_mm=SPACING_MM)
    volumes = [loaded(ct), loaded(other)]
    for volumeNode, grid in zip(volumes, (ct, other), strict=True):
        showAssessment(made_assessment(grid), volumeNode)
    markupsNode = placed(N1=CENTRE_LPS_MM)
    (alone,) = exported(volumes[0], markupsNode)
    assert alone.patient.startswith("ct-")
    assert alone.split == split_of(alone.patient)
    assert alone.labels == {}
    assert len(exported(volumes[1], markupsNode)) == 2

    described(markupsNode, "benign, solid, not calcified")
    edit(volumes[0], ball(ct, 9.0))
    _, again = exported(volumes[0], markupsNode)
    assert (again.name, again.patient) == (alone.name, alone.patient)
    assert again.labels == {"malignancy": 0, "density": 2, "calcification": 0}
    assert volume_mm3(again) > 2 * volume_mm3(alone)


def test_a_patient_in_two_splits_leaves_the_folder_as_it_was(
    exported, loaded, placed, ct, tmp_path
):
    markupsNode, other = placed(N1=CENTRE_LPS_MM), made_ct(spacing_mm=SPACING_MM)
    for grid in (ct, other):
        showAssessment(made_assessment(grid), loaded(grid))
    first, second = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    exported(first, markupsNode, patient="P7", split="train")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    with pytest.raises(NoduleRiskError, match="P7 is in both train and test"):
        exported(second, markupsNode, patient="P7", split="test")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
    assert len(exported(second, markupsNode, patient="P7", split="train")) == 2


@pytest.mark.parametrize("there", ["patients.csv", "info.csv", "nodule/half.npz"])
def test_a_folder_with_other_data_is_left_alone(assessed, placed, tmp_path, there):
    folder = tmp_path / "set"
    (folder / there).parent.mkdir(parents=True)
    (folder / there).write_bytes(b"name,born\nprecious,1950\n")
    with pytest.raises(OutputError, match="holds other data"):
        exportNodules(assessed("N1"), placed(N1=CENTRE_LPS_MM), folder)
    assert [path.read_bytes() for path in folder.rglob("*.*")] == [b"name,born\nprecious,1950\n"]


def test_fault_46_no_identity_goes_out(scene, exported, loaded, placed, tmp_path, ct):
    volumeNode = loaded(ct, "SMITH^JOHN")
    volumeNode.SetAttribute("DICOM.instanceUIDs", "1.2.840.99")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "SMITH^JOHN")
    hierarchy.SetItemAttribute(patient, "DICOM.PatientID", "MRN12345")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volumeNode), patient)
    showAssessment(made_assessment(ct), volumeNode)
    exported(volumeNode, placed(N1=CENTRE_LPS_MM))
    written = list((tmp_path / "set").rglob("*"))
    text = " ".join(map(str, written)) + (tmp_path / "set" / "info.csv").read_text(encoding="utf-8")
    assert not any(secret in text for secret in ("SMITH", "MRN12345", "1.2.840.99"))


def test_the_scene_is_left_as_it_was(scene, exported, assessed, placed):
    volumeNode, markupsNode = assessed("N1"), placed(N1=CENTRE_LPS_MM)
    before = [scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())]
    exported(volumeNode, markupsNode)
    assert [scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())] == before


@pytest.mark.parametrize(("node", "error"), [("volume", CTError), ("points", PointError)])
def test_refusals_of_reading_keep_their_kind(scene, assessed, placed, tmp_path, node, error):
    volumeNode, markupsNode = assessed("N1"), placed(N1=CENTRE_LPS_MM)
    if node == "volume":
        volumeNode = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    else:
        markupsNode.RemoveAllControlPoints()
    with pytest.raises(error):
        exportNodules(volumeNode, markupsNode, tmp_path / "set")
