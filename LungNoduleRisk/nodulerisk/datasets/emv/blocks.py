"""The EMV-3D-CNN authors' blocks: for each nodule an ``.npy`` of 100 voxels a side at 0.625 mm, z,
y, x in the scan's slice order, windowed to -0.25..0.75 as their preparation leaves it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nodulerisk.ct.cubes import EMV_SPACING_MM, EMV_WINDOW_HU, emv_block
from nodulerisk.ct.points import named_points
from nodulerisk.ct.volume import CT
from nodulerisk.datasets.nodules import DAMAGE, LabelledNodule
from nodulerisk.errors import NoduleRiskError, OutputError
from nodulerisk.files import write_table, written_whole
from nodulerisk.tasks import TASKS

SUFFIX = ".npy"
SIDE = 100
MIDDLE = (SIDE // 2,) * 3  # voxel of the nodule's centre
OFFSET = 0.25
OVERSHOOT = 0.5  # of the cubic spline, beyond the window
TABLE = "blocks.csv"
FACTS = ("ct", "name", "patient", "split", "evidence", "size_mm", "pathology")


def read_block(path: Path) -> CT:
    """Returns a block as a CT whose middle is voxel ``MIDDLE``; values beyond the authors' window
    are taken for HU.

    Raises:
        NoduleRiskError: damaged, pickled, or no block of numbers.
    """
    try:
        block = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGE as error:
        raise NoduleRiskError(
            "the .npy is missing, damaged, or holds pickled objects: save an array of numbers"
        ) from error
    if block.shape != (SIDE,) * 3 or block.dtype.kind not in "iuf":
        raise NoduleRiskError(
            f"the block is {block.dtype} {block.shape}, not numbers of shape {(SIDE,) * 3}"
        )
    values = np.array(block, np.float64)
    low, high = EMV_WINDOW_HU
    if np.abs(values).max() <= 1 - OFFSET + OVERSHOOT:
        values = ((values + OFFSET) * (high - low) + low).clip(low, high)
    return CT.from_array(
        values, (EMV_SPACING_MM,) * 3, (0.0, 0.0, 0.0), np.eye(3), has_context=False
    )


def write_blocks(nodules: Iterable[LabelledNodule], folder: Path) -> Path:
    """Writes ``<name>.npy`` for each nodule, and ``blocks.csv``, a table that ``read_emv_table``
    reads.

    Args:
        nodules: read one by one.
        folder: new or empty.

    Returns:
        The folder.

    Raises:
        OutputError: the folder holds something, or cannot be written.
        NoduleRiskError: there are no nodules.
    """
    if folder.exists() and any(folder.iterdir()):
        raise OutputError(f"{folder} is not empty: choose a new folder.")
    rows = []
    for nodule in nodules:
        (point,) = named_points([(nodule.name, nodule.centre_lps_mm)])
        with written_whole(folder / f"{point.name}{SUFFIX}") as partial:
            np.save(partial, emv_block(nodule.ct, nodule.centre_lps_mm, scan_order=True))
        rows.append(_row_of(nodule, point.name))
    if not rows:
        raise NoduleRiskError("There are no nodules to write: see what was left out, and why.")
    write_table(folder / TABLE, (*FACTS, *TASKS), rows)
    return folder


def _row_of(nodule: LabelledNodule, name: str) -> dict[str, str | float | None]:
    classes = {task: TASKS[task].classes[i] for task, i in nodule.labels.items() if task in TASKS}
    who = (f"{name}{SUFFIX}", name, nodule.patient, nodule.split)
    facts = (*who, nodule.evidence, nodule.diameter_mm, nodule.pathology)
    return {**dict(zip(FACTS, facts, strict=True)), **classes}
