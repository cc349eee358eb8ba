"""Which nodule is which: tracking UIDs that follow a finding from report to report.

A nodule keeps the UID that an earlier report gave it, wherever the point was placed this time.
Without an earlier report the UID is made from the series, the nodule's name and roughly where it
lies: a slightly different click makes the same one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from nodulerisk.assessment import Assessment, NoduleMask
from nodulerisk.checks import NO_NODULE, NOT_A_NODULE
from nodulerisk.clinical.advice import NO_ADVICE, Advice
from nodulerisk.outputs.dicom.identity import made_uid
from nodulerisk.outputs.dicom.source import DicomSource

SAME_FINDING_MM = 5.0  # between the centres; the mask hardly depends on the click
ROUGHLY_MM = 20.0
REFERENCE = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
MEASUREMENTS, GROUP, TRACKING_UID, CENTRE = "126010", "125007", "112040", "111010"  # in DCM
UNREADABLE = (OSError, InvalidDicomError, AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, eq=False)
class TrackedNodule:
    """A nodule as the files hold it.

    Attributes:
        assessment: of this CT.
        uid: its tracking UID.
        advice: its scores and guidelines.
    """

    assessment: Assessment
    uid: str
    advice: Advice = NO_ADVICE

    @property
    def name(self) -> str:
        return self.assessment.name

    @property
    def mask(self) -> NoduleMask | None:
        """None if none was drawn, it is empty, or what was drawn is no nodule."""
        nodule = self.assessment.nodule
        return nodule if self.is_found and nodule is not None and nodule.region.any() else None

    @property
    def is_found(self) -> bool:
        """Whether there is a nodule: one was drawn, or no network looked whether there is one."""
        checks, nodule = self.assessment.checks, self.assessment.nodule
        denied = NO_NODULE.among(checks) or NOT_A_NODULE.among(checks)
        return not denied and (nodule is None or bool(nodule.region.any()))


@dataclass(frozen=True, eq=False)
class EarlierReport:
    """A report written before, of this or another study of the patient.

    Attributes:
        reference: its ``REFERENCE`` elements alone.
        findings: tracking UID, frame of reference and centre (LPS mm) of each nodule.
    """

    reference: Dataset
    findings: tuple[tuple[str, str, np.ndarray], ...]

    def is_of(self, source: DicomSource) -> bool:
        """Whether it is about the source's study."""
        return self.reference.StudyInstanceUID == source.header.StudyInstanceUID

    def uids(self, assessments: Iterable[Assessment], frame_uid: str) -> dict[str, str]:
        """Returns by name the tracking UIDs that nodules have here; the nearest pairs first, since
        a finding is one nodule."""
        near = sorted(
            (float(np.linalg.norm(centre - one.centre_lps_mm)), one.name, uid)
            for one in assessments
            for uid, frame, centre in self.findings
            if frame == frame_uid
        )
        found: dict[str, str] = {}
        for distance, name, uid in near:
            if distance <= SAME_FINDING_MM and name not in found and uid not in found.values():
                found[name] = uid
        return found


def read_earlier(path: str | Path) -> EarlierReport | None:
    """Reads an earlier report; None if there is none, or it is not one of ours."""
    try:
        dataset = dcmread(path, stop_before_pixels=True)
        reference = Dataset()
        for keyword in REFERENCE:
            setattr(reference, keyword, dataset[keyword].value)
        return EarlierReport(reference, tuple(_findings(dataset)))
    except UNREADABLE:
        return None


def tracked(
    assessments: Sequence[Assessment],
    source: DicomSource,
    earlier: EarlierReport | None = None,
    handed_on: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Returns each nodule's tracking UID by its name.

    Args:
        assessments: of the source's CT.
        source: the CT.
        earlier: a report in which some may have one already.
        handed_on: UIDs by name, of nodules known from another scan.
    """
    frame = source.header.FrameOfReferenceUID
    known = (earlier.uids(assessments, frame) if earlier else {}) | dict(handed_on or {})
    taken = {uid for uid, *_ in earlier.findings} if earlier else set()
    return {one.name: known.get(one.name) or _made(one, source, taken) for one in assessments}


def along(
    tracks: Iterable[Sequence[str | None]], own: Sequence[Mapping[str, str]]
) -> list[dict[str, str]]:
    """Returns the tracking UIDs by name for every scan of a patient: a nodule keeps that of the
    first scan that shows it.

    Args:
        tracks: each nodule's names, one per scan, the oldest first; None where it has none.
        own: of each scan alone: see ``tracked``.
    """
    uids = [dict(scan) for scan in own]
    for names in tracks:
        known = [(scan, name) for scan, name in zip(uids, names, strict=True) if name in scan]
        for scan, name in known:
            first, of_first = known[0]
            scan[str(name)] = first[str(of_first)]
    return uids


def _made(assessment: Assessment, source: DicomSource, taken: Collection[str]) -> str:
    """Returns a UID by roughly where the nodule lies; by exactly where, if a neighbour of that name
    has it already."""
    roughly = [str(round(value / ROUGHLY_MM)) for value in assessment.centre_lps_mm]
    exactly = [f"{value:.3f}" for value in assessment.centre_lps_mm]
    words = ("nodule", source.series_uid, assessment.name)
    uid = made_uid(*words, *roughly)
    return made_uid(*words, *exactly) if uid in taken else uid


def _findings(report: Dataset) -> Iterator[tuple[str, str, np.ndarray]]:
    for measurements in _named(report, MEASUREMENTS):
        for group in _named(measurements, GROUP):
            for centre in _named(group, CENTRE):
                if centre.ValueType == "SCOORD3D":
                    uid = next(_named(group, TRACKING_UID)).UID
                    frame = centre.ReferencedFrameOfReferenceUID
                    yield str(uid), str(frame), np.array(centre.GraphicData, float)


def _named(item: Dataset, code: str) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", ()):
        if child.ConceptNameCodeSequence[0].get("CodeValue") == code:
            yield child
