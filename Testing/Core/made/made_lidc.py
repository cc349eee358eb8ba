"""A synthetic LIDC-IDRI download: DICOM series, and XML files with the readers' outlines on
them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_dilation

from made_dicom import write_series

UID, OTHER_UID = "1.2.840.99.1", "1.2.840.99.2"
SPACING_MM, ORIGIN_LPS_MM = (0.8, 0.8, 2.5), (-30.0, -20.0, -100.0)
SHAPE = (14, 70, 80)
RATINGS = {
    "subtlety": 5, "internalStructure": 1, "calcification": 6, "sphericity": 3, "margin": 4,
    "lobulation": 1,
    "spiculation": 2, "texture": 5, "malignancy": 4,
}  # fmt: skip


def ball(centre_zyx, radius_mm: float) -> np.ndarray:
    """bool, on the series' grid."""
    z, y, x = (np.indices(SHAPE).T - centre_zyx).T * np.reshape(SPACING_MM[::-1], (3, 1, 1, 1))
    return z * z + y * y + x * x <= radius_mm**2


def series(folder: Path, uid: str = UID, patient: str = "LIDC-IDRI-0777", **header) -> np.ndarray:
    """A DICOM series with a ball of 8 mm at voxel (7, 30, 40); returns its HU."""
    hu = np.random.default_rng(0).normal(-850, 20, SHAPE)
    hu[ball((7, 30, 40), 8)] = 20
    hu = hu.astype(np.int16)
    write_series(
        folder,
        hu,
        spacing_mm=SPACING_MM,
        origin_lps_mm=ORIGIN_LPS_MM,
        SeriesInstanceUID=uid,
        PatientID=patient,
        **header,
    )
    return hu


def roi(z: float, points: Sequence[tuple[int, int]], inclusion: str = "TRUE") -> str:
    """An outline (row, column) at a height in mm."""
    edges = "".join(
        f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for y, x in points
    )
    return (
        f"<roi><imageZposition>{z:.6f} </imageZposition><imageSOP_UID>1.2</imageSOP_UID>"
        f"<inclusion>{inclusion}</inclusion>{edges}</roi>"
    )


def border(plane: np.ndarray) -> list[tuple[int, int]]:
    """The first pixels outside a convex region, in order around it."""
    centre = np.argwhere(plane).mean(axis=0)
    points = np.argwhere(binary_dilation(plane) & ~plane)
    return [tuple(p) for p in points[np.argsort(np.arctan2(*(points - centre).T))].tolist()]


def nodule(mask: np.ndarray, *holes: str, **ratings) -> str:
    """Returns the outline that a reader would draw around a mask of the series."""
    rois = [
        roi(ORIGIN_LPS_MM[2] + k * 2.5, border(mask[k]))
        for k in np.flatnonzero(mask.any(axis=(1, 2)))
    ]
    said = "".join(f"<{name}>{rating}</{name}>" for name, rating in {**RATINGS, **ratings}.items())
    return (
        f"<unblindedReadNodule><noduleID>1</noduleID><characteristics>{said}</characteristics>"
        f"{''.join(rois)}{''.join(holes)}</unblindedReadNodule>"
    )


SMALL = (  # a nodule under 3 mm, and a non-nodule
    "<unblindedReadNodule><noduleID>2</noduleID>"
    + roi(-90, [(10, 10)])
    + "</unblindedReadNodule><nonNodule><nonNoduleID>3</nonNoduleID>"
    + "<imageZposition>-90</imageZposition>"
    "<locus><xCoord>5</xCoord><yCoord>5</yCoord></locus></nonNodule>"
)


def xml(*readers: str, uid: str = UID, prolog: str = "") -> str:
    """Returns an XML file with what each reader marked."""
    sessions = "".join(f"<readingSession>{reader}</readingSession>" for reader in readers)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{prolog}<LidcReadMessage uid="1"'
        ' xmlns="http://www.nih.gov">'
        f"<ResponseHeader><SeriesInstanceUid>{uid}</SeriesInstanceUid></ResponseHeader>{sessions}</LidcReadMessage>"
    )


def rectangle(top: int, bottom: int, left: int, right: int) -> list[tuple[int, int]]:
    """Every point around rows [top, bottom) and columns [left, right)."""
    across, down = range(left - 1, right), range(top - 1, bottom)
    return [
        *((top - 1, x) for x in across), *((y, right) for y in down),
        *((bottom, x + 1) for x in reversed(across)), *((y + 1, left - 1) for y in reversed(down)),
    ]  # fmt: skip
