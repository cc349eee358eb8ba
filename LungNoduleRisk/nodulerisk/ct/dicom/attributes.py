"""Elements of DICOM files whose values may tell the volumes of one series apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from nodulerisk.ct.dicom.files import ImagePlane
from nodulerisk.language.texts import _, joined

PER_FRAME = Tag("PerFrameFunctionalGroupsSequence")


@dataclass(frozen=True)
class Attribute:
    """What may tell the volumes of one series apart.

    Attributes:
        keyword: of the element.
        words: before its value in the list of series.
        sequence: the functional group of multi-frame files that holds it.
        along: whether it may change along one volume, as the acquisition's number does.
        frame_keyword: the element's other name in multi-frame files.
        is_shown: whether the list shows the value; else it counts the values.
    """

    keyword: str
    words: str = ""
    sequence: str = ""
    along: bool = False
    frame_keyword: str = ""
    is_shown: bool = True

    def of(self, plane: ImagePlane) -> str:
        """The plane's value as text; empty: it has none."""
        if not self.sequence or PER_FRAME not in plane.header:
            return self._one_spelling(stored(plane.header, self._tag))
        group = plane.macro(self.sequence)
        return self._one_spelling(stored(group, self._frame_tag) or stored(group, self._tag))

    def _one_spelling(self, text: str) -> str:
        """Writes 120 and 120.0 alike."""
        if dictionary_VR(self._tag) not in ("DS", "IS", "FL", "FD"):
            return text
        try:
            return f"{float(text):.6g}"
        except ValueError:
            return text

    def words_for(self, plane: ImagePlane, number: int) -> str:
        """Returns what to call the volume of that value: the value, or the volume's number."""
        group = plane.macro(self.sequence) if self.sequence else plane.header
        if not self.is_shown:
            return joined(" ", (self.words, str(number + 1)))
        value = group.get(self.frame_keyword or self.keyword)
        value = group.get(self.keyword) if value is None else value
        if value is None or value == "":
            return joined(" ", filter(None, (self.words, _("unknown"))))
        text = "/".join(map(str, value)) if isinstance(value, MultiValue) else str(value)
        return joined(" ", filter(None, (self.words, without_patient(text, plane.header))))

    @cached_property
    def _tag(self) -> BaseTag:
        return Tag(self.keyword)

    @cached_property
    def _frame_tag(self) -> BaseTag:
        return Tag(self.frame_keyword or self.keyword)

    @cached_property
    def tags(self) -> frozenset[BaseTag]:
        """Where it may be in a file."""
        return frozenset([self._tag, *([PER_FRAME] if self.sequence else [])])


ATTRIBUTES = (
    Attribute("SeriesNumber", _("series number")),
    Attribute("ConvolutionKernel", _("kernel"), "CTReconstructionSequence"),
    Attribute("StackID", _("stack"), "FrameContentSequence"),
    Attribute("ImageType", "", "CTImageFrameTypeSequence", frame_keyword="FrameType"),
    Attribute("PatientPosition"),
    Attribute("ReconstructionAlgorithm", "", "CTReconstructionSequence"),
    Attribute("FilterType", _("filter")),
    Attribute("SeriesDescription"),
    Attribute("RescaleType", _("values in"), "PixelValueTransformationSequence"),
    Attribute("KVP", "kV", "CTXRayDetailsSequence"),
    Attribute("MonoenergeticEnergyEquivalent", "keV", "CTAdditionalXRaySourceSequence"),
    Attribute("TemporalPositionIdentifier", _("time point"), along=True),
    Attribute("TemporalPositionIndex", _("time point"), "FrameContentSequence", along=True),
    Attribute(
        "NominalPercentageOfCardiacPhase",
        _("heart phase %"),
        "CardiacSynchronizationSequence",
        along=True,
    ),
    Attribute(
        "NominalPercentageOfRespiratoryPhase",
        _("breathing phase %"),
        "RespiratorySynchronizationSequence",
        along=True,
    ),
    Attribute("TriggerTime", _("trigger time"), along=True),
    Attribute(
        "AcquisitionNumber",
        _("acquisition"),
        "FrameContentSequence",
        True,
        "FrameAcquisitionNumber",
    ),
    Attribute("IrradiationEventUID", _("scan"), along=True, is_shown=False),
    Attribute("SliceThickness", _("slices of"), "PixelMeasuresSequence", along=True),
    Attribute("ContrastBolusAgent", _("contrast agent"), along=True),
    Attribute("ProtocolName", along=True),
    Attribute("ScanOptions", along=True),
    Attribute("ImageComments", along=True),
    Attribute("DerivationDescription", along=True),
    Attribute("AcquisitionDate", _("scan"), along=True, is_shown=False),
    Attribute("AcquisitionTime", _("scan"), along=True, is_shown=False),
)


def varying_tags(planes: Sequence[ImagePlane]) -> set[BaseTag]:
    """Returns the elements that may not be the same in all planes; those of multi-frame files may
    differ within the file."""
    headers = list({id(plane.header): plane.header for plane in planes}.values())
    first = unparsed(headers[0])
    varying = {PER_FRAME} & first.keys()
    for header in headers[1:]:
        other = unparsed(header)
        if other != first:
            varying |= {tag for tag in first.keys() | other if first.get(tag) != other.get(tag)}
    return varying


def unparsed(header: Dataset) -> dict[BaseTag, Any]:
    return {element.tag: element.value for element in header.elements()}


def stored(header: Dataset, tag: BaseTag) -> str:
    """Returns an element's value as text, empty if it has none; it is not parsed, which would take
    as long as reading it."""
    if tag not in header:
        return ""
    value = header[tag].value if is_binary(tag) else header.get_item(tag).value
    if isinstance(value, bytes):
        return value.decode("latin-1").strip(" \0")
    if isinstance(value, MultiValue):
        return "\\".join(map(str, value))
    return "" if value is None else str(value)


@lru_cache(maxsize=1024)
def is_binary(tag: BaseTag) -> bool:
    """Whether an element's number is not stored as text."""
    return dictionary_has_tag(tag) and dictionary_VR(tag) in ("FL", "FD", "SL", "SS", "UL", "US")


def without_patient(text: str, header: Dataset) -> str:
    """Returns a description, unless it holds a part of the patient's name or number."""
    identity = f"{header.get('PatientName', '')}^{header.get('PatientID', '')}"
    parts = [part for part in identity.lower().replace(" ", "^").split("^") if len(part) > 2]
    return _("(not shown)") if any(part in text.lower() for part in parts) else text[:40]
