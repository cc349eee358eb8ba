"""The classes that Slicer looks for. What they do is in LungNoduleRiskLib, imported only once the
module is opened."""

import sys
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

FOLDER = str(Path(__file__).parent)
if sys.path[0] != FOLDER:  # Slicer appends it: a nodulerisk that pip installed would come before
    sys.path.insert(0, FOLDER)

HOMEPAGE = "https://github.com/LungNoduleRisk/SlicerLungNoduleRisk"


class LungNoduleRisk(ScriptedLoadableModule):
    def __init__(self, parent: Any):
        from LungNoduleRiskLib.language import tr as _
        from LungNoduleRiskLib.language import useSlicersLanguage

        super().__init__(parent)
        useSlicersLanguage()
        parent.title = _("Lung Nodule Risk")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.contributors = ["LungNoduleRisk developers"]
        parent.helpText = _(
            "Place a point on each lung nodule of a chest CT, and see its mask and the"
            " probabilities that it is malignant, invasive, and of which grade, with the evidence"
            " behind each number. <b>Research use only: not a medical device, not for"
            ' diagnosis.</b> See the <a href="{homepage}">documentation</a>.'
        ).format(homepage=HOMEPAGE)
        parent.acknowledgementText = _(
            'The networks are those of <a href="https://doi.org/10.1038/s41746-023-00866-z">'
            'EMV-3D-CNN</a> and <a href="https://doi.org/10.1158/0008-5472.CAN-18-0696">'
            "DenseSharp</a>, as published. Their authors' own"
            " weights are not included; those of EMV-3D-CNN are for research only and protected by"
            " a patent."
        )
        slicer.app.connect("startupCompleted()", registerWithOtherModules)


def registerWithOtherModules() -> None:
    """Offers the sample and the measurements to the modules for such, where Slicer has them."""
    if hasattr(slicer.modules, "sampledata"):
        from LungNoduleRiskLib.sample import registerSampleData

        registerSampleData()
    if hasattr(slicer.modules, "segmentstatistics"):
        from LungNoduleRiskLib.display.statistics import registerStatistics

        registerStatistics()


class LungNoduleRiskWidget(ScriptedLoadableModuleWidget):
    panel: Any = None  # until it is set up, which may fail

    def setup(self) -> None:
        super().setup()
        from LungNoduleRiskLib.language import useSlicersLanguage
        from LungNoduleRiskLib.session import Session
        from LungNoduleRiskLib.widgets.panel import Panel

        useSlicersLanguage()  # again: the button Reload forgets it
        self.logic = LungNoduleRiskLogic()
        self.panel = Panel(self.logic.getParameterNode, Session(self.logic.nodules))
        self.layout.addWidget(self.panel.widget)

    def cleanup(self) -> None:
        if self.panel is not None:
            self.panel.cleanup()

    def onReload(self) -> None:
        for name in list(sys.modules):
            if name.split(".")[0] in ("LungNoduleRiskLib", "nodulerisk"):
                del sys.modules[name]
        super().onReload()


class LungNoduleRiskLogic(ScriptedLoadableModuleLogic):
    """For scripts: ``LungNoduleRiskLogic().nodules.assess(volumeNode, markupsNode)``."""

    def __init__(self, parent: Any = None):
        super().__init__(parent)
        from LungNoduleRiskLib.assessing import SceneAssessor

        self.nodules = SceneAssessor()


class LungNoduleRiskTest(ScriptedLoadableModuleTest):
    """The whole job on a bundled sample, in the application itself; the project's own tests are
    in Testing."""

    def runTest(self) -> None:
        """Slicer runs no method by itself."""
        from LungNoduleRiskLib.install import missingPackages
        from LungNoduleRiskLib.language import tr as _

        if missing := missingPackages():
            words = _(
                "Nothing was tested: {names} must be installed first. Press Install in the"
                " module's section Advanced."
            )
            slicer.util.warningDisplay(words.format(names=", ".join(missing)))
            return
        for test in (self.test_assess, self.test_cancel, self.test_saveAndReload):
            self.setUp()
            try:
                test()
            finally:
                self.tearDown()

    def setUp(self) -> None:
        from LungNoduleRiskLib.sample import THICK, loadSample

        slicer.mrmlScene.Clear()
        self.nodules = LungNoduleRiskLogic().nodules
        self.ct, self.points = loadSample(THICK)

    def tearDown(self) -> None:
        self.nodules.close()

    def test_assess(self) -> None:
        """The nodule is found where the point is, with its segment, table, chart, and the numbers
        as trained."""
        from LungNoduleRiskLib.display.nodes import RESULTS, resultNode
        from LungNoduleRiskLib.display.results import savedAssessments

        run = self.nodules.assess(self.ct, self.points)
        assert run.refusals == {}
        for role in RESULTS:
            assert resultNode(role, self.ct) is not None, role
        assessment = savedAssessments(self.ct)["N1"]
        assert assessment.tasks["malignancy"].decision == "malignant"
        diameter = next(m.value for m in assessment.measurements if m.name == "equivalent diameter")
        assert abs(diameter - 20.1) < 0.5
        centre = [0.0, 0.0, 0.0]
        resultNode("segmentation", self.ct).GetSegmentCenterRAS("N1", centre)
        self.points.GetNthControlPointPositionWorld(0, point := [0.0, 0.0, 0.0])
        assert max(abs(a - b) for a, b in zip(centre, point, strict=True)) < 5

    def test_cancel(self) -> None:
        """A run that was cancelled raises, and leaves nothing; the next one works."""
        from LungNoduleRiskLib.display.results import savedAssessments
        from nodulerisk.errors import WorkerError

        run = self.nodules.prepare(self.ct, self.points)
        self.nodules.cancel()
        with self.assertRaises(WorkerError):  # noqa: PT027 - Slicer has no pytest
            self.nodules.compute(run)
        assert savedAssessments(self.ct) == {}
        self.test_assess()

    def test_saveAndReload(self) -> None:
        """A saved scene has the results again."""
        import tempfile

        from LungNoduleRiskLib.display.results import savedAssessments

        self.test_assess()
        name, before = self.ct.GetName(), savedAssessments(self.ct)["N1"].to_dict()
        with tempfile.TemporaryDirectory(dir=slicer.app.temporaryPath) as folder:
            assert slicer.util.saveScene(f"{folder}/nodules.mrb")
            slicer.mrmlScene.Clear()
            slicer.util.loadScene(f"{folder}/nodules.mrb")
        self.ct = slicer.util.getFirstNodeByClassByName("vtkMRMLScalarVolumeNode", name)
        assert savedAssessments(self.ct)["N1"].to_dict() == before
