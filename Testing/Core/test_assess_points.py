"""The one loop: refused points, what ends it, names, progress and stability."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made_assessment import CENTRE_LPS_MM
from nodulerisk.assess import assess
from nodulerisk.assess_points import assess_points
from nodulerisk.checks import SAME_NODULE
from nodulerisk.ct.points import Point
from nodulerisk.engine.engine import Engine
from nodulerisk.errors import NoduleRiskError, WeightsError, WorkerError
from nodulerisk.nodule.same import distinct

INSIDE, OUTSIDE = Point("inside", CENTRE_LPS_MM), Point("outside", (500.0, 0.0, 0.0))
THEN = Point("then", (-80.0, -192.0, -192.0))


class Failing:
    """Networks that fail from the second cube on."""

    def __init__(self, networks: Engine, error: Exception):
        self.device, self.checks = networks.device, networks.checks
        self._networks, self._error, self._asked = networks, error, 0

    def predict(self, network, cubes):
        self._asked += 1
        if self._asked > 10:
            raise self._error
        return self._networks.predict(network, cubes)


@pytest.fixture(scope="module")
def engine(weights) -> Engine:
    return Engine(weights, "cpu")


def test_fault_25_a_refused_point_does_not_stop_the_others(ct, weights, engine):
    first, refused, then = assess_points(ct, [INSIDE, OUTSIDE, THEN], weights, engine)
    assert [first.assessment.name, then.assessment.name] == ["inside", "then"]
    assert refused.assessment is None and "outside the CT" in refused.refusal
    assert (first.point, refused.point, then.point) == (INSIDE, OUTSIDE, THEN)
    assert first.refusal == then.refusal == ""


def test_fault_66_two_points_on_one_nodule_are_one_assessment_flagged_once(ct, weights, engine):
    first, then = (one.assessment for one in assess_points(ct, [INSIDE, THEN], weights, engine))
    assert not SAME_NODULE.among(first.checks) and SAME_NODULE.among(then.checks)
    assert then.checks[-1].message.startswith("This point lies on the nodule of inside")
    assert then.nodule is first.nodule and then.tasks == first.tasks
    assert then.point_lps_mm == THEN.lps_mm
    (later,) = assess_points(ct, [THEN], weights, engine, before=[first])
    assert later.assessment.to_dict() == then.to_dict()
    assert distinct([first, then]) == [first]


def test_fault_66_two_nodules_and_two_clicks_on_none_are_not_one(ct, weights, engine):
    """The second nodule lies 30 mm to the left of the first."""
    two = ct.hu.copy()
    two[..., 38:] = np.maximum(two[..., 38:], ct.hu[..., :-38])
    apart = [INSIDE, Point("apart", (CENTRE_LPS_MM[0] + 38 * 0.8, *CENTRE_LPS_MM[1:]))]
    none = [Point(name, (-60.0, -170.0, z)) for name, z in (("A", -175.0), ("B", -174.0))]
    found = assess_points(replace(ct, hu=two), apart + none, weights, engine)
    assert not any(SAME_NODULE.among(outcome.assessment.checks) for outcome in found)


def test_a_point_is_assessed_as_if_it_were_the_only_one(ct, weights, engine):
    own = weights.with_thresholds({"malignancy": 0.9})
    (outcome,) = assess_points(ct, [INSIDE], own, engine, cascade=True)
    alone = assess(ct, INSIDE.lps_mm, own, networks=engine, cascade=True)
    assert outcome.assessment.tasks == alone.tasks
    assert outcome.assessment.stability is None


@pytest.mark.parametrize(
    "error",
    [
        WeightsError("damaged"),
        WorkerError("died"),
        NoduleRiskError("no such device"),
        RuntimeError("a fault of the program"),
    ],
)
def test_errors_that_are_not_a_points_fault_end_the_loop(ct, weights, engine, error):
    loop = assess_points(ct, [OUTSIDE, INSIDE, INSIDE, INSIDE], weights, Failing(engine, error))
    assert next(loop).refusal and next(loop).assessment is not None
    with pytest.raises(type(error), match=str(error)):
        list(loop)


def test_outcomes_are_yielded_one_by_one(ct, weights, engine):
    loop = assess_points(ct, [INSIDE, THEN], weights, Failing(engine, WorkerError("died")))
    assert next(loop).assessment.name == "inside"


@pytest.mark.parametrize("stability", [False, True])
def test_progress_is_of_all_points_and_never_goes_back(ct, weights, engine, stability):
    seen = []
    points = [INSIDE, OUTSIDE, THEN]
    found = list(
        assess_points(
            ct,
            points,
            weights,
            engine,
            stability=stability,
            progress=lambda *stage: seen.append(stage),
        )
    )
    shares = [share for _, share in seen]
    assert shares == sorted(shares) and shares[0] == 0 and 0.9 < shares[-1] <= 1
    assert {stage.split(":")[0] for stage, _ in seen} == {"inside", "outside", "then"}
    assert [o.assessment is not None and o.assessment.stability is not None for o in found] == [
        stability,
        False,
        stability,
    ]
