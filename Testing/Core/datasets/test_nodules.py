"""Datasets of labelled nodules: splits that keep patients together, targets, broken cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodulerisk.ct.volume import CT
from nodulerisk.datasets.nodules import (
    SPLITS,
    Broken,
    LabelledNodule,
    NoduleDataset,
    box_around,
    equivalent_diameter_mm,
    joined,
    read_each,
    refuse_leak,
    split_of,
)
from nodulerisk.errors import NoduleRiskError

AIR = CT(np.full((4, 4, 4), -1000, np.int16), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
NODULE = LabelledNodule("n", "p", AIR, (2.0, 2.0, 2.0), "reader")


def of_patients(count: int) -> NoduleDataset:
    """Two nodules per patient."""
    patients = [f"LIDC-IDRI-{i:04d}" for i in range(count) for _ in range(2)]
    nodules = [
        replace(NODULE, name=f"{i}", patient=p, split=split_of(p)) for i, p in enumerate(patients)
    ]
    return NoduleDataset("made", tuple(nodules))


def test_splits_have_their_shares_and_never_change():
    dataset = of_patients(1000)
    shares = [len(dataset.of_split(split)) / 2000 for split in SPLITS]
    assert shares == pytest.approx([0.65, 0.15, 0.20], abs=0.03)
    assert [split_of(f"LIDC-IDRI-{i:04d}") for i in (1, 2, 3, 4)] == [
        "train",
        "test",
        "train",
        "test",
    ]
    refuse_leak(dataset.nodules)


@given(st.text(max_size=10))
def test_any_pseudonym_has_a_split(patient):
    assert split_of(patient) in SPLITS


def test_a_leak_is_refused():
    with pytest.raises(NoduleRiskError, match="Patient p is in both train and test"):
        refuse_leak([NODULE, replace(NODULE, name="m", split="test")])


def test_a_belief_takes_precedence_over_its_label():
    nodule = replace(
        NODULE, labels={"malignancy": 1, "subtype": 2}, beliefs={"malignancy": (0.4, 0.6)}
    )
    assert nodule.target("malignancy", 2) == pytest.approx([0.4, 0.6])
    assert nodule.target("subtype", 3).tolist() == [0, 0, 1]
    assert nodule.target("grade", 3) is None


def test_the_mask_is_what_half_of_the_readers_marked():
    marked = np.zeros(AIR.hu.shape, np.float32)
    marked[0, 0, :3] = 0.25, 0.5, 1
    assert replace(NODULE, marked=marked).mask.sum() == 2
    assert NODULE.mask is None


def test_a_broken_case_is_named_and_the_rest_is_read():
    def read(row: int) -> LabelledNodule:
        if row == 1:
            raise NoduleRiskError("torn")
        return replace(NODULE, name=str(row))

    nodules, broken = read_each(range(3), str, read)
    assert [n.name for n in nodules] == ["0", "2"]
    assert [(case.name, case.reason) for case in broken] == [("1", "torn")]


def test_a_box_ends_with_the_ct_and_holds_its_centre():
    assert box_around(AIR, (3.2, 0.0, 1.0), 2.0) == (slice(0, 3), slice(0, 2), slice(2, 4))
    assert box_around(AIR, (2.0, 2.0, 2.0), 500.0) == (slice(0, 4),) * 3
    with pytest.raises(NoduleRiskError, match=r"\(9\.0, 2\.0, 2\.0\) mm LPS lies outside"):
        box_around(AIR, (9.0, 2.0, 2.0), 2.0)


def test_the_equivalent_diameter_of_a_ball():
    z, y, x = np.indices((41, 41, 41)) - 20
    mask = (2 * z) ** 2 + y**2 + x**2 <= 15**2
    assert equivalent_diameter_mm(mask, (1.0, 1.0, 2.0)) == pytest.approx(30, rel=0.01)


def test_datasets_are_joined_unless_a_patient_would_be_in_two_splits():
    one = NoduleDataset("one", (NODULE,), (Broken("x", "cut"),), "by one")
    two = NoduleDataset("two", (replace(NODULE, patient="q", split="test"),), (), "by two")
    both = joined([one, two])
    assert (both.name, both.attribution, len(both.nodules), len(both.broken)) == (
        "one and two",
        "by one by two",
        2,
        1,
    )
    with pytest.raises(NoduleRiskError, match="Patient p is in both train and test"):
        joined([one, NoduleDataset("three", (replace(NODULE, split="test"),))])
