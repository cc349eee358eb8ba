"""The masks as a DICOM segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import highdicom as hd
import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.sr.codedict import codes

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import NoduleMask, Provenance
from nodulerisk.checks import MASK_EDITED
from nodulerisk.errors import OutputError
from nodulerisk.language.texts import _
from nodulerisk.outputs.colours import risk_colour
from nodulerisk.outputs.dicom.identity import MANUFACTURER, PRODUCT, instance
from nodulerisk.outputs.dicom.source import DicomSource
from nodulerisk.outputs.dicom.tracking import TrackedNodule
from nodulerisk.outputs.words import withheld_words

SERIES_NUMBER = 901
LONGEST_TEXT = 1024  # characters of a segment's description (PS3.5 6.2, ST)


def segmentation(nodules: Sequence[TrackedNodule], source: DicomSource) -> Segmentation | None:
    """Returns one segment per mask, on the source's own image planes; None without masks.

    Raises:
        OutputError: a mask runs through a slice that the series lacks.
    """
    drawn = [nodule for nodule in nodules if nodule.mask is not None]
    if not drawn:
        return None
    masks = [nodule.mask for nodule in drawn if nodule.mask is not None]
    slices = sorted({z for mask in masks for z in slices_of(mask)})
    if not source.planes.keys() >= set(slices):
        raise OutputError(
            _(
                "A mask runs through a slice that is missing from the series: export the"
                " complete series."
            )
        )
    made = Segmentation(
        source_images=list(source.images.values()),
        pixel_array=_stacked(masks, slices, source.shape),
        plane_positions=[
            hd.PlanePositionSequence("PATIENT", source.planes[z].position.tolist()) for z in slices
        ],
        segmentation_type="BINARY",
        segment_descriptions=[_segment(n, nodule) for n, nodule in enumerate(drawn, start=1)],
        content_label="NODULES",
        content_description=RESEARCH_USE_ONLY,
        content_creator_name=f"{PRODUCT}^Software",
        **instance(SERIES_NUMBER, "masks"),
    )
    made.BodyPartExamined = "CHEST"
    return made


def slices_of(mask: NoduleMask) -> range:
    """Returns the z indices that the mask touches."""
    return range(mask.first_voxel[0], mask.first_voxel[0] + len(mask.region))


def weight_set_words(provenance: Provenance) -> str:
    return f"{provenance.weight_set} {provenance.weight_set_version}"


def _stacked(
    masks: Sequence[NoduleMask], slices: list[int], shape: tuple[int, int, int]
) -> np.ndarray:
    """Returns the masks on these slices only: uint8 (slice, row, column, mask)."""
    # each mask contiguous in memory, which is faster to read
    pixels = np.zeros((len(masks), len(slices), *shape[1:]), np.uint8)
    for plane, mask in zip(pixels, masks, strict=True):
        _, row, column = mask.first_voxel
        _, rows, columns = mask.region.shape
        plane[
            np.searchsorted(slices, slices_of(mask)), row : row + rows, column : column + columns
        ] = mask.region
    return np.moveaxis(pixels, 0, -1)


def _segment(number: int, nodule: TrackedNodule) -> SegmentDescription:
    assessment = nodule.assessment
    edited = MASK_EDITED.among(assessment.checks)
    segment = SegmentDescription(
        segment_number=number,
        segment_label=nodule.name,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Nodule,
        anatomic_regions=[codes.SCT.Lung],
        algorithm_type="SEMIAUTOMATIC" if edited else "AUTOMATIC",
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=PRODUCT,
            family=codes.cid7162.ArtificialIntelligence,
            version=assessment.provenance.package_version,
            source=MANUFACTURER,
            parameters={"weight set": weight_set_words(assessment.provenance)},
        ),
        tracking_id=nodule.name,
        tracking_uid=nodule.uid,
        display_color=CIELabColor.from_rgb(*(255 * part for part in risk_colour(assessment))),
    )
    segment.SegmentDescription = _description(nodule)
    return segment


def _description(nodule: TrackedNodule) -> str:
    """Returns which decisions are withheld, and that it is for research only."""
    said = [*withheld_words(nodule.assessment), RESEARCH_USE_ONLY]
    return ". ".join(said)[:LONGEST_TEXT]
