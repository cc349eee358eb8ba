"""A scene of slicer-core: Slicer's own MRML and module logics, without the application."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import slicer
import vtk

from made_assessment import made_ct
from nodulerisk.ct.volume import CT


@pytest.fixture
def scene(monkeypatch, tmp_path_factory):
    """An empty scene; ``slicer.util`` finds it, and the logics it asks, as in Slicer."""
    scene = slicer.vtkMRMLScene()
    files = slicer.vtkMRMLRemoteIOLogic()  # an .mrb is unpacked into its cache
    files.SetMRMLScene(scene)
    files.GetCacheManager().SetRemoteCacheDirectory(str(tmp_path_factory.mktemp("cache")))
    files.AddDataIOToScene()
    logics = {
        "segmentations": slicer.vtkSlicerSegmentationsModuleLogic(),
        "volumes": slicer.vtkSlicerVolumesLogic(),
    }
    for logic in logics.values():
        logic.SetMRMLScene(scene)
    modules = SimpleNamespace(
        **{name: SimpleNamespace(logic=lambda logic=logic: logic) for name, logic in logics.items()}
    )
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    monkeypatch.setattr(slicer, "modules", modules, raising=False)
    yield scene
    files.RemoveDataIOFromScene()


@pytest.fixture
def loaded(scene):
    """The same voxels on the same grid in the scene: `loaded(ct) -> volume node`."""

    def load(ct: CT, name: str = "CT"):
        ijkToLps = np.eye(4)
        ijkToLps[:3] = np.column_stack([ct.direction * ct.spacing_mm, ct.origin_lps_mm])
        return slicer.util.addVolumeFromArray(ct.hu, np.diag([-1, -1, 1, 1]) @ ijkToLps, name)

    return load


@pytest.fixture
def placed(scene):
    """Points at LPS positions in mm, Slicer's way: `placed(N1=(x, y, z)) -> markups node`."""

    def place(**points):
        markupsNode = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Nodules")
        for label, (x, y, z) in points.items():
            markupsNode.AddControlPoint([-x, -y, z], label)
        return markupsNode

    return place


@pytest.fixture
def transformed(scene):
    """Puts a node under a transform: `transformed(node, 4x4 RAS matrix or vtkAbstractTransform) ->
    transform node`."""

    def transform(node, transform):
        transformNode = scene.AddNewNodeByClass("vtkMRMLTransformNode")
        if isinstance(transform, np.ndarray):
            transformNode.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(transform))
        else:
            transformNode.SetAndObserveTransformToParent(transform)
        node.SetAndObserveTransformNodeID(transformNode.GetID())
        return transformNode

    return transform


@pytest.fixture
def stored_away():
    """Moves a CT and its first point in their own coordinates, so that a transform (4x4, RAS mm)
    brings them back."""

    def move(volumeNode, markupsNode, toWorld):
        ijkToRas = vtk.vtkMatrix4x4()
        volumeNode.GetIJKToRASMatrix(ijkToRas)
        stored = np.linalg.inv(toWorld) @ slicer.util.arrayFromVTKMatrix(ijkToRas)
        volumeNode.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(stored))
        position = np.linalg.inv(toWorld) @ [*markupsNode.GetNthControlPointPosition(0), 1]
        markupsNode.SetNthControlPointPosition(0, *position[:3])

    return move


@pytest.fixture
def ct() -> CT:
    return made_ct(spacing_mm=(2.0, 2.0, 2.5))
