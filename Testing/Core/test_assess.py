"""The main job on made and real CTs: right answers, flags and refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_ct, positions_of
from made_shapes import reoriented
from nodulerisk.assess import assess
from nodulerisk.assessment import Assessment, load_assessment, save_assessment
from nodulerisk.checks import Check
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.engine.engine import Engine
from nodulerisk.errors import NoduleRiskError, PointError
from nodulerisk.networks.build import build_network
from nodulerisk.nodule.measure import value_of
from nodulerisk.weights.card import Evidence, NetworkCard, TaskCard, WeightSet, save_card
from nodulerisk.weights.store import load_weight_set, sha256_of

POINT = np.array(CENTRE_LPS_MM)


@pytest.fixture(scope="session")
def engine(weights):
    return Engine(weights, "cpu")


@pytest.fixture
def run(weights, engine):
    """Assesses a point of a CT with the small weight set."""
    return lambda ct, point=POINT, **options: assess(ct, point, weights, networks=engine, **options)


def codes(assessment) -> set[str]:
    return {check.code for check in assessment.checks}


def sphere_ct(radius_mm: float, hu: int = 30, **options) -> CT:
    """A made CT whose sphere has another size or density."""
    ct = made_ct(**options)
    distance = np.linalg.norm(positions_of(ct) - POINT, axis=-1)
    values = np.where(distance <= max(radius_mm, RADIUS_MM), -850, ct.hu)
    return replace(ct, hu=np.where(distance <= radius_mm, hu, values).astype(np.int16))


def test_mask_is_the_sphere_and_probabilities_are_the_members_mean(run):
    ct = made_ct()
    assessment = run(ct, POINT + (1.5, -1, 1))
    truth = np.linalg.norm(positions_of(ct) - POINT, axis=-1) <= RADIUS_MM
    overlap = 2 * (assessment.mask & truth).sum() / (assessment.mask.sum() + truth.sum())
    assert assessment.mask.shape == ct.hu.shape
    assert overlap > 0.93
    np.testing.assert_allclose(assessment.centre_lps_mm, POINT, atol=0.3)
    task = assessment.tasks["malignancy"]
    np.testing.assert_allclose(task.mean, np.mean(list(task.members.values()), axis=0), atol=1e-7)
    assert sum(task.mean) == pytest.approx(1, abs=1e-5)
    assert task.decision == ("malignant" if task.mean[1] >= 0.4 else "benign")
    assert task.evidence == "reader"
    assert assessment.tasks["grade"].mean is None
    assert assessment.tasks["grade"].evidence == "none"
    assert "no weights" in assessment.tasks["grade"].note
    assert value_of(assessment.measurements, "equivalent diameter") == pytest.approx(12, abs=0.5)


def test_thick_slices_show_no_stair_steps(run):
    """On 3 mm slices the mask's area changes as smoothly from slice to slice as the sphere's."""
    ct = made_ct(spacing_mm=(0.6, 0.6, 3.0))
    areas = run(ct).mask.sum(axis=(1, 2)) * 0.36
    heights = np.array([ct.point_of((0, 0, k))[2] for k in range(len(areas))]) - POINT[2]
    expected = np.pi * np.clip(RADIUS_MM**2 - heights**2, 0, None)
    assert np.abs(areas - expected).max() < 0.35 * expected.max()


@settings(max_examples=48, deadline=None)
@given(order=st.permutations(range(3)), flips=st.tuples(*[st.booleans()] * 3))
def test_fault_10_every_axis_order_and_flip_gives_one_assessment(order, flips, weights, engine):
    ct = made_ct()
    turned = reoriented(ct, order, flips)
    first, second = (assess(c, POINT + 1, weights, networks=engine) for c in (ct, turned))
    assert second.tasks == first.tasks
    placed = np.sort(turned_positions(second.mask, turned), axis=0)
    np.testing.assert_allclose(placed, np.sort(turned_positions(first.mask, ct), axis=0), atol=1e-6)


def turned_positions(mask, ct) -> np.ndarray:
    return positions_of(ct)[mask > 0].round(4)


def test_fault_14_oblique_ct_gives_nearly_the_same_answer(run):
    turn = np.array([[0.9397, 0, 0.3420], [0, 1, 0], [-0.3420, 0, 0.9397]])
    turn /= np.linalg.norm(turn, axis=0)
    straight, oblique = made_ct(spacing_mm=(0.7,) * 3), made_ct(turn, spacing_mm=(0.7,) * 3)
    volumes = [value_of(run(ct).measurements, "volume") for ct in (straight, oblique)]
    # with a threshold on 1 mm voxels, partial volumes matter
    assert volumes[1] == pytest.approx(volumes[0], rel=0.15)
    np.testing.assert_allclose(
        positions_of(oblique)[run(oblique).mask > 0].mean(axis=0), POINT, atol=0.3
    )


def test_fault_01_missing_slice_near_the_nodule_is_refused_far_away_it_is_not(run):
    ct = made_ct(spacing_mm=(0.8, 0.8, 1.0))
    with pytest.raises(PointError, match="slice of the series is missing"):
        run(replace(ct, filled_slices=(40,)))
    tall = replace(ct, hu=np.concatenate([ct.hu, ct.hu]), filled_slices=(150,))
    assert run(tall).mask.any()


def test_fault_21_metal(run):
    ct = made_ct()
    ct.hu[10, 40:43, 60:63] = 3071
    assert "metal" in codes(run(ct))
    assert "metal" not in codes(run(made_ct()))


def test_fault_25_point_outside(run):
    with pytest.raises(PointError, match="outside"):
        run(made_ct(), (0, 0, 0))


def test_fault_26_no_nodule_at_the_point(run):
    assessment = run(made_ct(), POINT + (0, 25, 0))
    assert "no-nodule" in codes(assessment)
    assert not assessment.mask.any()
    solid = replace(made_ct(), hu=np.where(made_ct().hu < -800, 40, made_ct().hu).astype(np.int16))
    assert "no-lung" in codes(run(solid))


def test_fault_27_28_edges_are_padded_and_flagged(run):
    ct = made_ct()
    inside = tuple(slice(20, None) for _ in range(3))
    near_edge = CT(
        ct.hu[inside].copy(), ct.spacing_mm, tuple(ct.point_of((20, 20, 20))), ct.direction
    )
    assessment = run(near_edge)
    assert {"padded-in-plane", "padded-in-z"} <= codes(assessment)
    assert any("%" in check.message for check in assessment.checks)
    assert not {"padded-in-plane", "padded-in-z"} & codes(run(ct))


@pytest.mark.slow
def test_fault_29_a_hundred_points_are_assessed_and_can_be_cancelled(run):
    ct = made_ct()
    rng = np.random.default_rng(0)
    masks = [
        run(ct, POINT + offset, name=f"N{i}").mask.sum()
        for i, offset in enumerate(rng.uniform(-2, 2, (100, 3)))
    ]
    assert min(masks) > 0.9 * max(masks)

    def cancel(stage, share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(ct, progress=cancel)


@pytest.mark.parametrize(("radius", "flagged"), [(1.5, True), (6, False), (15.5, True)])
def test_fault_30_size_outside_the_published_range(run, radius, flagged):
    assert ({"size-out-of-range", "mask-cut"} & codes(run(sphere_ct(radius))) != set()) == flagged


def test_fault_31_calcification(run):
    assert "calcified" in codes(run(sphere_ct(6, hu=400)))
    assert "calcified" not in codes(run(sphere_ct(6, hu=50)))


def test_fault_39_nan_of_one_network_costs_its_task_only(run, weights, engine):
    class Broken:
        device, checks = "test", []

        def predict(self, network, cubes):
            answer = engine.predict(network, cubes)
            return (np.full_like(answer[0], np.nan),) if network == "vgg" else answer

    assessment = assess(made_ct(), POINT, weights, networks=Broken())
    assert assessment.tasks["malignancy"].mean is None
    assert "vgg" in assessment.tasks["malignancy"].note
    assert assessment.tasks["subtype"].mean is not None
    assert [check.fault for check in assessment.checks if check.code == "network-nan"] == [39]


def test_fault_39_nan_in_the_mask_costs_the_mask_only(weights, engine):
    class Broken:
        device, checks = "test", []

        def predict(self, network, cubes):
            answer = engine.predict(network, cubes)
            return (
                (answer[0], np.full_like(answer[1], np.nan)) if network == "densesharp" else answer
            )

    assessment = assess(made_ct(), POINT, weights, networks=Broken())
    assert assessment.mask is None
    assert assessment.tasks["malignancy"].mean is not None
    assert "network-nan" in codes(assessment)


def test_an_assessment_round_trips_through_its_folder(run, tmp_path):
    ct = replace(
        made_ct(),
        checks=(Check("thick-slices", "warning", "Slice thickness or spacing is 3 mm", 8),),
    )
    assessment = run(ct)
    save_assessment(assessment, ct, tmp_path / "Ergebnis für N 1")
    loaded = load_assessment(tmp_path / "Ergebnis für N 1")
    assert loaded.to_dict() == assessment.to_dict()
    np.testing.assert_array_equal(loaded.mask, assessment.mask)
    np.testing.assert_allclose(loaded.nodule.grid.axes, assessment.nodule.grid.axes, atol=1e-9)
    mask = sitk.ReadImage(str(tmp_path / "Ergebnis für N 1" / "mask.nrrd"))
    np.testing.assert_allclose(mask.GetOrigin(), ct.origin_lps_mm)
    with pytest.raises(NoduleRiskError, match="no complete assessment"):
        load_assessment(tmp_path)


def test_an_assessment_round_trips_through_its_values_and_ignores_what_others_added(assessment):
    values = assessment.to_dict() | {"shown": True}
    parts = [
        values["tasks"]["malignancy"],
        values["measurements"][0],
        values["checks"][0],
        values["provenance"],
    ]
    for part in parts:
        part["colour"] = "red"
    restored = Assessment.from_dict(values, assessment.nodule)
    assert restored.to_dict() == assessment.to_dict()
    assert restored.tasks == assessment.tasks and restored.checks == assessment.checks
    assert Assessment.from_dict(values).nodule is None


@pytest.mark.parametrize(
    "damage",
    [
        {"point_lps_mm": [1, 2]},
        {"centre_lps_mm": "here"},
        {"tasks": [1]},
        {"tasks": {"malignancy": {"mean": None}}},
        {"tasks": {"malignancy": "benign"}},
        {"measurements": [3.0]},
        {"checks": [{}]},
        {"provenance": None},
    ],
)
def test_damaged_values_are_refused(assessment, damage):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Assessment.from_dict(assessment.to_dict() | damage)


def test_progress_runs_from_start_to_end(run):
    seen = []
    run(made_ct(), progress=lambda stage, share: seen.append((stage, share)))
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert {"checks", "mask", "measurements", "network 1 of 4"} <= {stage for stage, _ in seen}


def test_dicom_zip_nrrd_and_nifti_of_the_real_ct_give_one_assessment(run, data, tmp_path):
    dicom = read_ct(data / "cptac_lscc_C3N-00247_nodule.zip")
    first = run(dicom, (-81, -192, -192))
    for name in ("same.nrrd", "same.nii.gz"):
        sitk.WriteImage(
            dicom.to_sitk(), str(tmp_path / name), useCompression=True, compressionLevel=1
        )
        other = run(read_ct(tmp_path / name), (-81, -192, -192))
        for task, result in first.tasks.items():
            assert other.tasks[task].decision == result.decision
            np.testing.assert_allclose(other.tasks[task].mean or (), result.mean or (), atol=1e-5)
        np.testing.assert_array_equal(other.mask, first.mask)


@pytest.fixture(scope="module")
def one_trunk(tmp_path_factory) -> WeightSet:
    """A set whose one network answers malignancy and grade."""
    folder = tmp_path_factory.mktemp("one trunk")
    file = folder / "both.safetensors"
    save_file(build_network("vgg", input_size=40, n_classes=(2, 3), width=0.125).state_dict(), file)
    card = NetworkCard(
        "vgg", file.name, sha256_of(file), ("malignancy", "grade"), 0.125, (60, 40, 20), 40
    )
    tasks = {task: TaskCard(("both",), Evidence("reader")) for task in card.tasks}
    save_card(WeightSet(folder, "both", "1", "none", "nobody", {"both": card}, tasks))
    return load_weight_set(folder)


def test_one_network_answers_several_tasks_each_calibrated_by_its_card(one_trunk):
    """The answer of a head is its softmax calibrated by the card's line, whatever the other heads
    say."""
    malignancy = replace(one_trunk.tasks["malignancy"], calibration=(2.0, 0.5), threshold=0.5)
    shifted = replace(one_trunk, tasks=one_trunk.tasks | {"malignancy": malignancy})
    before, after = (
        assess(made_ct(), POINT, weights, "cpu").tasks for weights in (one_trunk, shifted)
    )
    p = before["malignancy"].mean[1]
    logit = 2 * np.log(p / (1 - p)) + 0.5
    assert after["malignancy"].mean[1] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-4)
    assert after["grade"].mean == pytest.approx(before["grade"].mean, abs=1e-6)
    assert after["malignancy"].decision == ("malignant" if logit >= 0 else "benign")


def test_a_reflected_mask_is_the_mean_of_the_reflections(weights, engine):
    """The test network draws dense tissue, however the cube is oriented: the mean must be that map
    in the original orientation."""
    ct = sphere_ct(5)
    hu = ct.hu.copy()
    hu[np.linalg.norm(positions_of(ct) - (POINT + (3, 4, 2)), axis=-1) < 4] = 30  # no symmetry left
    ct = replace(ct, hu=hu)
    plain = assess(ct, POINT, weights, networks=engine)
    reflected = assess(ct, POINT, replace(weights, mask_reflected=True), networks=engine)
    assert np.array_equal(reflected.mask, plain.mask)


class Recording:
    """An Engine that records which networks were run."""

    device, checks = "test", []

    def __init__(self, weights):
        self.asked = []
        self._engine = Engine(weights, "cpu")

    def predict(self, network, cubes):
        self.asked.append(network)
        return self._engine.predict(network, cubes)


@pytest.fixture(scope="module")
def four_tasks(weights) -> WeightSet:
    """The small set with separate networks for invasiveness and grade; without calibration, any
    will do."""
    vgg, densesharp = weights.networks["vgg"], weights.networks["densesharp"]
    networks = {
        "invasive": replace(vgg, tasks=("invasiveness",)),
        "graded": replace(densesharp, tasks=("grade",)),
    }
    malignancy, subtype = weights.tasks["malignancy"], weights.tasks["subtype"]
    tasks = {
        "invasiveness": replace(malignancy, networks=("invasive",)),
        "grade": replace(subtype, networks=("graded",)),
    }
    return replace(weights, networks=weights.networks | networks, tasks=weights.tasks | tasks)


MASK = ["densesharp"] * 2  # drawn twice
BENIGN, MALIGNANT = {"malignancy": 1}, {"malignancy": 0}
PRE_INVASIVE, INVASIVE = {"invasiveness": 1}, {"invasiveness": 0}
MEMBERS = ["inception", "resnet", "vgg"]


@pytest.mark.parametrize(
    ("thresholds", "asked", "notes"),
    [
        (
            BENIGN,
            MEMBERS,
            dict.fromkeys(
                ["invasiveness", "grade", "subtype"], "skipped: the nodule was decided benign"
            ),
        ),
        (
            MALIGNANT | PRE_INVASIVE,
            [*MEMBERS, "densesharp", "invasive"],
            {"grade": "skipped: the nodule was decided pre-invasive"},
        ),
        (MALIGNANT | INVASIVE, [*MEMBERS, "densesharp", "invasive", "graded"], {}),
    ],
    ids=["benign", "pre-invasive", "invasive"],
)
def test_a_cascade_runs_later_tasks_only_if_earlier_ones_are_positive(
    four_tasks, thresholds, asked, notes
):
    weights = four_tasks.with_thresholds(thresholds)
    networks = Recording(weights)
    found = assess(made_ct(), POINT, weights, networks=networks, cascade=True)
    whole = assess(made_ct(), POINT, weights, networks=Recording(weights))
    assert networks.asked == MASK + asked
    assert list(found.tasks) == list(whole.tasks)
    for task, result in found.tasks.items():
        if task in notes:
            assert (result.mean, result.decision, result.evidence, result.note) == (
                None,
                None,
                "none",
                notes[task],
            )
        else:
            assert result == whole.tasks[task]


def test_without_a_cascade_the_mask_network_runs_while_it_is_loaded(four_tasks):
    networks = Recording(four_tasks)
    assess(made_ct(), POINT, four_tasks, networks=networks)
    assert networks.asked == [
        *MASK,
        "densesharp",
        "graded",
        "inception",
        "invasive",
        "resnet",
        "vgg",
    ]


def test_a_cascade_runs_a_shared_network_once_and_runs_grade_if_invasiveness_is_not_run(
    one_trunk,
):
    weights = one_trunk.with_thresholds(MALIGNANT)
    networks = Recording(weights)
    found = assess(made_ct(), POINT, weights, networks=networks, cascade=True)
    assert networks.asked == ["both"]
    assert found.tasks == assess(made_ct(), POINT, weights, "cpu").tasks
    assert found.tasks["grade"].mean is not None


def test_a_cascade_stops_where_malignancy_is_not_decided(four_tasks):
    undecided = replace(
        four_tasks, tasks=four_tasks.tasks | {"malignancy": four_tasks.tasks["density"]}
    )
    tasks = assess(made_ct(), POINT, undecided, "cpu", cascade=True).tasks
    assert tasks["malignancy"].note == four_tasks.tasks["density"].evidence.data
    assert (
        tasks["invasiveness"].note == tasks["grade"].note == "skipped: malignancy was not decided"
    )


def test_the_users_own_threshold_decides_and_is_noted(run, weights):
    first = run(made_ct())
    p = first.tasks["malignancy"].mean[1]
    for threshold, decision in ((p - 1e-3, "malignant"), (p + 1e-3, "benign")):
        own = assess(made_ct(), POINT, weights.with_thresholds({"malignancy": threshold}), "cpu")
        task = own.tasks["malignancy"]
        assert (task.mean[1], task.decision, task.threshold) == (
            pytest.approx(p),
            decision,
            threshold,
        )
        (note,) = [check for check in own.checks if check.code == "own-threshold"]
        assert note.severity == "note"
        assert f"set by the user to {threshold:.3f}; the card's is 0.400" in note.message


def test_the_cards_own_threshold_is_not_worth_a_note(weights, one_trunk):
    for same in (
        weights.with_thresholds({"malignancy": 0.4}),
        one_trunk.with_thresholds({"malignancy": 0.5}),
    ):
        assert "own-threshold" not in codes(assess(made_ct(), POINT, same, "cpu"))
    not_run = weights.with_thresholds({"invasiveness": 0.3})
    assert "own-threshold" not in codes(assess(made_ct(), POINT, not_run, "cpu"))
