"""Batches: every sample is used, groups are balanced, processes share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodulerisk.errors import NoduleRiskError
from nodulerisk.train.batches import Batches

GROUPS = ["AAH"] * 4 + ["AIS"] * 9 + ["MIA"] * 17 + ["IA"] * 30
PUBLISHED = {"AAH": 3, "AIS": 5, "MIA": 8, "IA": 8}


def test_batches_hold_the_published_number_of_each_group():
    batches = list(Batches(GROUPS, 0, PUBLISHED, seed=1))
    for batch in batches:
        found = [GROUPS[i] for i in batch]
        assert {group: found.count(group) for group in PUBLISHED} == PUBLISHED
    assert len(batches) == 4  # 30 IA, 8 a batch
    assert {i for batch in batches for i in batch} == set(range(len(GROUPS)))


def test_a_group_without_a_nodule_is_named():
    with pytest.raises(NoduleRiskError, match="AAH"):
        Batches(["MIA", "IA"], 0, PUBLISHED)


@given(
    count=st.integers(1, 60),
    batch=st.integers(1, 9),
    processes=st.integers(1, 3),
    epoch=st.integers(0, 5),
)
def test_processes_share_an_epoch_without_overlap(count, batch, processes, epoch):
    shares = [
        list(Batches(["x"] * count, batch, seed=2, epoch=epoch, process=p, processes=processes))
        for p in range(processes)
    ]
    used = [i for share in shares for part in share for i in part]
    assert len(set(used)) == len(used)
    # a process with fewer steps would leave the others waiting
    assert len({len(share) for share in shares}) == 1
    if count >= batch * processes:
        assert all(len(part) == batch for share in shares for part in share)


def test_the_order_depends_on_seed_and_epoch_alone():
    first = list(Batches(["x"] * 20, 4, seed=3, epoch=1))
    assert list(Batches(["x"] * 20, 4, seed=3, epoch=1)) == first
    assert list(Batches(["x"] * 20, 4, seed=3, epoch=2)) != first
    assert list(Batches(["x"] * 20, 4, seed=4, epoch=1)) != first
