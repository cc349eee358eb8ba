"""Synthetic context above and below a nodule whose CT ends with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nodulerisk.ct.volume import CT
from nodulerisk.datasets.context import CONTEXT_MM, KINDS, with_context, without_nodule
from nodulerisk.datasets.nodules import LabelledNodule

SPACING_MM = (0.7, 0.7, 2.0)


@pytest.fixture
def nodule() -> LabelledNodule:
    """Five slices of a cylinder of soft tissue in lung, all of them marked."""
    hu = np.random.default_rng(3).normal(-850, 20, (5, 64, 64))
    y, x = np.indices((64, 64)) - 32
    inside = np.broadcast_to(x * x + y * y <= 100, hu.shape)
    hu[inside] = 40
    direction = np.diag([-1.0, -1.0, 1.0])
    ct = CT(hu.astype(np.int16), SPACING_MM, (50.0, 60.0, -70.0), direction)
    marked = inside.astype(np.float32)
    return LabelledNodule(
        "n", "p", ct, (27.6, 37.6, -66.0), "reader", marked=marked, only_own_slices=True
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_nodule_stays_where_it_was(nodule, kind):
    ct, marked = with_context(nodule, np.random.default_rng(0), [kind])
    added = (len(ct.hu) - 5) // 2
    assert added * SPACING_MM[2] >= CONTEXT_MM and ct.hu.dtype == np.int16
    assert np.array_equal(ct.hu[added:-added], nodule.ct.hu)
    assert (
        np.array_equal(marked[added:-added], nodule.marked) and marked.sum() == nodule.marked.sum()
    )
    assert np.allclose(ct.point_of((3, 4, added)), nodule.ct.point_of((3, 4, 0)))


@pytest.mark.parametrize("kind", ["lung", "flat"])
def test_the_nodule_ends_with_its_mask(nodule, kind):
    ct, _ = with_context(nodule, np.random.default_rng(1), [kind])
    added = (len(ct.hu) - 5) // 2
    for beside in (ct.hu[added - 1], ct.hu[len(ct.hu) - added]):
        assert beside[28:37, 28:37].mean() < -600


def test_edge_repeats_and_reflect_mirrors_the_end_slices(nodule):
    edge, _ = with_context(nodule, np.random.default_rng(0), ["edge"])
    assert all(np.array_equal(plane, nodule.ct.hu[0]) for plane in edge.hu[:16])
    assert all(np.array_equal(plane, nodule.ct.hu[-1]) for plane in edge.hu[-16:])
    mirrored, _ = with_context(nodule, np.random.default_rng(0), ["reflect"])
    assert np.array_equal(mirrored.hu[15], nodule.ct.hu[1]) and np.array_equal(
        mirrored.hu[14], nodule.ct.hu[2]
    )
    assert np.array_equal(mirrored.hu[-16], nodule.ct.hu[-2])


def test_the_same_draw_gives_the_same_context(nodule):
    first, second = (with_context(nodule, np.random.default_rng(5), KINDS)[0].hu for _ in range(2))
    assert np.array_equal(first, second)


def test_a_ct_that_goes_on_is_left_alone(nodule):
    whole = replace(nodule, only_own_slices=False)
    ct, marked = with_context(whole, np.random.default_rng(0))
    assert ct is whole.ct and marked is whole.marked


def test_a_nodule_needs_a_mask(nodule):
    with pytest.raises(ValueError, match="no mask"):
        with_context(replace(nodule, marked=None), np.random.default_rng(0))


def test_a_nodule_is_removed_from_its_slice(nodule):
    clean = without_nodule(nodule.ct.hu[0], nodule.marked[0] > 0, np.random.default_rng(2))
    assert clean[22:43, 22:43].max() < -700
    assert np.array_equal(clean[:10, :10], nodule.ct.hu[0, :10, :10])
