"""The Segment Statistics plugin on real MRML, with Slicer's own base class where $SLICER_PYTHON_DIR
leads to it."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock, patch

import numpy as np
import pytest
import slicer
import vtk
from slicer_core import vtkITK

from LungNoduleRiskLib.display.segments import addSegment
from made_assessment import RADIUS_MM, made_ct, sphere_nodule
from nodulerisk.nodule.measure import measure

SLICER_PYTHON = os.environ.get("SLICER_PYTHON_DIR")
SEGMENT_STATISTICS = (
    Path(SLICER_PYTHON).parents[1] / "Modules" / "Scripted" / "SegmentStatistics"
    if SLICER_PYTHON
    else Path(__file__).parents[1] / "Host" / "minimal" / "modules"
)
SPHERE_MM3 = 4 / 3 * np.pi * RADIUS_MM**3


@pytest.fixture
def statistics(scene, monkeypatch):
    """The module of the plugin, as imported in Slicer; the plugin's check boxes do nothing."""
    beside = {"qt": MagicMock(), "slicer.i18n": SimpleNamespace(tr=str), "vtkITK": vtkITK}
    with patch.dict(sys.modules, beside):
        monkeypatch.syspath_prepend(SEGMENT_STATISTICS)
        sys.modules.pop("SegmentStatisticsPlugins", None)
        sys.modules.pop("LungNoduleRiskLib.display.statistics", None)
        yield importlib.import_module("LungNoduleRiskLib.display.statistics")


@pytest.fixture
def plugin(statistics, scene):
    """A plugin with every measurement ticked: `plugin(segmentationNode, volumeNode) -> plugin`."""

    def make(segmentationNode, volumeNode):
        parameterNode = scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
        made = statistics.LungNoduleSegmentStatisticsPlugin()
        parameterNode.SetParameter("Segmentation", segmentationNode.GetID())
        parameterNode.SetParameter("ScalarVolume", volumeNode.GetID() if volumeNode else "")
        for key in made.keys:
            parameterNode.SetParameter(made.toLongKey(key) + ".enabled", "True")
        made.setParameterNode(parameterNode)
        return made

    return make


@pytest.fixture
def drawn(scene):
    """A segmentation with a sphere and an empty segment: `drawn(ct, volumeNode) -> segmentation
    node`."""

    def draw(ct, volumeNode):
        segmentationNode = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        addSegment(segmentationNode, "sphere", sphere_nodule(ct), volumeNode, (1, 0, 0))
        segmentationNode.GetSegmentation().AddEmptySegment("empty")
        return segmentationNode

    return draw


def test_a_segment_measures_as_the_core_measures_its_mask(plugin, drawn, loaded):
    ct = made_ct()
    computed = plugin(drawn(ct, volumeNode := loaded(ct)), volumeNode).computeStatistics("sphere")
    measured = {m.name.replace(" ", "_"): m.value for m in measure(sphere_nodule(ct), ct)}
    assert computed == pytest.approx(measured)
    assert computed["volume"] == pytest.approx(SPHERE_MM3, rel=0.03)
    assert computed["equivalent_diameter"] == pytest.approx(2 * RADIUS_MM, rel=0.01)
    assert (computed["mean_density"], computed["density_SD"]) == (30, 0)


def test_only_what_is_ticked_is_measured(plugin, drawn, loaded, ct):
    made = plugin(drawn(ct, volumeNode := loaded(ct)), volumeNode)
    for key in made.keys:
        made.getParameterNode().SetParameter(made.toLongKey(key) + ".enabled", str(key == "volume"))
    assert list(made.computeStatistics("sphere")) == ["volume"]


def test_nothing_is_ticked_at_first(statistics, scene):
    made = statistics.LungNoduleSegmentStatisticsPlugin()
    made.setParameterNode(scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    assert made.computeStatistics("sphere") == {}


def test_without_voxels_on_a_ct_nothing_is_measured(plugin, drawn, loaded, ct):
    segmentationNode = drawn(ct, volumeNode := loaded(ct))
    assert plugin(segmentationNode, volumeNode).computeStatistics("empty") == {}
    assert plugin(segmentationNode, None).computeStatistics("sphere") == {}


def test_a_bent_ct_is_refused_in_the_log_and_other_plugins_go_on(
    plugin, drawn, loaded, transformed, caplog, ct
):
    made = plugin(drawn(ct, volumeNode := loaded(ct)), volumeNode)
    transformed(volumeNode, vtk.vtkThinPlateSplineTransform())
    assert made.computeStatistics("sphere") == {}
    assert "bends space" in caplog.text


def test_every_measurement_is_described_with_the_codes_and_unit_of_the_core(statistics, ct):
    made = statistics.LungNoduleSegmentStatisticsPlugin()
    for measurement in measure(sphere_nodule(ct), ct):
        info = made.getMeasurementInfo(measurement.name.replace(" ", "_"))
        codes = measurement.code, measurement.unit_code
        assert info["units"] == measurement.unit
        assert [coded(info[f"DICOM.{kind}Code"]) for kind in ("Quantity", "Units")] == [
            (code.value, code.scheme, code.meaning) for code in codes
        ]


def test_a_measurement_is_described_in_words_and_codes(statistics):
    info = statistics.LungNoduleSegmentStatisticsPlugin().getMeasurementInfo("density_SD")
    assert (info["name"], info["title"], info["units"]) == ("Density SD", "Density SD", "HU")
    codes = {kind: coded(text) for kind, text in info.items() if kind.startswith("DICOM")}
    assert codes == {
        "DICOM.QuantityCode": ("112183", "DCM", "Standard Deviation of Attenuation Coefficient"),
        "DICOM.UnitsCode": ("[hnsf'U]", "UCUM", "Hounsfield unit"),
    }


def coded(text: str) -> tuple[str, str, str]:
    entry = slicer.vtkCodedEntry()
    assert entry.SetFromString(text)
    return entry.GetCodeValue(), entry.GetCodingSchemeDesignator(), entry.GetCodeMeaning()


def test_measurements_of_other_plugins_are_left_to_them(statistics):
    assert statistics.LungNoduleSegmentStatisticsPlugin().getMeasurementInfo("voxel_count") is None


def test_the_plugin_is_registered_with_slicers_module(statistics, monkeypatch):
    registered = []
    logic = SimpleNamespace(registerPlugin=registered.append)
    monkeypatch.setitem(
        sys.modules, "SegmentStatistics", SimpleNamespace(SegmentStatisticsLogic=logic)
    )
    statistics.registerStatistics()
    (made,) = registered
    assert isinstance(made, statistics.SegmentStatisticsPluginBase)
    assert made.keys and not any(
        "." in key for key in made.keys
    )  # Slicer puts the plugin's name and a dot before
