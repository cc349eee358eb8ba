"""The phantoms whose volumes Docs/numbers.md states are as large as they are said to be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nodulerisk.ct.volume import CT
from phantoms import (
    GRIDS,
    KERNELS,
    STANDARD,
    THIN,
    VARIED,
    Host,
    Measured,
    Phantom,
    cell,
    rendered,
    scanned,
    varied_rows,
    with_phantom,
    with_vessel,
)

LUNG_HU, WALL_HU = -850, 40


@pytest.fixture(scope="module")
def host() -> Host:
    """Lung of 60 mm a side with a flat wall behind it."""
    x, y, z = GRIDS[THIN]
    hu = np.full((60, 86, 86), LUNG_HU, np.int16)
    hu[:, 60:] = WALL_HU
    return Host(CT(hu, (x, y, z), (0.0, 0.0, 0.0), np.eye(3)))


def volume_seen(before: CT, after: CT, hu: float) -> float:
    """mm³ of tissue of this HU put into the lung, as the HU tell."""
    added = (after.hu - before.hu.astype(float)).sum() / (hu - LUNG_HU)
    return float(added * np.prod(before.spacing_mm))


@pytest.mark.parametrize("shape", ["sphere", "ellipsoid"])
@pytest.mark.parametrize("diameter", [8, 15])
def test_free_phantoms_have_their_volume(host, shape, diameter):
    rng, centre = np.random.default_rng(0), np.array([30.2, 30.4, 43.1])
    ct, truth = with_phantom(host, centre, Phantom(diameter, shape=shape), rng)
    assert truth == pytest.approx(np.pi / 6 * diameter**3)
    assert volume_seen(host.ct, ct, 30) == pytest.approx(truth, rel=0.02)


@pytest.mark.parametrize("grid", GRIDS)
def test_every_grid_keeps_the_volume(grid):
    spacing = GRIDS[grid]
    ct = CT(np.zeros((60, 60, 60), np.int16), spacing, (0.0, 0.0, 0.0), np.eye(3))
    half_axes = np.array([6.0, 4.0, 3.0])
    _, share = rendered(ct, np.array([30.3, 29.8, 30.1]), half_axes)
    truth = 4 / 3 * np.pi * np.prod(half_axes)
    assert share.sum() * np.prod(spacing) == pytest.approx(truth, rel=0.02)


def test_the_wall_cuts_a_sphere_and_stays(host):
    phantom = Phantom(15, attached="wall")
    centre = host.place_of(phantom, 0).astype(float)
    ct, truth = with_phantom(host, centre, phantom, np.random.default_rng(0))
    depth = (59.5 - centre[1]) * host.ct.spacing_mm[1]
    cap = 7.5 - depth
    whole = np.pi / 6 * 15**3
    assert 0 < cap < 7.5
    assert truth == pytest.approx(whole - np.pi * cap**2 * (7.5 - cap / 3), rel=0.02)
    assert (ct.hu[:, 60:] == WALL_HU).all()


def test_a_vessel_passes_at_the_surface(host):
    centre = np.array([30.0, 30.0, 43.0])
    ct = with_vessel(host.ct, centre, np.full(3, 4.0), np.random.default_rng(0))
    dense = np.argwhere(ct.hu[:, :60] > -400) * GRIDS[THIN][::-1]
    assert np.ptp(dense, axis=0)[2] > 20
    assert dense.mean(axis=0)[1] == pytest.approx(30 * 0.7 + 4, abs=0.2)


def test_a_part_solid_phantom_has_a_core_of_half_its_diameter(host):
    centre = np.array([30.0, 30.0, 43.0])
    ct, _ = with_phantom(host, centre, STANDARD[-1], np.random.default_rng(0))
    glass = volume_seen(host.ct, ct, -600) - np.pi / 6 * 15**3
    core = glass * (LUNG_HU + 600) / (-600 - 30)
    assert core == pytest.approx(np.pi / 6 * 7.5**3, rel=0.02)


def test_kernels_and_noise_change_what_they_say(host):
    rng = np.random.default_rng(0)
    noisy = scanned(host.ct, Phantom(8, noise="40 HU more"), rng)
    assert noisy.hu[:, 60:].std() == pytest.approx(40, rel=0.05)
    scans = {kernel: scanned(noisy, Phantom(8, kernel=kernel), rng) for kernel in KERNELS}
    spread = {kernel: scan.hu[:, 65:].std() for kernel, scan in scans.items()}
    assert spread["soft"] < 0.7 * spread["standard"] < spread["standard"] < spread["sharp"] / 1.5
    assert scans["soft"].hu[:, 65:].mean() == pytest.approx(noisy.hu[:, 65:].mean(), abs=1)


def test_each_row_changes_one_thing():
    rows = varied_rows()
    assert len(rows) == 1 + sum(map(len, VARIED.values()))
    assert list(varied_rows("attached")) == ["attached: vessel", "attached: wall"]
    assert rows["kernel: sharp"] == tuple(replace(p, kernel="sharp") for p in STANDARD)


def test_leaks_without_a_check_are_counted():
    found = [Measured(1.6, False), Measured(2.0, True), Measured(1.1, False), Measured(None, True)]
    assert cell(found) == "+60% (+10% to +100%); 1 of 4 not found; 1 leaked unsaid"
