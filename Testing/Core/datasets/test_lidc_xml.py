"""LIDC-IDRI as downloaded: the readers' XML files beside their DICOM series."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made_lidc import (
    ORIGIN_LPS_MM,
    OTHER_UID,
    RATINGS,
    SHAPE,
    SMALL,
    SPACING_MM,
    UID,
    ball,
    border,
    nodule,
    rectangle,
    roi,
    series,
    xml,
)  # fmt: skip
from nodulerisk.datasets.lidc.ratings import consensus
from nodulerisk.datasets.lidc.xml_files import Outline, grouped, read_lidc_xml, read_reading
from nodulerisk.datasets.nodules import NoduleDataset, split_of
from nodulerisk.errors import NoduleRiskError


def reasons(dataset: NoduleDataset) -> dict[str, str]:
    return {case.name: case.reason for case in dataset.broken}


def outline(reader: int, *voxels, **ratings) -> Outline:
    return Outline(
        reader, {**RATINGS, **ratings}, frozenset((float(z), y, x) for z, y, x in voxels)
    )


def cells(mask: np.ndarray) -> set[tuple[int, int, int]]:
    return set(map(tuple, np.argwhere(mask).tolist()))


# --- Outlines


@settings(max_examples=30, deadline=None)
@given(
    centre=st.tuples(st.integers(3, 10), st.integers(25, 40), st.integers(25, 50)),
    radius=st.floats(2.6, 12),
)
def test_an_outline_encloses_its_mask_and_is_no_part_of_it(tmp_path_factory, centre, radius):
    file = tmp_path_factory.mktemp("xml") / "a.xml"
    mask = ball(centre, radius)
    file.write_text(xml(nodule(mask)))
    (read,) = read_reading(file).outlines
    assert {(round((z - ORIGIN_LPS_MM[2]) / 2.5), y, x) for z, y, x in read.voxels} == cells(mask)
    assert read.reader == 0 and read.ratings["malignancy"] == 4


def test_holes_small_nodules_and_non_nodules_are_handled(tmp_path):
    (tmp_path / "a.xml").write_text(xml(SMALL, nodule(ball((7, 30, 40), 8)), SMALL + SMALL))
    (whole,) = read_reading(tmp_path / "a.xml").outlines
    hole = roi(-82.5, [(29, 40), (30, 41), (31, 40), (30, 39)], "FALSE") + roi(
        -82.5, [(25, 40)], "FALSE"
    )
    (tmp_path / "b.xml").write_text(xml(nodule(ball((7, 30, 40), 8), hole)))
    (holed,) = read_reading(tmp_path / "b.xml").outlines
    assert whole.reader == 1
    assert whole.voxels - holed.voxels == {
        (-82.5, y, x) for y, x in ((29, 40), (30, 41), (31, 40), (30, 39), (30, 40))
    }


def test_two_regions_of_a_slice_are_added(tmp_path):
    two = ball((7, 30, 25), 4), ball((7, 30, 55), 4)
    second = "".join(
        roi(-100 + k * 2.5, border(two[1][k])) for k in np.flatnonzero(two[1].any(axis=(1, 2)))
    )
    (tmp_path / "a.xml").write_text(xml(nodule(two[0], second)))
    (read,) = read_reading(tmp_path / "a.xml").outlines
    assert len(read.voxels) == two[0].sum() + two[1].sum()


def test_a_rating_left_out_by_a_reader_is_ignored(tmp_path):
    (tmp_path / "a.xml").write_text(
        xml(nodule(ball((7, 30, 40), 8), malignancy=0, texture="", margin=6))
    )
    (read,) = read_reading(tmp_path / "a.xml").outlines
    assert set(read.ratings) == {"spiculation", "lobulation", "calcification"}


# --- Grouping and consensus


def test_outlines_that_share_voxels_are_one_nodule():
    a, b = outline(0, (0, 1, 1), (0, 1, 2)), outline(1, (0, 1, 2), (0, 1, 3))
    apart, above = outline(2, (0, 9, 9)), outline(2, (2.5, 1, 2))
    assert grouped([a, apart, b, above]) == [(a, b), (apart,), (above,)]  # from foot to head


def test_a_reader_has_at_most_one_outline_per_nodule():
    """One reader outlined as one what the others saw as two: it goes with the one it fits
    better."""
    left, right = [(0, 1, x) for x in range(4)], [(0, 1, x) for x in range(5, 12)]
    a, b = outline(0, *left), outline(0, *right)
    c, d = outline(1, *left), outline(1, *right)
    both = outline(2, *left, *right)
    assert grouped([both, a, b, c, d]) == [(a, c), (b, d, both)]


@pytest.mark.parametrize(
    ("ratings", "agreed"),
    [
        ([4], 4), ([5, 5, 5, 4], 5), ([1, 2], 2), ([2, 3], 3), ([3, 4], 3), ([4, 5], 4), ([4, 5,
        3, 2], 3),
        ([1, 1, 5], 1), ([3, 6], 4), ([6, 6, 3, 6], 6),
    ],
)  # fmt: skip
def test_consensus_leaves_the_undecided_undecided(ratings, agreed):
    assert consensus(ratings) == agreed


# --- With the CT


def test_a_nodule_on_its_ct(tmp_path):
    hu = series(tmp_path / "LIDC-IDRI-0777" / "study" / "series")
    small, large = ball((7, 30, 40), 6), ball((7, 30, 40), 8)
    text = xml(
        nodule(large, malignancy=5, texture=4),
        nodule(small, malignancy=4),
        nodule(small, malignancy=3),
        SMALL,
    )
    (tmp_path / "LIDC-IDRI-0777" / "study" / "series" / "069.xml").write_text(text)
    dataset = read_lidc_xml(tmp_path)
    assert (
        dataset.broken == ()
        and dataset.name == "LIDC-IDRI"
        and "doi:10.7937" in dataset.attribution
    )
    (read,) = dataset.nodules
    assert (read.patient, read.split, read.evidence) == (
        "LIDC-IDRI-0777",
        split_of("LIDC-IDRI-0777"),
        "reader",
    )
    assert read.name == f"LIDC-IDRI-0777_{UID[-6:]}_1"
    assert np.array_equal(read.ct.hu, hu)  # smaller than the crop
    assert np.allclose(read.marked, np.where(small, 1, large / 3))
    expected = np.array(ORIGIN_LPS_MM) + np.array((40, 30, 7)) * SPACING_MM
    assert read.centre_lps_mm == pytest.approx(tuple(expected), abs=0.01)
    assert read.diameter_mm == pytest.approx(12, rel=0.05)
    assert read.labels == {
        "density": 2, "spiculation": 0, "lobulation": 0, "margin": 0, "calcification": 0,
        "malignancy": 1,
    }  # fmt: skip
    assert read.beliefs["malignancy"][1] == pytest.approx((4 - 1.5) / 3)


def test_a_series_stored_upside_down_gives_the_same_nodules(tmp_path):
    """Rows and columns are the image's own; slices are found by their height."""
    hu = series(tmp_path / "dicom", direction=np.diag([1.0, -1.0, -1.0]))
    mask = np.zeros(SHAPE, bool)
    mask[3:6, 20:26, 50:57] = True
    rois = "".join(roi(-100 - k * 2.5, rectangle(20, 26, 50, 57)) for k in (3, 4, 5))
    (tmp_path / "a.xml").write_text(xml(nodule(np.zeros(SHAPE, bool), rois)))
    (read,) = read_lidc_xml(tmp_path).nodules
    assert np.array_equal(read.mask, mask) and np.array_equal(read.ct.hu, hu)


def test_few_readers_are_left_out_and_named(tmp_path):
    series(tmp_path / "dicom")
    one, two = nodule(ball((3, 50, 20), 6)), nodule(ball((7, 30, 40), 8))
    (tmp_path / "a.xml").write_text(xml(one + two, two))
    dataset = read_lidc_xml(tmp_path, min_readers=2)
    assert [n.name[-2:] for n in dataset.nodules] == ["_2"]
    (left_out,) = dataset.broken
    assert left_out.name.endswith("_1") and "outlined by 1" in left_out.reason
    assert len(read_lidc_xml(tmp_path).nodules) == 2


def test_what_cannot_be_used_is_reported_and_the_rest_is_read(tmp_path):
    series(tmp_path / "good")
    series(tmp_path / "flat", OTHER_UID, RescaleType="Z_EFF")
    good = nodule(ball((7, 30, 40), 8))
    (tmp_path / "good" / "good.xml").write_text(xml(good))
    (tmp_path / "copy of good.xml").write_text(xml(good))
    cases = {
        "gone": (xml(good, uid="1.2.3"), "no DICOM series 1.2.3"),
        "not ct": (xml(good, uid=OTHER_UID), "not in Hounsfield units"),
        "cut": (xml(good)[:900], "damaged"),
        "empty": ("", "damaged"),
        "other": ("<note>hello</note>", "not a LIDC reading"),
        "words": (xml(good.replace("<xCoord>40", "<xCoord>forty", 1)), "not a number"),
        "far": (xml(good.replace("<xCoord>40", "<xCoord>40000000", 1)), "leaves the image"),
        "laughs": (
            xml(good, prolog='<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'),
            "DOCTYPE",
        ),
    }
    for name, (text, _) in cases.items():
        (tmp_path / f"{name}.xml").write_text(text)
    (tmp_path / "utf16.xml").write_bytes(
        xml(good, prolog="<!DOCTYPE x>").replace("UTF-8", "UTF-16").encode("utf-16")
    )
    (tmp_path / "radiograph.xml").write_text('<IdriReadMessage xmlns="http://www.nih.gov"/>')
    dataset = read_lidc_xml(tmp_path)
    assert len(dataset.nodules) == 1
    found = reasons(dataset)
    assert set(found) == {*(f"{name}.xml" for name in cases), "utf16.xml"}
    assert all(reason in found[f"{name}.xml"] for name, (_, reason) in cases.items())
    assert "DOCTYPE" in found["utf16.xml"]


@pytest.mark.parametrize(
    ("rois", "reason"),
    [
        (roi(-81.0, rectangle(20, 26, 50, 57)), "between or beyond"),
        (roi(-200.0, rectangle(20, 26, 50, 57)), "between or beyond"),
        (roi(-82.5, rectangle(60, 69, 100, 110)), "leaves the image"),
    ],
)
def test_outlines_of_another_ct_are_refused(tmp_path, rois, reason):
    series(tmp_path / "dicom")
    (tmp_path / "a.xml").write_text(
        xml(nodule(np.zeros(SHAPE, bool), rois) + nodule(ball((7, 30, 40), 8)))
    )
    dataset = read_lidc_xml(tmp_path)
    assert len(dataset.nodules) == 1
    assert [reason in case.reason for case in dataset.broken] == [True]


def test_readers_who_agree_on_no_voxel_or_say_nothing(tmp_path):
    series(tmp_path / "dicom")
    # each overlaps only the next: two of five
    chain = [ball((5, 50, x), 4) for x in range(20, 60, 8)]
    silent = nodule(ball((9, 25, 40), 6), malignancy=0)
    said = nodule(ball((10, 60, 70), 5))
    (tmp_path / "a.xml").write_text(
        xml(silent + nodule(chain[0]), *map(nodule, chain[1:4]), nodule(chain[4]) + said)
    )
    dataset = read_lidc_xml(tmp_path)
    assert len(dataset.nodules) == 1
    assert {case.reason for case in dataset.broken} == {
        "no reader rated malignancy",
        "no voxel is marked by half of the readers",
    }


def test_another_patients_identity_is_not_copied(tmp_path):
    series(tmp_path / "a", patient="Doe^John 1950")
    (tmp_path / "a.xml").write_text(xml(nodule(ball((7, 30, 40), 8))))
    (read,) = read_lidc_xml(tmp_path).nodules
    assert read.patient.startswith("patient-") and "doe" not in (read.name + read.patient).lower()


def test_a_folder_without_readers_files(tmp_path):
    series(tmp_path / "dicom")
    with pytest.raises(NoduleRiskError, match="no LIDC readers' XML"):
        read_lidc_xml(tmp_path)


# --- The real files against the slices made from them by others

# Where slices_nodules.csv differs from the readers' own files, and why. The readers there, of four
# each, as nodules.csv says too:
SLICES_LACK_READERS = {"LIDC-IDRI-0007_R_1": 2, "LIDC-IDRI-0013_R_3": 3}
WRONG_RATINGS = {*SLICES_LACK_READERS, "LIDC-IDRI-0008_R_1"}  # 3;3;3 where the readers said 3, 3, 2
WRONG_HEIGHTS = {*SLICES_LACK_READERS, "LIDC-IDRI-0011_R_1"}  # a slice more than any reader marked


@pytest.fixture(scope="module")
def real(lidc_folder) -> dict[str, tuple[dict[str, str], tuple[Outline, ...]]]:
    """The slices' nodules whose XML is at hand: name -> row, and the outlines of the nodule of that
    number."""
    groups = {
        file.stem: grouped(read_reading(file).outlines)
        for file in sorted((lidc_folder / "xml").glob("*.xml"))
    }
    names = {
        (row["patient"], row["nodule"]): row["voi"]
        for row in rows(lidc_folder / "slices_to_image.csv")
    }
    found = {}
    for row in rows(lidc_folder / "slices_nodules.csv"):
        if row["patient"] in groups:
            name = names[row["patient"], row["nodule"]]
            found[name] = row, groups[row["patient"]][int(name.split("_")[-1]) - 1]
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_real_readers_and_ratings(real, lidc_folder, expected):
    readers = {
        r["file"].split(".")[0]: int(r["len_mal_details"])
        for r in rows(lidc_folder / "nodules.csv")
    }
    assert len(real) == expected(12, 31)
    for name, (row, group) in real.items():
        assert len(group) == readers[name]
        assert int(row["n_readers"]) == SLICES_LACK_READERS.get(name, len(group))
        ratings = ";".join(str(outline.ratings["malignancy"]) for outline in group)
        assert (ratings == row["malignancy"]) == (name not in WRONG_RATINGS)
    assert [outline.ratings["malignancy"] for outline in real["LIDC-IDRI-0008_R_1"][1]] == [3, 3, 2]


def test_real_heights(real):
    for name, (row, group) in real.items():
        heights = [z for outline in group for z, _, _ in outline.voxels]
        agrees = (min(heights), max(heights)) == (float(row["z_min"]), float(row["z_max"]))
        assert agrees == (name not in WRONG_HEIGHTS)


def test_real_masks_agree_slice_by_slice(real, lidc_folder, expected):
    with np.load(lidc_folder / "slices.npz") as arrays:
        index, packed = arrays["index"], arrays["masks_packed"]
    compared = 0
    for name, (row, group) in real.items():
        chosen = np.flatnonzero(
            (index[:, 0] == int(row["patient"][-4:])) & (index[:, 1] == int(row["nodule"]))
        )
        masks = np.unpackbits(packed[chosen[np.argsort(index[chosen, 2])]], axis=-1)
        theirs = [areas[areas > 0].tolist() for areas in masks.sum(axis=(2, 3)).T if areas.any()]
        ours = [areas_of(outline) for outline in group]
        compared += len(theirs)
        assert theirs == ours[: len(theirs)], name  # missing readers are always the last ones
    assert compared == expected(46, 117)


def areas_of(outline: Outline) -> list[int]:
    """Pixels per slice, from foot to head."""
    areas = Counter(z for z, _, _ in outline.voxels)
    return [areas[z] for z in sorted(areas)]


def test_real_centres_agree_with_the_published_ones(real, lidc_folder):
    """All nodules of a patient give the same position of the image's first pixel."""
    published = {row["file"].split(".")[0]: row for row in rows(lidc_folder / "nodules.csv")}
    origins: dict[str, list[np.ndarray]] = {}
    for name, (row, group) in real.items():
        z, y, x = np.mean([outline.place for outline in group], axis=0)
        centre = np.array([float(published[name][f"coord{axis}"]) for axis in "XYZ"])
        origins.setdefault(row["patient"], []).append(
            centre - np.array((x, y, 0)) * float(row["spacing_xy"])
        )
        assert centre[2] == pytest.approx(z, abs=0.3)
    assert all(np.ptp(np.array(found)[:, :2], axis=0).max() < 0.4 for found in origins.values())
