"""Plans: what is not understood is reported before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodulerisk.errors import NoduleRiskError
from nodulerisk.train.plans.plan import read_plan

SHIPPED = Path(__file__).parents[3] / "Resources" / "Training"
GOOD = """
name = "mine"
version = "1.0"
licence = "none"
data = { hospital = "nodules" }

[[runs]]
name = "malignancy"
data = ["hospital"]
tasks = ["malignancy"]
networks = { inception = { kind = "inception" } }
sides = [80, 60, 40]
size = 60
"""

OTHER_DATA = """
[[runs]]
name = "other"
data = ["hospital", "hospital"]
tasks = ["malignancy"]
networks = { vgg = { kind = "vgg" } }
sides = [80, 60, 40]
size = 60
"""


def plan_from(folder, text):
    path = folder / "plan.toml"
    path.write_text(text)
    return read_plan(path)


def test_the_papers_settings_are_shipped():
    emv = read_plan(SHIPPED / "emv.toml")
    assert len(emv.runs) == 9
    assert {run.batch for run in emv.runs if "inception" in run.name} == {30}
    assert emv.cancers_invasive
    theirs = (200, 0, "emv-copies", 0, "improving", "glorot", 10)
    for run in emv.runs:
        kept = (run.epochs, run.stop_after, run.pose, run.clip, run.checkpoints)
        assert (*kept, run.initialisation, run.patience) == theirs
    grade_vgg = next(run for run in emv.runs if run.name == "grade_vgg80")
    assert (grade_vgg.sides, grade_vgg.size) == ((100, 80, 60), 80)
    (densesharp,) = read_plan(SHIPPED / "densesharp.toml").runs
    assert densesharp.balance == {"AAH": 3, "AIS": 5, "MIA": 8, "IA": 8}
    assert (densesharp.learning_rate, densesharp.factor, densesharp.dice) == (1e-4, 0.334, 0.2)
    assert (densesharp.epochs, densesharp.steps, densesharp.clip) == (100, "nodules", 0)
    assert (densesharp.monitor, densesharp.schedule_monitor) == ("accuracy", "loss")
    assert (densesharp.stop_after, densesharp.cooldown) == (30, 2)


def test_the_open_set_s_plan_names_its_data():
    assert set(read_plan(SHIPPED / "open.toml").data) == {"lidc", "simulated"}


def test_paths_start_from_the_plan_and_can_be_given(tmp_path):
    plan = plan_from(tmp_path, GOOD)
    assert plan.data["hospital"] == tmp_path / "nodules"
    assert plan.on({"hospital": Path("/other")}).data["hospital"] == Path("/other")
    with pytest.raises(NoduleRiskError, match="no data 'clinic', only hospital"):
        plan.on({"clinic": Path("/other")})


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ('name = "mine"', "", "name"),
        ('tasks = ["malignancy"]', 'tasks = ["prognosis"]', "tasks must be some of presence"),
        ('kind = "inception"', 'kind = "transformer"', "kinds inception"),
        (
            "size = 60",
            'size = 60\npose = "upside down"',
            "pose is 'upside down': choose one of none, emv",
        ),
        ("size = 60", "size = 60\nlearning_rates = 1", "'learning_rates' is not understood"),
        ("sides = [80, 60, 40]", "", "EMV networks need sides"),
        ('kind = "inception"', 'kind = "densesharp"', "without sides"),
        ('data = ["hospital"]', 'data = ["clinic"]', "data must be some of hospital"),
        ('data = { hospital = "nodules" }', "data = [", "not a readable TOML file"),
        ("size = 60", f"size = 60\n{OTHER_DATA}", "malignancy must be learnt from the same data"),
        (
            'licence = "none"',
            'licence = "none"\nmembers = { malignancy = ["vgg"] }',
            "members of malignancy",
        ),
    ],
)
def test_unknown_entries_are_reported(tmp_path, good, bad, message):
    with pytest.raises(NoduleRiskError, match=message):
        plan_from(tmp_path, GOOD.replace(good, bad, 1))
