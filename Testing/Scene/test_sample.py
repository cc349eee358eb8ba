"""The demonstration CTs on real MRML, and in Slicer's own Sample Data module where
$SLICER_PYTHON_DIR leads to it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch
from urllib.request import url2pathname

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from LungNoduleRiskLib import resource, sample
from LungNoduleRiskLib.scene import ctFromNode, pointsLps
from nodulerisk.ct.points import read_points
from nodulerisk.ct.read import read_ct
from nodulerisk.errors import NoduleRiskError

SLICER_PYTHON = os.environ.get("SLICER_PYTHON_DIR")


class SampleDataLogic:
    """Keeps what is registered as Slicer's class of this name does."""

    @staticmethod
    def registerCustomSampleDataCategory(category, title):
        slicer.modules.sampleDataSourceCategories = {category: {"title": title}}
        slicer.modules.sampleDataSources = {category: []}

    @staticmethod
    def registerCustomSampleDataSource(
        category,
        sampleName,
        sampleDescription,
        uris,
        fileNames,
        customDownloader,
        thumbnailFileName,
        loadFileTypes,
        checksums,
    ):
        source = SimpleNamespace(
            sampleName=sampleName,
            sampleDescription=sampleDescription,
            uris=[uris],
            fileNames=[fileNames],
            customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName,
            loadFileTypes=[loadFileTypes],
            checksums=[checksums],
        )
        slicer.modules.sampleDataSources[category].append(source)


@pytest.fixture
def offline(monkeypatch):
    """Nothing reaches a network."""

    def refuse(*args):
        raise AssertionError(f"a connection was sought: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def registered(scene, monkeypatch):
    """Our samples as the Sample Data module offers them, in an application with one slice view."""
    application = SimpleNamespace(layoutManager=lambda: None, testingEnabled=lambda: True)
    monkeypatch.setattr(slicer, "app", application, raising=False)
    scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    classes = (
        "ScriptedLoadableModule",
        "ScriptedLoadableModuleWidget",
        "ScriptedLoadableModuleTest",
    )
    beside = {
        "qt": SimpleNamespace(QObject=object),
        "ctk": SimpleNamespace(),
        "slicer.i18n": SimpleNamespace(tr=str, translate=str),
        "slicer.ScriptedLoadableModule": SimpleNamespace(**dict.fromkeys(classes, object)),
    }
    with patch.dict(sys.modules, beside):
        if SLICER_PYTHON:
            monkeypatch.syspath_prepend(
                Path(SLICER_PYTHON).parents[1] / "Modules" / "Scripted" / "SampleData"
            )
        else:
            sys.modules["SampleData"] = SimpleNamespace(SampleDataLogic=SampleDataLogic)
        sample.registerSampleData()
        (sources,) = slicer.modules.sampleDataSources.values()
        yield sources


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The samples' files, free to be damaged: a folder."""
    folder = shutil.copytree(resource("SampleData"), tmp_path / "SampleData")
    monkeypatch.setattr(sample, "resource", lambda name: tmp_path / name)
    return folder


@pytest.fixture(params=sample.SAMPLES, ids=lambda one: one.name)
def one(request):
    """Each of the samples."""
    return request.param


def test_a_sample_is_loaded_without_a_network(scene, offline, one):
    volumeNode, markupsNode = sample.loadSample(one)
    ct, bundled = ctFromNode(volumeNode), read_ct(resource(f"SampleData/{one.ct}"))
    np.testing.assert_array_equal(ct.hu, bundled.hu)
    for field in ("spacing_mm", "origin_lps_mm", "direction"):
        np.testing.assert_allclose(getattr(ct, field), getattr(bundled, field), atol=1e-6)
    assert pointsLps(markupsNode) == read_points(resource(f"SampleData/{one.points}"))


def test_the_point_lies_in_the_nodule_and_the_window_shows_lung(scene, one):
    volumeNode, markupsNode = sample.loadSample(one)
    ct, (point,) = ctFromNode(volumeNode), pointsLps(markupsNode)
    x, y, z = np.round(ct.voxel_of(point.lps_mm)).astype(int)
    assert ct.hu[z, y - 3 : y + 4, x - 3 : x + 4].mean() > -100
    displayNode = volumeNode.GetDisplayNode()
    assert (displayNode.GetWindow(), displayNode.GetLevel()) == (1500, -600)


def test_a_first_try_has_thin_slices_and_the_next_thick_ones(scene):
    spacings = [ctFromNode(sample.loadSample(one)[0]).spacing_mm[2] for one in sample.SAMPLES]
    assert spacings == pytest.approx([1.25, 3.0])


def test_fault_46_no_node_bears_the_patients_identity(scene):
    sample.loadSample(sample.THICK)
    nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    text = " ".join(
        f"{node.GetName()} {node.GetDescription()} {node.GetAttributeNames()}" for node in nodes
    )
    assert sample.THICK.name in text
    assert not any(word in text for word in ("C3N", "00247", "CPTAC", "Patient"))


@pytest.mark.parametrize("part", ["ct", "points"])
def test_a_changed_or_missing_file_is_refused(scene, copied, one, part):
    file = getattr(one, part)
    changed = copied / file
    changed.write_bytes(changed.read_bytes() + b" ")
    with pytest.raises(NoduleRiskError, match=f"{file}.*install the extension again"):
        sample.loadSample(one)
    changed.unlink()
    with pytest.raises(NoduleRiskError, match="is missing"):
        sample.loadSample(one)
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_one_click_in_the_sample_data_module_shows_the_ct(registered, scene, offline):
    registered[0].customDownloader(registered[0])
    (volumeNode,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    (view,) = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert view.GetBackgroundVolumeID() == volumeNode.GetID()
    assert scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 1


def test_the_sample_data_module_is_told_a_local_file_and_its_checksum(registered):
    assert slicer.modules.sampleDataSourceCategories == {
        sample.CATEGORY: {"title": "Lung Nodule Risk"}
    }
    for source in registered:
        (uri,), (name,), (checksum,) = source.uris, source.fileNames, source.checksums
        path = Path(url2pathname(uri.removeprefix("file://")))
        assert path.name == name
        algorithm, digest = slicer.util.extractAlgoAndDigest(checksum)
        assert slicer.util.computeChecksum(algorithm, str(path)) == digest


def test_the_thumbnail_has_the_size_that_slicer_asks_for(registered):
    for source in registered:
        assert sitk.ReadImage(source.thumbnailFileName).GetSize() == (260, 280)


def test_a_module_reads_its_own_resources_and_the_projects():
    own, projects = resource("UI/LungNoduleRisk.ui"), resource("requirements.txt")
    assert own.is_file() and projects.is_file()
    assert own.parents[2] == projects.parents[1] / "LungNoduleRisk"
