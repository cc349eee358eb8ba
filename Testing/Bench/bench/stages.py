"""The stages of one assessment, and a CT to measure them on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from bench.timing import Timed, timed
from nodulerisk.assess import assess
from nodulerisk.assessment import NoduleMask, trimmed
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.points import read_points
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.engine.engine import Networks
from nodulerisk.outputs.mesh import nodule_mesh
from nodulerisk.weights.card import WeightSet

SAMPLES = Path(__file__).parents[3] / "Resources" / "SampleData"
DEMO_SHAPE, DEMO_SPACING_MM = (99, 512, 512), (0.564, 0.564, 3.0)  # z, y, x voxels; x, y, z mm
BALL_MM = 12.0


def stage_seconds(
    path: str, point_lps_mm, weights: WeightSet, networks: Networks
) -> dict[str, float]:
    """Seconds of each stage of one assessment by warm networks, and of their ``total``."""
    read, ct = timed(lambda: read_ct(path))
    counting = Timed(
        networks, of=[name for name, card in weights.networks.items() if not card.draws_mask]
    )
    seconds = assess(ct, point_lps_mm, weights, networks=counting).provenance.seconds
    nodule = ball()
    mesh, _ = timed(lambda: nodule_mesh(nodule))
    return {
        "read": read,
        "mask": seconds["mask"],
        "cubes": seconds["networks"] - counting.seconds,
        "networks": counting.seconds,
        "checks and measurements": seconds["checks"] + seconds["measurements"],
        "mesh": mesh,
        "total": read + sum(seconds.values()) + mesh,
    }


def ball(diameter_mm: float = BALL_MM) -> NoduleMask:
    """A ball as a nodule: networks with random weights draw nothing useful for a mesh."""
    ticks = np.arange(32) - 15.5
    distance = np.linalg.norm(np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij")), axis=0)
    probability = (1 / (1 + np.exp(distance - diameter_mm / 2))).astype(np.float32)
    region, first = trimmed(probability >= 0.5)
    return NoduleMask(
        region, first, probability.shape, probability, Grid(np.zeros(3), np.eye(3)), "none"
    )


def synthetic_ct(shape: tuple[int, int, int] = DEMO_SHAPE, spacing_mm=DEMO_SPACING_MM) -> CT:
    """Noise around the lung's density with a ball of soft tissue in its middle and a chest wall; by
    default on the demo CT's grid."""
    hu = np.random.default_rng(0).normal(-850, 60, shape).astype(np.float32)
    hu[:, -(shape[1] // 8) :] += 900
    middle = np.array(shape) // 2
    offsets = np.ogrid[tuple(slice(-m, n - m) for m, n in zip(middle, shape, strict=True))]
    squares = [(offset * step) ** 2 for offset, step in zip(offsets, spacing_mm[::-1], strict=True)]
    hu[sum(squares) < (BALL_MM / 2) ** 2] += 880
    return CT.from_array(hu, spacing_mm, (0.0, 0.0, 0.0), np.eye(3))


def middle_lps_mm(ct: CT) -> list[float]:
    """The position (x, y, z) of the middle voxel, LPS mm."""
    return ct.point_of(np.array(ct.hu.shape[::-1]) // 2).tolist()


def demo_or(ct: CT, folder: Path) -> tuple[str, list[float], str]:
    """Path, the nodule's position (LPS mm) and name of the demo CT; without one, of ``ct``, which
    is written."""
    demo = next(SAMPLES.glob("demo-chest-ct.*"), None)
    if demo is not None:
        point = read_points(SAMPLES / "demo-point.mrk.json")[0]
        return str(demo), list(point.lps_mm), f"the demo CT ({demo.name})"
    path = folder / "ct.nrrd"
    sitk.WriteImage(ct.to_sitk(), str(path), useCompression=True)
    return str(path), middle_lps_mm(ct), "a synthetic CT"
