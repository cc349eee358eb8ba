"""One study's DICOM output, as programs that nobody here wrote are to read it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import generate_uid

from made_assessment import made_assessment, sphere_nodule
from made_dicom import phantom, write_series
from nodulerisk.assessment import Assessment, TaskResult
from nodulerisk.checks import NO_NODULE, THICK_SLICES
from nodulerisk.clinical.advice import Advice, advise
from nodulerisk.clinical.patient import patient_from
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.nodule.measure import measure
from nodulerisk.outputs.dicom import DicomSource, read_source, tracked, write_dicom
from nodulerisk.outputs.style import SEG_NAME, SR_NAME

SPACING_MM = (0.75, 0.75, 1.25)  # of square pixels, as every CT's
PRESENCE = TaskResult(("no nodule", "nodule"), (0.91, 0.09), {}, "no nodule", 0.5, "reader")


@dataclass(frozen=True, eq=False)
class Written:
    """What was written, and from what.

    Attributes:
        folder: with the CT's files in ``ct`` and our own in ``out``.
        ct: as read from them.
        source: the same.
        stands: a nodule whose decisions stand.
        withheld: one that touches it, whose decisions are withheld.
        nothing: a point where no nodule was found.
        advice: of ``stands``.
        uids: tracking UIDs by name.
    """

    folder: Path
    ct: CT
    source: DicomSource
    stands: Assessment
    withheld: Assessment
    nothing: Assessment
    advice: Advice
    uids: dict[str, str]

    @property
    def images(self) -> list[Path]:
        return sorted((self.folder / "ct").iterdir())

    @property
    def report(self) -> Path:
        return self.folder / "out" / SR_NAME

    @property
    def masks(self) -> Path:
        return self.folder / "out" / SEG_NAME

    @property
    def found(self) -> tuple[Assessment, Assessment]:
        """The nodules with a mask, in the order of the segments."""
        return self.stands, self.withheld


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> Written:
    folder = tmp_path_factory.mktemp("clients")
    write_series(
        folder / "ct",
        phantom((24, 40, 40)),
        spacing_mm=SPACING_MM,
        StudyInstanceUID=generate_uid(),
        FrameOfReferenceUID=generate_uid(),
        PatientName="Grün^Jörg",
        PatientID="P1",
        StudyDate="20200304",
        StudyTime="101112",
        StudyID="S1",
        SpecificCharacterSet="ISO_IR 192",
    )
    ct, source = read_ct(folder / "ct"), read_source(folder / "ct")
    stands = nodule(ct, "N1", (18, 20, 10), 6.0)
    withheld = nodule(ct, "N2", (26, 20, 12), 4.0, checks=(THICK_SLICES.check(thickest=3),))
    nothing = made(ct, "N3", (8, 8, 5), checks=(NO_NODULE.check(),), measurements=())
    nothing = replace(nothing, nodule=stands.nodule.emptied(), tasks={"presence": PRESENCE})
    every = [stands, withheld, nothing]
    advice = advise(stands, patient_from(["status=baseline", "nodules=2", "risk=high"]))
    write_dicom(every, source, folder / "out", advice={"N1": advice})
    uids = tracked(every, source)
    return Written(folder, ct, source, stands, withheld, nothing, advice, uids)


def nodule(ct: CT, name: str, voxel, radius_mm: float, checks=()) -> Assessment:
    """One with a sphere as mask, measured on it."""
    sphere = sphere_nodule(ct, tuple(ct.point_of(voxel)), radius_mm)
    return made(ct, name, voxel, nodule=sphere, checks=checks, measurements=measure(sphere, ct))


def made(ct: CT, name: str, voxel, **changes) -> Assessment:
    centre = tuple(np.asarray(ct.point_of(voxel), float))
    one = made_assessment(ct, name, centre_lps_mm=centre, point_lps_mm=centre, **changes)
    return replace(one, provenance=replace(one.provenance, series_uid=ct.acquisition.series_uid))
