"""LIDC-IDRI nodules as 128x128-pixel slices with every reader's outline (CC BY 3.0,
doi:10.7937/K9/TCIA.2015.LO9QL9SX).

Reads a folder with ``slices.npz``, ``slices_nodules.csv``, ``slices_to_image.csv`` and
``nodules.csv``. The slices reach about 90 mm in plane but only as far as the nodule along z.
Malignancy is the median of the readers' ratings, not the table's consensus, which calls a nodule
rated 4, 5, 3, 2 benign; the other characteristics are the table's.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from scipy.ndimage import center_of_mass

from nodulerisk.ct.volume import AIR_HU, CT, to_hounsfield
from nodulerisk.datasets.lidc.ratings import ATTRIBUTION, beliefs_from, consensus, labels_from
from nodulerisk.datasets.nodules import (
    LabelledNodule,
    NoduleDataset,
    dice_among,
    read_each,
    split_of,
)
from nodulerisk.errors import NoduleRiskError

PREPARED_BY = "Volumes of interest prepared by the Computer Vision Center, UAB."
Row = dict[str, str]


def read_lidc_slices(folder: Path) -> NoduleDataset:
    """Reads all nodules of the folder; a nodule without any voxel marked by half of its readers is
    reported as broken.

    Raises:
        NoduleRiskError: a file is missing or has another layout.
    """
    try:
        archive = _Slices(folder)
        rows = _rows(folder / "slices_nodules.csv")
        agreed = {row["file"].split(".")[0]: row for row in _rows(folder / "nodules.csv")}
        files = {
            (row["patient"], row["nodule"]): row["voi"]
            for row in _rows(folder / "slices_to_image.csv")
        }
    except (OSError, KeyError, ValueError) as error:
        raise NoduleRiskError(
            f"{folder} is not a complete folder of LIDC slices ({error}): copy it again."
        ) from error

    def name_of(row: Row) -> str:
        return files.get(key := (row["patient"], row["nodule"]), " nodule ".join(key))

    nodules, broken = read_each(
        rows, name_of, lambda row: archive.nodule(row, name_of(row), agreed[name_of(row)])
    )
    return NoduleDataset("LIDC-IDRI", nodules, broken, f"{ATTRIBUTION} {PREPARED_BY}")


class _Slices:
    """The arrays of ``slices.npz``."""

    def __init__(self, folder: Path):
        arrays = np.load(folder / "slices.npz", allow_pickle=False)
        self.index, self.image, self.packed = (
            arrays["index"],
            arrays["image"],
            arrays["masks_packed"],
        )
        self.slope, self.intercept = arrays["hu_slope"], arrays["hu_intercept"]

    def nodule(self, row: Row, name: str, agreed: Row) -> LabelledNodule:
        hu, readers_marked = self._volume(row)
        marked = _share(readers_marked, int(row["n_readers"]))
        if not (marked >= 0.5).any():
            raise NoduleRiskError("no voxel is marked by half of the readers")
        spacing = (float(row["spacing_xy"]), float(row["spacing_xy"]), float(row["dz"]))
        ct = CT(hu, spacing, (0.0, 0.0, 0.0))
        x, y, z = ct.point_of(center_of_mass(marked >= 0.5)[::-1])
        readers = {
            "malignancy": [float(rating) for rating in row["malignancy"].split(";")],
            **{
                name: [float(row[f"{name}_mean"])]
                for name in ("texture", "spiculation", "lobulation", "calcification")
            },
        }
        return LabelledNodule(
            name=name,
            patient=row["patient"],
            ct=ct,
            centre_lps_mm=(float(x), float(y), float(z)),
            evidence="reader",
            labels=labels_from(_agreed(agreed) | {"malignancy": consensus(readers["malignancy"])}),
            beliefs=beliefs_from(readers),
            ratings=tuple(readers["malignancy"]),
            marked=marked,
            diameter_mm=float(agreed["diameter_mm"]),
            split=split_of(row["patient"]),
            only_own_slices=True,
            readers_dice=dice_among([set(np.flatnonzero(m)) for m in readers_marked if m.any()]),
        )

    def _volume(self, row: Row) -> tuple[np.ndarray, np.ndarray]:
        """Returns HU int16 (z, y, x), air outside the field of view, and what each reader marked,
        bool (reader, z, y, x)."""
        chosen = np.flatnonzero(
            (self.index[:, 0] == int(row["patient"][-4:]))
            & (self.index[:, 1] == int(row["nodule"]))
        )
        chosen = chosen[np.argsort(self.index[chosen, 2])]
        hu = (
            self.image[chosen] * self.slope[chosen, None, None] + self.intercept[chosen, None, None]
        )
        readers = np.unpackbits(self.packed[chosen], axis=-1).astype(bool).swapaxes(0, 1)
        return to_hounsfield(np.maximum(hu, AIR_HU)), readers


def _share(marked: np.ndarray, readers: int) -> np.ndarray:
    """Returns the share of readers, float32 (z, y, x), from their outlines (reader, z, y, x)."""
    return (marked.sum(axis=0) / max(readers, 1)).astype(np.float32)


def _agreed(row: Row) -> dict[str, int]:
    """Returns the table's consensus by characteristic: the readers' most frequent rating, the
    lowest of equals."""
    return {
        key.removesuffix("_value").lower(): int(row[key]) for key in row if key.endswith("_value")
    }


def _rows(path: Path) -> list[Row]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
