"""Simulated nodules: labels that match the generated geometry, in lung that is otherwise
unchanged."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from scipy.spatial.distance import pdist
from scipy.stats import mannwhitneyu
from typer.testing import CliRunner

from made_nodules import LUNG_HU, VESSEL_HU, made_background, made_lung
from nodulerisk.cli import app
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.datasets.densesharp.write import write_densesharp
from nodulerisk.datasets.lidc.slices import read_lidc_slices
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.datasets.read import read_dataset
from nodulerisk.datasets.simulated.features import (
    CONTRASTS,
    MEASURES,
    features_of,
    published_values,
    tables,
    write_features,
)
from nodulerisk.datasets.simulated.growth import grow, inserted, largest_part, long_axis_mm
from nodulerisk.datasets.simulated.lung import lung_cube
from nodulerisk.datasets.simulated.patterns import AIS, IAC, MIA, PATTERNS, drawn
from nodulerisk.datasets.simulated.sheet import contact_sheet
from nodulerisk.datasets.simulated.simulate import simulate, simulate_nodules
from nodulerisk.errors import NoduleRiskError

MIDDLE = (40, 40, 40)


def looked(pattern, seed: int, **fields):
    """A drawn look, with fields of one's own."""
    return replace(drawn(pattern, np.random.default_rng(seed)), **fields)


def grown(look, seed: int = 0, lung=None):
    return grow(look, made_lung() if lung is None else lung, np.random.default_rng(seed))


def solid_axis_mm(growth) -> float:
    return long_axis_mm(largest_part(growth.solid))


@pytest.fixture(scope="module")
def simulated() -> list[LabelledNodule]:
    return list(simulate_nodules([made_background()], 60, seed=3))


@pytest.fixture(scope="module")
def lidc(lidc_folder):
    return read_lidc_slices(lidc_folder).nodules


def test_a_nodule_depends_on_seed_and_index_alone(simulated):
    again = list(simulate_nodules([made_background()], 3, seed=3))
    other = next(simulate_nodules([made_background()], 1, seed=4))
    for one, two in zip(simulated, again, strict=False):
        assert (
            one.name == two.name
            and one.labels == two.labels
            and one.centre_lps_mm == two.centre_lps_mm
        )
        assert np.array_equal(one.ct.hu, two.ct.hu) and np.array_equal(one.marked, two.marked)
    assert not np.array_equal(simulated[0].ct.hu, other.ct.hu)


def test_names_are_unique_and_say_what_they_are(simulated):
    assert [nodule.name for nodule in simulated[:2]] == ["sim-000000", "sim-000001"]
    assert {nodule.evidence for nodule in simulated} == {"simulated"}
    assert not any(nodule.only_own_slices for nodule in simulated)


def test_every_class_is_drawn_equally_often(simulated):
    subtypes = Counter(nodule.labels["subtype"] for nodule in simulated)
    assert all(10 <= subtypes[subtype] <= 30 for subtype in range(3))
    assert {nodule.labels["grade"] for nodule in simulated if "grade" in nodule.labels} == {0, 1, 2}


def test_only_invasive_adenocarcinoma_is_invasive_and_graded(simulated):
    for nodule in simulated:
        invasive = nodule.labels["subtype"] == 2
        assert nodule.labels["invasiveness"] == int(invasive)
        assert ("grade" in nodule.labels) == invasive


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), pattern=st.sampled_from(PATTERNS))
def test_the_solid_part_lies_within_the_mask_and_is_as_long_as_asked(seed, pattern):
    look = looked(pattern, seed)
    growth = grown(look, seed)
    assert not (growth.solid & ~growth.mask).any()
    whole = long_axis_mm(growth.mask)
    assert solid_axis_mm(growth) <= look.solid_mm + 0.5
    if look.solid_mm >= 0.5:  # of half a voxel
        assert solid_axis_mm(growth) > 0.4 * min(look.solid_mm, whole)  # shorter where islands part


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32))
def test_any_nodule_is_whole_and_lies_where_it_should(seed):
    nodule = next(simulate_nodules([made_background()], 1, seed))
    hu, mask = nodule.ct.hu, nodule.mask
    assert (
        hu.shape == mask.shape == (80, 80, 80)
        and hu.dtype == np.int16
        and nodule.ct.spacing_mm == (1, 1, 1)
    )
    assert hu.min() >= -1024 and hu.max() < 400
    assert nodule.marked.dtype == np.float32 and set(np.unique(nodule.marked)) == {0.0, 1.0}
    assert mask[39:42, 39:42, 39:42].any() and np.array_equal(mask, largest_part(mask))
    assert np.abs(np.subtract(nodule.centre_lps_mm, MIDDLE)).max() < 5
    assert 3 <= nodule.diameter_mm <= 34
    border = np.ones_like(mask)
    border[5:-5, 5:-5, 5:-5] = False
    assert not (mask & border).any()


def test_the_long_axis_is_the_longest_distance_in_one_slice():
    region = np.zeros((5, 20, 20), bool)
    region[:, 3, 3] = True  # long along z does not count
    region[2, 3:7, 3:6] = True
    assert long_axis_mm(region) == pytest.approx(1 + pdist([[3, 3], [6, 5]])[0])
    assert long_axis_mm(np.zeros_like(region)) == 0


def test_the_mask_is_as_long_as_asked():
    for diameter in (5, 9, 17, 28):
        growth = grown(looked(MIA, 1, diameter_mm=diameter, solid_mm=3))
        assert diameter - 1.6 < long_axis_mm(growth.mask) <= diameter


def test_higher_grades_have_larger_solid_parts_but_overlap():
    looks = [looked(IAC, seed) for seed in range(1500)]
    by_grade = [[look.solid_mm for look in looks if look.labels["grade"] == g] for g in range(3)]
    low, middle, high = map(np.median, by_grade)
    assert 1.3 * low < middle < high / 1.3
    assert min(by_grade[2]) < low and max(by_grade[0]) > high
    assert all(400 < len(grade) < 600 for grade in by_grade)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_looks_have_the_published_means_and_deviations(pattern):
    looks = [looked(pattern, seed) for seed in range(1500)]
    for feature in ("diameter_mm", "mean_hu", "glass_hu", "solid_hu"):
        values = [getattr(look, feature) for look in looks]
        published = getattr(pattern, feature)
        assert np.mean(values) == pytest.approx(published.mean, abs=0.15 * published.sd)
        assert np.std(values) == pytest.approx(published.sd, rel=0.15)
    for sign in ("lobulated", "spiculated", "bronchogram", "retracted"):
        share = np.mean([getattr(look, sign) for look in looks])
        assert share == pytest.approx(getattr(pattern, sign), abs=0.05)
    assert all(0 < look.solid_mm <= look.diameter_mm for look in looks)


def test_classes_overlap_where_a_definition_would_part_them():
    ais, mia, iac = ([looked(one, seed) for seed in range(300)] for one in PATTERNS)
    assert max(look.solid_mm for look in ais) > 4
    assert max(look.solid_mm for look in mia) > 5
    assert min(look.solid_mm for look in iac) < 2


def test_a_length_is_positive_and_has_its_mean_and_deviation():
    for pattern in PATTERNS:
        for feature in ("diameter_mm", "solid_mm"):
            values, published = published_values(pattern, feature), getattr(pattern, feature)
            assert values.min() >= 0
            assert (values.mean(), values.std()) == pytest.approx(tuple(published), rel=0.02)


def test_spicules_leave_the_mask():
    def beyond(spiculated: bool) -> int:
        """Returns the voxels covered by spicules well outside the body."""
        growth = grown(looked(IAC, 2, diameter_mm=14, spiculated=spiculated, retracted=False), 2)
        return int(((growth.cover > 0.5) & ~growth.mask).sum())

    assert beyond(False) == 0 < beyond(True)


def test_a_line_leads_to_the_pleura():
    growth = grown(looked(IAC, 2, diameter_mm=14, spiculated=False, retracted=True), 2)
    line = (growth.cover > 0.5) & ~growth.mask
    assert line[38:43, 49:66, 38:43].any(axis=(0, 2)).all()  # the wall begins at y = 68


def test_without_a_wall_in_reach_there_is_no_line():
    lung = np.full((80, 80, 80), LUNG_HU, np.float32)
    growth = grown(looked(IAC, 2, diameter_mm=14, spiculated=False, retracted=True), 2, lung)
    assert not ((growth.cover > 0.5) & ~growth.mask).any()


def test_an_airway_runs_through_and_the_mask_keeps_it():
    looks = [looked(IAC, 3, diameter_mm=20, bronchogram=airway) for airway in (False, True)]
    without, with_it = (grown(look, 3) for look in looks)
    assert np.array_equal(without.mask, with_it.mask)
    opened = without.mask & (with_it.cover < 0.5) & (without.cover > 0.9)
    assert 20 < opened.sum() < 0.1 * without.mask.sum()


def test_the_mean_density_is_the_wanted_one():
    lung = np.full((80, 80, 80), LUNG_HU, np.float32)
    for glass, mean in ((-700.0, -600.0), (-650.0, -500.0), (-550.0, -400.0)):
        look = looked(
            MIA, 1, diameter_mm=14, solid_mm=4, glass_hu=glass, mean_hu=mean, solid_hu=-100.0
        )
        growth = grown(replace(look, bronchogram=False), 1, lung)
        hu = inserted(growth, lung, 1.0, np.random.default_rng(0))
        assert hu[growth.mask].mean() == pytest.approx(mean, abs=25)


def test_a_solid_part_is_as_dense_as_asked():
    look = looked(IAC, 3, diameter_mm=20, solid_mm=12, solid_hu=-40.0, mean_hu=-300.0)
    growth = grown(look, 3)
    hu = inserted(growth, made_lung(), 1.0, np.random.default_rng(0))
    assert np.median(hu[growth.solid]) == pytest.approx(look.solid_hu, abs=60)


def test_sizes_of_the_classes_overlap(simulated):
    def of(subtype):
        return [nodule.diameter_mm for nodule in simulated if nodule.labels["subtype"] == subtype]

    assert min(of(2)) < np.median(of(0)) and max(of(0)) > np.median(of(1))


def test_the_lung_outside_is_left_as_it_was():
    growth, lung = grown(looked(IAC, 4, diameter_mm=16), 4), made_lung()
    hu = inserted(growth, lung, 1.0, np.random.default_rng(0))
    reach = growth.cover > 0
    outside = ~(reach | np.roll(reach, 1, 0) | np.roll(reach, -1, 0))  # the blur along z
    assert np.array_equal(hu[outside], np.rint(lung[outside]).astype(np.int16))
    assert (hu[growth.mask] > lung[growth.mask]).mean() > 0.9


def test_a_vessel_is_visible_through_ground_glass():
    look = looked(AIS, 5, diameter_mm=18, solid_mm=1, bronchogram=False)
    growth, lung = grown(look, 5), made_lung()
    hu = inserted(growth, lung, 1.0, np.random.default_rng(0))
    vessel = growth.mask & (lung == VESSEL_HU)
    glass = growth.mask & (lung < -700)
    assert vessel.any() and np.abs(hu[vessel] - VESSEL_HU).mean() < 40
    assert hu[vessel].mean() - hu[glass].mean() > 400


def test_the_noise_inside_is_that_of_the_lung():
    lung = np.random.default_rng(6).normal(LUNG_HU, 40, (80, 80, 80)).astype(np.float32)
    look = looked(IAC, 6, diameter_mm=24, solid_mm=20, solid_hu=0.0, bronchogram=False)
    growth = grown(look, 6, lung)
    core = growth.solid & (growth.cover == 1)
    noisy, calm = (
        inserted(growth, lung * k + LUNG_HU * (1 - k), 1.0, np.random.default_rng(0))
        for k in (1, 0)
    )
    assert 20 < np.std((noisy - calm)[core].astype(float)) < 60


def test_thick_slices_blur_along_z_alone():
    lung = np.full((80, 80, 80), LUNG_HU, np.float32)
    growth = grown(looked(IAC, 7, diameter_mm=12, solid_mm=9, solid_hu=0.0), 7, lung)
    thin, thick = (
        inserted(growth, lung, mm, np.random.default_rng(0)).astype(int) for mm in (0.5, 5.0)
    )
    along_z, along_x = (np.abs(np.diff(thick, axis=axis)).max() for axis in (0, 2))
    assert along_z < np.abs(np.diff(thin, axis=0)).max() * 0.8 and along_z < along_x


def test_a_nodule_stops_at_the_chest_wall():
    lung = made_lung(wall_mm=36)  # begins 4 mm from the middle
    growth = grown(looked(IAC, 8, diameter_mm=20, solid_mm=8, retracted=False), 8, lung)
    assert growth.mask.any() and not growth.mask[:, 46:, :].any()


def test_patient_and_split_are_the_backgrounds():
    backgrounds = [
        made_background("a", "train"),
        made_background("b", "validation"),
        made_background("c", "test"),
    ]
    nodules = list(simulate_nodules(backgrounds, 12, seed=1))
    assert {(nodule.patient, nodule.split) for nodule in nodules} == {
        ("a", "train"),
        ("b", "validation"),
        ("c", "test"),
    }


def test_a_background_without_lung_is_passed_over():
    tissue = CT(np.full((80, 80, 80), 40, np.int16), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    air = replace(tissue, hu=np.full((80, 80, 80), -1000, np.int16))
    useless = [made_background("tissue", ct=tissue), made_background("air", ct=air)]
    nodules = list(simulate_nodules([*useless, made_background("lung")], 4, seed=0))
    assert {nodule.patient for nodule in nodules} == {"lung"}
    elsewhere = replace(made_background(), centre_lps_mm=(500.0, 0.0, 0.0))
    for none_serves in (useless, [elsewhere], []):
        with pytest.raises(NoduleRiskError, match="has lung within"):
            next(simulate_nodules(none_serves, 1, seed=0))


def test_the_real_nodule_is_covered_and_its_slices_go_on():
    """A bright nodule in its own 6 slices of 2 mm: the lung cube shows nothing of it."""
    rng = np.random.default_rng(9)
    hu = rng.normal(LUNG_HU, 15, (6, 100, 100)).astype(np.int16)
    marked = np.zeros(hu.shape, np.float32)
    marked[:, 45:56, 45:56] = 1
    hu[marked > 0] = 50
    ct = CT(hu, (0.8, 0.8, 2.0), (0.0, 0.0, 0.0))
    cube = lung_cube(made_background(ct=ct, marked=marked, only_own_slices=True), 10, rng)
    assert cube.shape == (80, 80, 80) and cube.max() < -600


def test_real_nodules_of_lidc_serve_as_backgrounds(lidc):
    nodules = list(simulate_nodules(lidc, 12, seed=2))
    split_of = {nodule.patient: nodule.split for nodule in lidc}
    assert all(nodule.split == split_of[nodule.patient] for nodule in nodules)
    assert len({nodule.patient for nodule in nodules}) > 6
    for nodule in nodules:
        around = nodule.ct.hu[30:50, 30:50, 30:50]
        assert np.mean((around > -1000) & (around < -600)) > 0.05  # lung is left beside it
        assert nodule.ct.hu.min() >= -1024


def test_a_whole_ct_serves_as_background(data):
    ct = read_ct(data / "chest_crop_no_nodule_3mm.nii.gz")
    places = [ct.point_of(np.array(ct.hu.shape[::-1]) * share) for share in (0.3, 0.5, 0.7)]
    backgrounds = [
        replace(made_background(ct=ct), centre_lps_mm=tuple(map(float, place))) for place in places
    ]
    nodules = list(simulate_nodules(backgrounds, 3, seed=0))
    assert all(nodule.ct.hu.shape == (80, 80, 80) and nodule.mask.any() for nodule in nodules)


def test_the_contact_sheet_has_a_row_for_each_class(simulated, tmp_path):
    contact_sheet(simulated, tmp_path / "all.png")
    contact_sheet(simulated[:1], tmp_path / "one.png")
    every, one = imread(tmp_path / "all.png"), imread(tmp_path / "one.png")
    assert every.shape[0] > 3 * one.shape[0] and every.shape[1] == one.shape[1]
    assert every.std() > 0.1 and one.std() > 0.05


@pytest.mark.parametrize("feature", MEASURES)
@pytest.mark.parametrize(("low", "high"), [sides for _, *sides in CONTRASTS])
def test_a_single_feature_tells_the_classes_apart_as_published(feature, low, high):
    looks = [[looked(pattern, seed) for seed in range(1500)] for pattern in PATTERNS]
    drawn_values = [[getattr(look, feature) for look in of_class] for of_class in looks]
    published = [published_values(pattern, feature)[:1500] for pattern in PATTERNS]
    assert auc(drawn_values, low, high) == pytest.approx(auc(published, low, high), abs=0.03)


def auc(values, low, high) -> float:
    """How often a value of the high classes exceeds one of the low classes."""
    below, above = (np.concatenate([values[subtype] for subtype in side]) for side in (low, high))
    return mannwhitneyu(above, below).statistic / (len(above) * len(below))


def test_features_are_written_beside_what_was_published(tmp_path):
    rows = [features_of(one) for one in simulate([made_background()], 30, seed=3)]
    write_features(rows, tmp_path)
    written = (tmp_path / "features.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(written) == 31 and written[0].startswith("name,subtype,invasiveness,")
    text = (tmp_path / "features.md").read_text(encoding="utf-8")
    assert text == tables(rows) and "(10.3 ± 3.1)" in text and "| AIS against MIA | 0.60 |" in text


def test_the_command_writes_a_dataset_that_is_read_again(tmp_path):
    lungs = write_densesharp(
        [replace(made_background(), labels={"subtype": 0}, marked=a_mark())], tmp_path / "lungs"
    )
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["simulate", str(lungs), str(out), "--count", "3"])
    assert done.exit_code == 0, done.output
    assert [nodule.name for nodule in read_dataset(out).nodules] == [
        f"sim-{i:06d}" for i in range(3)
    ]
    assert (out / "sheet.png").exists() and (out / "features" / "features.md").exists()


def a_mark() -> np.ndarray:
    mark = np.zeros((80, 80, 80), np.float32)
    mark[39:42, 39:42, 39:42] = 1
    return mark
