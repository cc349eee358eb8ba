"""Prints how far our networks and cubes are from what the authors' own code answered: ``make
parity``.

Needs the golden arrays, which lie in the developers' shared folder beside the checkout.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent / "Core"))

from golden import NETWORKS, SIDES, Golden
from nodulerisk.ct.cubes import densesharp_cube, emv_views
from nodulerisk.ct.volume import CT

GOLDEN = Path(__file__).parents[2] / "shared" / "golden"


def network_rows(folder: Path) -> list[tuple[str, str, str]]:
    """Name, and the largest difference of probabilities and mask over three inputs."""
    rows = []
    for name in NETWORKS:
        golden = Golden(name, GOLDEN)
        with torch.inference_mode():
            answer = golden.network(folder)(torch.from_numpy(golden.inputs()))
        parts = answer if isinstance(answer, tuple) else (answer,)
        off = [
            f"{np.abs(p.numpy() - golden.arrays(w)).max():.0e}"
            for p, w in zip(parts, ("prob", "mask"), strict=False)
        ]
        rows.append((name, off[0], off[1] if len(off) > 1 else ""))
    return rows


def cube_rows() -> list[tuple[str, str]]:
    """What was compared, and the largest difference over two volumes with two nodules each."""
    recorded = dict(np.load(GOLDEN / "preproc_small.npz"))
    views, grey = 0.0, 0
    for volume in "AB":
        ct = CT(
            recorded[f"{volume}_vol"],
            tuple(recorded[f"{volume}_spacing_zyx"][::-1]),
            (0.0, 0.0, 0.0),
        )
        for index, centre in enumerate(recorded[f"{volume}_centers_zyx"]):
            point = ct.point_of(centre[::-1])
            views = max(
                views,
                np.abs(
                    emv_views(ct, point, SIDES[40]) - recorded[f"{volume}{index}_views40"]
                ).max(),
            )
            cube = densesharp_cube(ct, point).astype(int)
            grey = max(grey, int(np.abs(cube - recorded[f"{volume}{index}_ds_crop32"]).max()))
    return [
        ("EMV views, of a range of 1", f"{views:.0e}"),
        ("DenseSharp cube, grey levels of 255", str(grey)),
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
