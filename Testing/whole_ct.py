"""A weight set's answers on whole CTs: for the nodule it should find, and for points in lung
without a nodule.

``python Testing/whole_ct.py CT [--nodule X,Y,Z] [--points 50] [--weights open]`` prints one
Markdown row per CT. Random points keep 40 mm from the nodule; nobody has marked a nodule at any of
them, but nobody has read these lungs either.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.progress import track
from scipy.ndimage import uniform_filter

from nodulerisk.assess import assess
from nodulerisk.ct.points import parse_point
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.engine.engine import Engine
from nodulerisk.nodule.measure import value_of
from nodulerisk.weights.store import load_weight_set

LUNG_HU = (-940, -650)  # the mean of a 10 mm cube; air outside the patient and airways are thinner
AROUND_MM = 10.0
AWAY_MM = 40.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ct", type=Path)
    parser.add_argument("--nodule", help="X,Y,Z in LPS mm")
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--weights", default="open")
    arguments = parser.parse_args()
    weights = load_weight_set(arguments.weights)
    engine, ct = Engine(weights), read_ct(arguments.ct)
    nodule = None if arguments.nodule is None else np.array(parse_point(arguments.nodule, "lps"))
    found = "-" if nodule is None else describe(assess(ct, nodule, weights, networks=engine))
    points = track(lung_points(ct, nodule, arguments.points), "points")
    answers = [assess(ct, point, weights, networks=engine) for point in points]
    empty = sum(any(check.code == "no-nodule" for check in answer.checks) for answer in answers)
    volumes = [value_of(answer.measurements, "volume") or 0 for answer in answers]
    largest = f"{max(volumes):.0f} mm³"
    print("| CT | at the nodule | points in lung | 'no nodule' said | largest mask there |")
    print("|---|---|---|---|---|")
    print(
        f"| {arguments.ct.name} | {found} | {len(answers)} | {empty} ({empty / len(answers):.0%}) |"
        f" {largest} |"
    )


def describe(assessment) -> str:
    """Mask and malignancy in words."""
    diameter = value_of(assessment.measurements, "equivalent diameter")
    off = np.linalg.norm(np.subtract(assessment.centre_lps_mm, assessment.point_lps_mm))
    drawn = "no mask" if not diameter else f"{diameter:.1f} mm mask, {off:.1f} mm from the point"
    mean = assessment.tasks["malignancy"].mean
    return drawn if mean is None else f"{drawn}, malignancy {mean[-1]:.2f}"


def lung_points(ct: CT, nodule: np.ndarray | None, count: int) -> list[np.ndarray]:
    """Random LPS points in aerated lung, away from the nodule, the same on every run."""
    size = np.maximum(np.rint(AROUND_MM / np.array(ct.spacing_mm[::-1])), 1).astype(int)
    mean = uniform_filter(ct.hu.astype(np.float32), size.tolist())
    voxels = np.argwhere((mean > LUNG_HU[0]) & (mean < LUNG_HU[1]))
    order = np.random.default_rng(0).permutation(len(voxels))
    points = (ct.point_of(voxels[i][::-1]) for i in order)
    away = (p for p in points if nodule is None or np.linalg.norm(p - nodule) > AWAY_MM)
    return [point for point, _ in zip(away, range(count), strict=False)]


def points_of_density(ct: CT, low_hu: int, high_hu: int, count: int) -> list[np.ndarray]:
    """Random LPS points at voxels of this density, in the middle of the CT, the same on every
    run."""
    first = len(ct.hu) // 2 - 9
    middle = ct.hu[first : first + 20]
    voxels = np.argwhere((middle >= low_hu) & (middle <= high_hu))[:, ::-1] + (0, 0, first)
    return [ct.point_of(voxel) for voxel in np.random.default_rng(0).choice(voxels, count)]


PLACES = {  # where there is no nodule
    "air outside the chest": lambda ct, _: points_of_density(ct, -1100, -950, 10),
    "soft tissue": lambda ct, _: points_of_density(ct, 20, 80, 10),
    "lung": lambda ct, nodule: lung_points(ct, nodule, 20),
}


if __name__ == "__main__":
    main()
