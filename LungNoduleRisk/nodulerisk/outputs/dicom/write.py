"""Writes the segmentation and the report: both or neither."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from pydicom import Dataset
from scipy.ndimage import map_coordinates

from nodulerisk.assessment import Assessment, NoduleMask
from nodulerisk.clinical.advice import NO_ADVICE, Advice
from nodulerisk.ct.cubes import Grid
from nodulerisk.errors import OutputError
from nodulerisk.files import written_whole
from nodulerisk.language.texts import _
from nodulerisk.nodule.mask import MASK_LEVEL
from nodulerisk.nodule.same import merged
from nodulerisk.outputs.dicom.seg import segmentation
from nodulerisk.outputs.dicom.source import RESAMPLED, DicomSource
from nodulerisk.outputs.dicom.sr import report
from nodulerisk.outputs.dicom.tracking import EarlierReport, TrackedNodule, read_earlier, tracked
from nodulerisk.outputs.style import SEG_NAME, SR_NAME

# of probability, by which interpolation may miss the surface; an offset of a fifth of a voxel fails
ON_THE_MASK = 0.05


def write_dicom(
    assessments: Sequence[Assessment],
    source: DicomSource,
    folder: str | Path,
    *,
    advice: Mapping[str, Advice] | None = None,
    earlier: EarlierReport | None = None,
    handed_on: Mapping[str, str] | None = None,
) -> list[Path]:
    """Writes ``nodules.sr.dcm`` and, if a mask was drawn, ``nodules.seg.dcm``, replacing earlier
    ones.

    Args:
        assessments: at least one, of the source's CT.
        source: from ``read_source``.
        folder: the destination; created if needed.
        advice: scores and guidelines by the nodule's name.
        earlier: from ``read_earlier``: a report of the same study becomes the new one's
            predecessor, and nodules keep the tracking UIDs that they have in it; by default the
            report that is replaced.
        handed_on: tracking UIDs by the nodule's name, from another scan: see ``tracked``.

    Returns:
        The files written.

    Raises:
        OutputError: the masks do not lie on the source's voxels, its headers violate the standard,
            or the folder cannot be written.
    """
    folder, assessments = Path(folder), merged(assessments)
    earlier = earlier or read_earlier(folder / SR_NAME)
    uids = tracked(assessments, source, earlier, handed_on)
    nodules = _nodules(assessments, uids, advice or {})
    for nodule in nodules:
        _refuse_other_ct(nodule, source)
    with (
        _broken_headers_refused(),
        ExitStack() as files,
    ):  # both are put in place once both are complete
        masks = segmentation(nodules, source)
        made: dict[str, Dataset] = {SR_NAME: report(nodules, masks, source, earlier)}
        if masks is not None:
            made[SEG_NAME] = masks
        for name, dataset in made.items():
            dataset.SeriesDate, dataset.SeriesTime = dataset.ContentDate, dataset.ContentTime
            dataset.save_as(files.enter_context(written_whole(folder / name)))
        if masks is None:
            (folder / SEG_NAME).unlink(missing_ok=True)
    return [folder / name for name in made]


def _nodules(
    assessments: Sequence[Assessment], uids: Mapping[str, str], advice: Mapping[str, Advice]
) -> list[TrackedNodule]:
    return [
        TrackedNodule(one, uids[one.name], advice.get(one.name, NO_ADVICE)) for one in assessments
    ]


def _refuse_other_ct(nodule: TrackedNodule, source: DicomSource) -> None:
    """Raises OutputError unless the assessment is of this series and its mask lies on the series'
    voxels."""
    mask = nodule.mask
    of_series = nodule.assessment.provenance.series_uid in (None, source.name)
    if not of_series or (
        mask and (mask.ct_shape != source.shape or not _overlays(mask, source.grid))
    ):
        raise OutputError(RESAMPLED)


def _overlays(mask: NoduleMask, ct_grid: Grid) -> bool:
    """Whether the mask, on the voxels of this grid, lies where its map does."""
    voxels = np.argwhere(mask.region) + mask.first_voxel
    positions = ct_grid.origin_lps_mm[:, None] + ct_grid.axes @ voxels[:, ::-1].T
    in_map = np.linalg.solve(mask.grid.axes, positions - mask.grid.origin_lps_mm[:, None])
    return bool(
        map_coordinates(mask.probability, in_map[::-1], order=1).min() >= MASK_LEVEL - ON_THE_MASK
    )


@contextmanager
def _broken_headers_refused() -> Iterator[None]:
    """Turns what pydicom and highdicom raise for headers that violate the standard into one
    OutputError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote header values, such as the patient's name
            yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OutputError(
            _("The series' headers violate the DICOM standard: export the series again.")
        ) from error
