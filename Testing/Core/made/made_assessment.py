"""A CT with a 12 mm sphere as nodule, and an Assessment of it, for tests of everything that shows
one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nodulerisk.assessment import (
    Assessment,
    Measurement,
    NoduleMask,
    Provenance,
    TaskResult,
    trimmed,
)
from nodulerisk.checks import Check
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.volume import CT
from nodulerisk.nodule.quantities import QUANTITIES

RADIUS_MM = 6.0
CENTRE_LPS_MM = (-81.0, -192.0, -192.0)

TASKS = {
    "malignancy": TaskResult(
        ("benign", "malignant"),
        (0.2667, 0.7333),
        {"small": (0.31, 0.69), "middle": (0.22, 0.78), "large": (0.27, 0.73)},
        "malignant",
        0.5,
        "reader",
        "LIDC-IDRI, radiologists' suspicion",
    ),
    "invasiveness": TaskResult(
        ("pre-invasive", "invasive"),
        (0.62, 0.38),
        {"small": (0.62, 0.38)},
        "pre-invasive",
        0.55,
        "simulated",
    ),
    "grade": TaskResult(
        ("grade 1", "grade 2", "grade 3"),
        (0.15, 0.6, 0.25),
        {"small": (0.1, 0.7, 0.2), "large": (0.2, 0.5, 0.3)},
        "grade 2",
        None,
        "simulated",
    ),
    "subtype": TaskResult(
        ("AAH-AIS", "MIA", "IA"),
        None,
        {},
        None,
        None,
        "none",
        "no public CT carries these labels: import DenseSharp",
    ),
    "density": TaskResult(
        ("ground glass", "part-solid", "solid"),
        (0.01, 0.06, 0.93),
        {"small": (0.01, 0.06, 0.93)},
        "solid",
        None,
        "reader",
    ),
    "spiculation": TaskResult(
        ("not spiculated", "spiculated"),
        (0.8, 0.2),
        {"small": (0.8, 0.2)},
        "spiculated",
        0.15,
        "reader",
    ),
}

SIZES = {
    "long axis": 12.1,
    "short axis": 11.9,
    "mean diameter": 12.0,
    "volume": 904.78,
    "equivalent diameter": 12.0,
    "mean density": 27.4,
    "mass": 929.6,
    "solid mean diameter": 11.6,
    "solid volume": 814.3,
    "CTR": 0.97,
}
MEASUREMENTS = tuple(Measurement(name, value, *QUANTITIES[name]) for name, value in SIZES.items())

CHECKS = (
    Check(
        "thick-slices",
        "warning",
        "Slice thickness or spacing is 3 mm; the networks were made for thin slices.",
        8,
    ),
    Check("kernel-unknown", "note", "The file does not name the reconstruction kernel.", 24),
)


def made_ct(
    direction: np.ndarray | None = None, spacing_mm=(0.8, 0.8, 1.5), centre=CENTRE_LPS_MM
) -> CT:
    """A block of about 90 mm of noisy lung with a sphere at its centre and a chest wall on the
    patient's right."""
    direction = np.eye(3) if direction is None else direction
    shape_xyz = np.ceil(90 / np.array(spacing_mm)).astype(int)
    origin = np.array(centre) - direction @ ((shape_xyz - 1) / 2 * spacing_mm)
    empty = CT(np.zeros(shape_xyz[::-1], np.int16), tuple(spacing_mm), tuple(origin), direction)
    offset = positions_of(empty) - centre
    hu = np.random.default_rng(0).normal(-850, 25, empty.hu.shape)
    hu[np.linalg.norm(offset, axis=-1) <= RADIUS_MM] = 30
    hu[offset[..., 0] < -22] = 50
    return replace(empty, hu=hu.astype(np.int16))


def positions_of(ct: CT) -> np.ndarray:
    """Returns the LPS mm of every voxel: (z, y, x, 3)."""
    voxels = np.moveaxis(np.indices(ct.hu.shape)[::-1], 0, -1)
    return ct.origin_lps_mm + voxels * ct.spacing_mm @ ct.direction.T


def sphere_nodule(
    ct: CT, centre=CENTRE_LPS_MM, radius_mm: float = RADIUS_MM, evidence="reader"
) -> NoduleMask:
    """A sphere as mask and as a smooth probability map of 32 mm whose 0.5 level is the sphere."""
    mask = np.linalg.norm(positions_of(ct) - centre, axis=-1) <= radius_mm
    ticks = np.arange(32) - 15.3  # the centre lies between voxels
    z, y, x = np.meshgrid(ticks, ticks, ticks, indexing="ij")
    probability = 1 / (1 + np.exp(np.sqrt(x * x + y * y + z * z) - radius_mm))
    grid = Grid(np.array(centre) - 15.3, np.eye(3))
    return NoduleMask(*trimmed(mask), ct.hu.shape, probability.astype(np.float32), grid, evidence)


def made_assessment(ct: CT, name: str = "N1", **changes) -> Assessment:
    """An Assessment with every kind of task result, measurement and check; ``changes`` replace its
    fields."""
    made = Assessment(
        name=name,
        point_lps_mm=(-81.5, -191.0, -192.5),
        centre_lps_mm=CENTRE_LPS_MM,
        tasks=TASKS,
        nodule=sphere_nodule(ct),
        measurements=MEASUREMENTS,
        checks=CHECKS,
        provenance=Provenance(
            "open", "1.0", {"small": "ab" * 32}, "0.1.0", "cpu", {"networks": 1.234}, "1.2.3.4"
        ),
    )
    return replace(made, **changes)
