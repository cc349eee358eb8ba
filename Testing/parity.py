"""Prints how far our networks and cubes are from the results of the authors' own code: ``make
parity``. Testing/Data/golden holds the answers.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "Core" / "made"))

from golden import NETWORKS, SIDES, Golden, golden_nodule, load
from nodulerisk.ct.cubes import densesharp_cube, emv_views

GOLDEN = Path(__file__).parent / "Data" / "golden"


def network_rows(folder: Path) -> list[tuple[str, str, str]]:
    """Returns the name, and the largest difference of probabilities and mask over three inputs."""
    rows = []
    for name in NETWORKS:
        golden = Golden(name, GOLDEN)
        probabilities, *mask = golden.differences(golden.network(folder), [0, 1, 2])
        rows.append((name, f"{probabilities:.0e}", f"{mask[0]:.0e}" if mask else ""))
    return rows


def cube_rows() -> list[tuple[str, str]]:
    """Returns what was compared, and the largest difference over two volumes with two nodules
    each."""
    recorded = load(GOLDEN / "preproc.npz")
    views, grey = [], []
    for volume, index in ("A", 0), ("A", 1), ("B", 0), ("B", 1):
        ct, point = golden_nodule(recorded, volume, index)
        ours = emv_views(ct, point, SIDES[40])[:, ::3, ::3, ::3]
        views.append(np.abs(ours - recorded[f"{volume}{index}_views40_sub"]).max())
        cube = densesharp_cube(ct, point).astype(int)
        grey.append(np.abs(cube - recorded[f"{volume}{index}_ds_crop32"]).max())
    return [
        ("EMV views, of a range of 1", f"{max(views):.0e}"),
        ("DenseSharp cube, grey levels of 255", str(max(grey))),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print("| network | probabilities | mask |\n|---|---|---|")
        for row in network_rows(Path(folder)):
            print("| " + " | ".join(row) + " |")
    print("\n| preprocessing | largest difference |\n|---|---|")
    for name, difference in cube_rows():
        print(f"| {name} | {difference} |")


if __name__ == "__main__":
    main()
