"""Turns LIDC-IDRI readers' ratings into labels of our tasks.

Ratings run from 1 to 5 (calcification to 6); source: McNitt-Gray et al., Acad Radiol
2007;14:1464-1474.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

ATTRIBUTION = (
    "LIDC-IDRI (CC BY 3.0): Armato SG 3rd et al. (2015) Data From LIDC-IDRI, The Cancer Imaging"
    " Archive, doi:10.7937/K9/TCIA.2015.LO9QL9SX; Armato et al., Med Phys 2011;38:915-931. The"
    " authors acknowledge the National Cancer Institute and the Foundation for the National"
    " Institutes of Health, and their critical role in the creation of the free publicly available"
    " LIDC/IDRI Database used in this study."
)
NOT_CALCIFIED = 6
MIDDLE_RATING = 3


def consensus(ratings: Iterable[float]) -> int:
    """Returns the readers' median, rounded towards the middle of the scale: 2.5 and 3.5 become 3,
    undecided."""
    median = float(np.median(list(ratings)))
    return int(np.floor(median) if median > MIDDLE_RATING else np.ceil(median))


def labels_from(rating: Mapping[str, int]) -> dict[str, int]:
    """Returns labels from one consensus rating per characteristic; malignancy 3 is undecided and
    gives no label."""
    labels = {
        "density": 0 if rating["texture"] == 1 else 2 if rating["texture"] == 5 else 1,
        "spiculation": int(rating["spiculation"] >= 3),
        "lobulation": int(rating["lobulation"] >= 3),
        "margin": int(rating["margin"] <= 3),
        "calcification": int(rating["calcification"] != NOT_CALCIFIED),
    }
    return (
        labels
        if rating["malignancy"] == MIDDLE_RATING
        else labels | {"malignancy": int(rating["malignancy"] > MIDDLE_RATING)}
    )


def beliefs_from(readers: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, ...]]:
    """Returns class probabilities from every reader's ratings (or only their mean), for the given
    characteristics.

    A rating between two neighbouring classes counts for both: the further from the border, the more
    certain.
    """
    mean = {name: float(np.mean(values)) for name, values in readers.items()}
    beliefs: dict[str, tuple[float, ...]] = {}
    if "malignancy" in mean:
        beliefs["malignancy"] = _two((mean["malignancy"] - 1.5) / 3)
    if "texture" in mean:
        glass, solid = _sure((2.0 - mean["texture"]) / 1.0), _sure((mean["texture"] - 4.0) / 1.0)
        beliefs["density"] = (glass, 1 - glass - solid, solid)
    for name in ("spiculation", "lobulation"):
        if name in mean:
            beliefs[name] = _two((mean[name] - 1.5) / 2)
    if "margin" in mean:
        beliefs["margin"] = _two((4.5 - mean["margin"]) / 2)
    if "calcification" in mean:
        beliefs["calcification"] = _two((NOT_CALCIFIED - mean["calcification"]) / 2)
    return beliefs


def _sure(share: float) -> float:
    return float(np.clip(share, 0, 1))


def _two(share: float) -> tuple[float, float]:
    return 1 - _sure(share), _sure(share)
