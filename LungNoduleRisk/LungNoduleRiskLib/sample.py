"""The demonstration CTs and their points, which come with the module: loaded without the network.

The first has thin slices, so that a first try shows decisions; on the other they are withheld.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import slicer
from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLScalarVolumeNode

from LungNoduleRiskLib import resource
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.spoken import say
from nodulerisk.language.texts import _

CATEGORY = "LungNoduleRisk"


@dataclass(frozen=True)
class Sample:
    """A CT with a point on its nodule.

    Attributes:
        name: of the CT in the scene.
        said: what it shows, for whoever chooses one.
        ct, points: its files.
        fileType: the CT's, as Slicer's Sample Data module names it.
        thumbnail: for that module.
    """

    name: str
    said: str
    ct: str
    points: str
    fileType: str
    thumbnail: str


THIN = Sample(
    "Demo CT with thin slices",
    _("Thin slices, a part-solid nodule"),
    "demo-thin-ct.mha",
    "demo-thin-point.mrk.json",
    "VolumeFile",
    "LungNoduleRiskThinSample",
)
THICK = Sample(
    "Demo CT with thick slices",
    _("Thick slices, whose decisions are withheld"),
    "demo-chest-ct.zip",
    "demo-point.mrk.json",
    "ZipFile",
    "LungNoduleRiskThickSample",
)
SAMPLES = THIN, THICK
SHA256 = {
    THIN.ct: "2e31f86869f6a65f08339342576352772458b20bcf22945a9ac537a1911fec04",
    THIN.points: "7bf2c4a67fc4da3b1327301b88c5ee904cbe7828f012752df66ee26b87da32c1",
    THICK.ct: "d1d7cfbf9233417af3efddccf54aaaf8a6391872a5d9c24d9bfee7c8c46a5a30",
    THICK.points: "94ae1ee595df80bf1c11aee86ded36e1c155d1f0138edd13db4ab172e1916313",
}


def loadSample(sample: Sample) -> tuple[vtkMRMLScalarVolumeNode, vtkMRMLMarkupsFiducialNode]:
    """Adds a demonstration CT, in the lung window, and its point to the scene: (volume node,
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

    ct, points = read_ct(_verified(sample.ct)), read_points(_verified(sample.points))
    name = slicer.mrmlScene.GenerateUniqueName(sample.name)  # to tell it from the same once more
    volumeNode, markupsNode = addCt(ct, name), addPointsNode()
    for point in points:
        addPoint(markupsNode, point)
    return volumeNode, markupsNode


def registerSampleData() -> None:
    """Offers the samples in Slicer's Sample Data module; a script that asks that module for one
    gets the CT's file as Slicer loads it."""
    from SampleData import SampleDataLogic

    SampleDataLogic.registerCustomSampleDataCategory(CATEGORY, title="Lung Nodule Risk")
    for sample in SAMPLES:
        SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=sample.thumbnail,
            sampleDescription=say(sample.said),
            thumbnailFileName=str(resource(f"Icons/{sample.thumbnail}.png")),
            uris=_path(sample.ct).as_uri(),
            fileNames=sample.ct,
            checksums=f"SHA256:{SHA256[sample.ct]}",
            loadFileTypes=sample.fileType,
            customDownloader=partial(_show, sample),
        )


def _show(sample: Sample, source: object) -> None:
    """Loads and shows a sample, for its button in the Sample Data module."""
    with slicer.util.tryWithErrorDisplay():
        volumeNode, _points = loadSample(sample)
        slicer.util.setSliceViewerLayers(background=volumeNode, fit=True)


def _path(file: str) -> Path:
    return resource(f"SampleData/{file}")


def _verified(file: str) -> Path:
    path = _path(file)
    if not path.is_file() or sha256(path.read_bytes()).hexdigest() != SHA256[file]:
        words = _("The sample '{path}' is missing or was changed: install the extension again.")
        raise NoduleRiskError(words.format(path=str(path)))
    return path
