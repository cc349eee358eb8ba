"""The report: TID 1500, as PACS and viewers read it.

Of each nodule there are one or two measurement groups with one tracking UID:

* the nodule's (TID 1411 about its segment; TID 1501 about its centre where there is no mask):
  whatever is known of it;
* first, where there is a mask, its axes (TID 1501), each with the ends on the image. OHIF's viewer
  draws them: it takes a group for calipers by its tracking identifier alone.

A decision that is withheld has no code, but a comment with the reasons. What rests on no patient
has neither a code nor a class's name. Where no nodule was found, there is no finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.seg import Segmentation
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import Assessment, Measurement, NoduleMask, TaskResult
from nodulerisk.clinical.advice import Advice
from nodulerisk.nodule.quantities import OWN_SCHEME, own_code
from nodulerisk.nodule.quantities import Code as PlainCode
from nodulerisk.outputs.dicom import place
from nodulerisk.outputs.dicom.identity import DEVICE_UID, MANUFACTURER, PRODUCT, coded, instance
from nodulerisk.outputs.dicom.seg import slices_of, weight_set_words
from nodulerisk.outputs.dicom.source import DicomSource, references
from nodulerisk.outputs.dicom.tracking import EarlierReport, TrackedNodule
from nodulerisk.outputs.words import check_words, measured_on, task_basis, withheld_words
from nodulerisk.tasks import DEMONSTRATION, PRESENCE, Task, task_of

Group = (
    sr.MeasurementsAndQualitativeEvaluations | sr.VolumetricROIMeasurementsAndQualitativeEvaluations
)

SERIES_NUMBER = 902
CT_CHEST = Code("24627-2", "LN", "CT Chest")
# Before a name: what OHIF's viewer reads as long and short axis (@cornerstonejs/adapters).
OHIF_CALIPERS = "Cornerstone3DTools@^0.1.0:Bidirectional"
# As OHIF's viewer finds them, by their meanings in CID 7470.
AXES = {
    "long axis": Code("103339001", "SCT", "Long Axis"),
    "short axis": Code("103340004", "SCT", "Short Axis"),
}
LONGEST_VALUE, LONGEST_MEANING = 16, 64  # characters of a code (PS3.5 6.2, SH and LO)


def report(
    nodules: Sequence[TrackedNodule],
    masks: Segmentation | None,
    source: DicomSource,
    earlier: EarlierReport | None = None,
) -> sr.Comprehensive3DSR:
    """Returns the report.

    Args:
        nodules: at least one.
        masks: their segments, in the order of the nodules that have a mask.
        source: their CT.
        earlier: what it replaces, if that is of the same study.
    """
    content = sr.MeasurementReport(
        _observer(),
        CT_CHEST,
        list(_groups(nodules, masks, source)),
        referenced_images=_shown(nodules, source),
    )
    replaced = [earlier.reference] if earlier is not None and earlier.is_of(source) else None
    return sr.Comprehensive3DSR(
        evidence=[*source.images.values(), *([] if masks is None else [masks])],
        content=content,
        is_complete=True,
        coding_schemes=[
            CodingSchemeIdentificationItem(
                OWN_SCHEME, PRODUCT, responsible_organization=MANUFACTURER
            )
        ],
        previous_versions=replaced,
        **instance(SERIES_NUMBER, "report"),
    )


def _observer() -> sr.ObservationContext:
    device = sr.DeviceObserverIdentifyingAttributes(DEVICE_UID, PRODUCT, MANUFACTURER, PRODUCT)
    return sr.ObservationContext(sr.ObserverContext(codes.DCM.Device, device))


def _shown(nodules: Sequence[TrackedNodule], source: DicomSource) -> list[Dataset]:
    """Returns the images on which the nodules are shown; none of a multi-frame file, for which
    highdicom has no library."""
    files = (source.planes[place.image_of(nodule, source)].file for nodule in nodules)
    images = (source.images[file] for file in dict.fromkeys(files))
    return [image for image in images if "PixelSpacing" in image]


# --- Groups


def _groups(
    nodules: Iterable[TrackedNodule], masks: Segmentation | None, source: DicomSource
) -> Iterator[Group]:
    number = 0
    for nodule in nodules:
        if masks is None or nodule.mask is None:
            yield _about_point(nodule, source)
            continue
        number += 1
        if axes := _axes(nodule, nodule.mask, source):
            yield _calipers(nodule, axes, source)
        yield _about_segment(nodule, nodule.mask, masks, number, source)


def _calipers(nodule: TrackedNodule, axes: list[sr.Measurement], source: DicomSource) -> Group:
    name = f"{OHIF_CALIPERS}:{nodule.name}"
    group = sr.MeasurementsAndQualitativeEvaluations(
        sr.TrackingIdentifier(nodule.uid, name), measurements=axes, **_finding(nodule, source)
    )
    return _with_items(group, _labels(nodule))


def _about_segment(
    nodule: TrackedNodule, mask: NoduleMask, masks: Segmentation, number: int, source: DicomSource
) -> Group:
    planes = [source.planes[z] for z in slices_of(mask)]
    segment = sr.ReferencedSegment(
        masks.SOPClassUID,
        masks.SOPInstanceUID,
        number,
        source_images=references(sr.SourceImageForSegmentation, planes, source),
    )
    group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=segment,
        measurements=[*_sizes(nodule.assessment), *_probabilities(nodule)],
        **_content(nodule, source),
    )
    where = (place.outline(mask, source), place.centre_in_space(nodule, source))
    return _with_items(group, (*where, *_texts(nodule)))


def _about_point(nodule: TrackedNodule, source: DicomSource) -> Group:
    point = [place.centre_for_measurement(nodule, source)]
    planes = [source.planes[place.image_of(nodule, source)]]
    sizes = _sizes(nodule.assessment, point) if nodule.is_found else ()
    group = sr.MeasurementsAndQualitativeEvaluations(
        source_images=references(sr.SourceImageForMeasurementGroup, planes, source),
        measurements=[*sizes, *_probabilities(nodule, point)],
        **_content(nodule, source),
    )
    where = (place.centre_on_image(nodule, source), place.centre_in_space(nodule, source))
    return _with_items(group, (*where, *_texts(nodule)))


def _content(nodule: TrackedNodule, source: DicomSource) -> dict:
    provenance = nodule.assessment.provenance
    return {
        "tracking_identifier": sr.TrackingIdentifier(nodule.uid, nodule.name),
        "algorithm_id": sr.AlgorithmIdentification(
            PRODUCT, provenance.package_version, [f"weight set {weight_set_words(provenance)}"]
        ),
        "qualitative_evaluations": list(_decisions(nodule)),
        **_finding(nodule, source),
    }


def _finding(nodule: TrackedNodule, source: DicomSource) -> dict:
    if not nodule.is_found:
        return {}
    return {
        "finding_type": codes.SCT.Nodule,
        "finding_category": codes.SCT.MorphologicallyAbnormalStructure,
        "finding_sites": [sr.FindingSite(codes.SCT.Lung, place.laterality(nodule, source))],
    }


def _with_items(group: Group, items: Iterable[sr.ContentItem]) -> Group:
    group[0].ContentSequence.extend(items)
    return group


# --- Numbers


def _axes(nodule: TrackedNodule, mask: NoduleMask, source: DicomSource) -> list[sr.Measurement]:
    """Returns long and short axis with their ends; nothing if they were not measured."""
    measured = {one.name: one for one in nodule.assessment.measurements if one.name in AXES}
    if measured.keys() != AXES.keys():
        return []
    return [
        _size(measured[name], code, [ends])
        for (name, code), ends in zip(AXES.items(), place.axes(mask, source), strict=True)
    ]


def _sizes(
    assessment: Assessment, about: Sequence[place.Coordinates] | None = None
) -> Iterator[sr.Measurement]:
    for size in assessment.measurements:
        yield _size(size, AXES.get(size.name, coded(size.code)), about)


def _size(
    size: Measurement, code: Code, about: Sequence[place.Coordinates] | None
) -> sr.Measurement:
    return sr.Measurement(code, size.value, coded(size.unit_code), referenced_coordinates=about)


def _probabilities(
    nodule: TrackedNodule, about: Sequence[place.Coordinates] | None = None
) -> Iterator[sr.Measurement]:
    for name, result in _asked(nodule).items():
        shown = nodule.assessment.stated(name).demonstration
        task = task_of(name, result.classes)
        for index, probability in enumerate(result.mean or ()):
            code = _demonstrated_class(task, index) if shown else _probability_of(task, index)
            yield sr.Measurement(
                coded(code), probability, codes.UCUM.NoUnits, referenced_coordinates=about
            )


def _probability_of(task: Task, index: int) -> PlainCode:
    label = task.classes[index]
    value = f"{task.own_class_code(label).value}-P"
    return own_code(value, f"Probability of {label} ({task.name})")


def _demonstrated_class(task: Task, index: int) -> PlainCode:
    """Without the class's name, which a reader would remember."""
    return own_code(
        f"{task.stem}-{index}-D",
        f"Demonstration: class {index + 1} of {len(task.classes)} ({task.name})",
    )


# --- Words


def _decisions(nodule: TrackedNodule) -> Iterator[sr.QualitativeEvaluation]:
    for name, result in _asked(nodule).items():
        decision = nodule.assessment.stated(name).decision
        if nodule.is_found and decision is not None:
            task = task_of(name, result.classes)
            code = task.class_codes.get(decision) or task.own_class_code(decision)
            yield sr.QualitativeEvaluation(coded(task.concept), coded(code))


def _asked(nodule: TrackedNodule) -> dict[str, TaskResult]:
    """Returns the answers; where no nodule was found, only whether there is one."""
    tasks = nodule.assessment.tasks
    kept = tasks if nodule.is_found else [PRESENCE]
    return {name: tasks[name] for name in kept if name in tasks}


def _texts(nodule: TrackedNodule) -> Iterator[sr.TextContentItem]:
    """Returns what the numbers rest on, what is withheld and why, and the warnings."""
    assessment = nodule.assessment
    yield from _labels(nodule)
    for name, result in _asked(nodule).items():
        yield _evidence(name, result, assessment.stated(name).demonstration)
    yield _text(own_code("MASK-E", "Evidence for the mask"), measured_on(assessment))
    yield from _advice(nodule.advice)
    withheld = withheld_words(assessment) if nodule.is_found else ()
    for line in (*withheld, *map(check_words, assessment.checks)):
        yield _comment(line)


def _labels(nodule: TrackedNodule) -> Iterator[sr.TextContentItem]:
    """Returns comments; OHIF's viewer shows the first one as the measurement's label."""
    yield _comment(nodule.name if nodule.is_found else f"{nodule.name}: no nodule found")
    yield _comment(RESEARCH_USE_ONLY)


def _evidence(name: str, result: TaskResult, demonstration: bool) -> sr.TextContentItem:
    stem = task_of(name, result.classes).stem
    basis = f"{result.evidence}: {task_basis(result)}"
    said = f"{DEMONSTRATION}; {basis}" if demonstration else basis
    return _text(own_code(f"{stem}-E", f"Evidence for {name}"), said)


def _advice(advice: Advice) -> Iterator[sr.TextContentItem]:
    """Returns scores and guidelines in words."""
    for one in (*advice.computed, *advice.others):
        value = one.name.replace(" ", "")[:LONGEST_VALUE]
        yield _text(own_code(value, one.name[:LONGEST_MEANING]), one.words)


def _comment(words: str) -> sr.TextContentItem:
    return _text(PlainCode("121106", "DCM", "Comment"), words)


def _text(name: PlainCode, words: str) -> sr.TextContentItem:
    return sr.TextContentItem(coded(name), words, sr.RelationshipTypeValues.CONTAINS)
