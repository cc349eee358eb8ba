"""The classes that Slicer looks for. What they do is in LungNoduleRiskLib, imported only once the module is opened."""

import sys

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

HOMEPAGE = "https://github.com/LungNoduleRisk/SlicerLungNoduleRisk"


class LungNoduleRisk(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("Lung Nodule Risk")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.contributors = ["LungNoduleRisk developers"]
        parent.helpText = _(
            "Place a point on each lung nodule of a chest CT, and see its mask and the probabilities that it is "
            "malignant, invasive, and of which grade, with the evidence behind each number. <b>Research use only: not "
            'a medical device, not for diagnosis.</b> See the <a href="{homepage}">documentation</a>.'
        ).format(homepage=HOMEPAGE)
        parent.acknowledgementText = _(
            "The networks are those of EMV-3D-CNN and DenseSharp, as published. Their authors' own weights are not "
            "included; those of EMV-3D-CNN are for research only and protected by a patent."
        )


class LungNoduleRiskWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        super().setup()
        from LungNoduleRiskLib.widget import Widget

        self.panel = Widget()
        self.layout.addWidget(self.panel)

    def cleanup(self):
        self.panel.cleanup()

    def onReload(self):
        for name in list(sys.modules):
            if name.split(".")[0] in ("LungNoduleRiskLib", "nodulerisk"):
                del sys.modules[name]
        super().onReload()


class LungNoduleRiskLogic(ScriptedLoadableModuleLogic):
    """For scripts: ``LungNoduleRiskLogic().nodules.assess(volumeNode, markupsNode)``."""

    def __init__(self, parent=None):
        super().__init__(parent)
        from LungNoduleRiskLib.logic import NoduleLogic

        self.nodules = NoduleLogic()


class LungNoduleRiskTest(ScriptedLoadableModuleTest):
    """What needs no networks, in the application itself; the project's own tests are in Testing."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_theCtLiesInTheCoreWhereItLiesInTheScene(self):
        import numpy as np

        from LungNoduleRiskLib.scene import ctFromNode

        hu = np.full((20, 20, 20), -1000, np.int16)
        hu[5, 6, 7] = 300
        volumeNode = slicer.util.addVolumeFromArray(hu, np.diag([-1.0, -1.0, 2.0, 1.0]))
        ct = ctFromNode(volumeNode)
        z, y, x = np.round(ct.voxel_of((7, 6, 10))).astype(int)[::-1]
        assert ct.hu[z, y, x] == 300
