"""The demonstration CT and its point, which come with the module: loaded without the network."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import slicer
from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLScalarVolumeNode

from LungNoduleRiskLib import resource
from nodulerisk.errors import NoduleRiskError

CT_FILE, POINT_FILE = "demo-chest-ct.zip", "demo-point.mrk.json"
SHA256 = {
    CT_FILE: "d1d7cfbf9233417af3efddccf54aaaf8a6391872a5d9c24d9bfee7c8c46a5a30",
    POINT_FILE: "94ae1ee595df80bf1c11aee86ded36e1c155d1f0138edd13db4ab172e1916313",
}
CATEGORY = "LungNoduleRisk"


def loadSample() -> tuple[vtkMRMLScalarVolumeNode, vtkMRMLMarkupsFiducialNode]:
    """Adds the demonstration CT, in the lung window, and its point to the scene: (volume node,
    markups node).

    Raises:
        NoduleRiskError: a file is missing or was changed; nothing was added.
    """
    from LungNoduleRiskLib.scene import (  # only now: Slicer registers at its start
        addCt,
        addPoint,
        addPointsNode,
    )
    from nodulerisk.ct.points import read_points
    from nodulerisk.ct.read import read_ct

    ct, points = read_ct(_verified(CT_FILE)), read_points(_verified(POINT_FILE))
    volumeNode, markupsNode = addCt(ct, "Demo chest CT"), addPointsNode()
    for point in points:
        addPoint(markupsNode, point)
    return volumeNode, markupsNode


def registerSampleData() -> None:
    """Offers the sample in Slicer's Sample Data module; a script that asks that module for it gets
    a DICOM folder."""
    from SampleData import SampleDataLogic

    SampleDataLogic.registerCustomSampleDataCategory(CATEGORY, title="Lung Nodule Risk")
    SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName="LungNoduleRiskSample",
        thumbnailFileName=str(resource("Icons/LungNoduleRiskSample.png")),
        uris=_path(CT_FILE).as_uri(),
        fileNames=CT_FILE,
        checksums=f"SHA256:{SHA256[CT_FILE]}",
        loadFileTypes="ZipFile",
        customDownloader=_show,
    )


def _show(source: object) -> None:
    """Loads and shows the sample, for the button in the Sample Data module."""
    with slicer.util.tryWithErrorDisplay():
        volumeNode, _ = loadSample()
        slicer.util.setSliceViewerLayers(background=volumeNode, fit=True)


def _path(file: str) -> Path:
    return resource(f"SampleData/{file}")


def _verified(file: str) -> Path:
    path = _path(file)
    if not path.is_file() or sha256(path.read_bytes()).hexdigest() != SHA256[file]:
        raise NoduleRiskError(
            f"The sample '{path}' is missing or was changed: install the extension again."
        )
    return path
