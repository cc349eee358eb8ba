"""A plan is checked whole before anything starts: every fault with its line, and no code of a
stranger."""

from __future__ import annotations

from pathlib import Path

import pytest

from made_nodules import made_background
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.errors import SeveralFaultsError
from nodulerisk.train.fit import data_faults
from nodulerisk.train.plans.plan import Plan, read_plan
from nodulerisk.train.train import train_set

HEAD = """
name = "mine"
version = "1.0"
licence = "none"
data = { hospital = "nodules" }
"""
RUN = """
[[runs]]
name = "small"
data = ["hospital"]
tasks = ["malignancy"]
networks = { small = { kind = "inception", width = 0.125 } }
sides = [60, 40, 20]
size = 20
"""


def read(folder: Path, text: str) -> Plan:
    path = folder / "plan.toml"
    path.write_text(text)
    return read_plan(path)


def faults(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(SeveralFaultsError) as refused:
        read(folder, text)
    return refused.value.faults


def test_all_faults_come_at_once_each_with_its_line(tmp_path):
    text = """name = 3
version = "1"
data = { hospital = "x" }
[[runs]]
name = "../up"
data = ["clinic"]
tasks = [
  "malignancy",
  "prognosis",
]
networks = { values = { kind = "inception", widht = 2 } }
sides = [60, 40]
epochs = true
batch = 0
learning_rate = nan
learning_rat = 3
precision = 16
[folds]
cuont = 5
"""
    said = "\n".join(faults(tmp_path, text))
    for expected in (
        "line 1: name must be text in quotes",
        "line 1: licence is missing: write licence",
        'line 5: run ../up: name must be made of letters, digits, _ and -, but it is "../up"',
        "line 11: run ../up: 'widht' is not understood: did you mean 'width'?",
        "line 12: run ../up: sides[2] is missing",
        "line 13: run ../up: epochs must be a whole number, such as 15, but it is true",
        "line 14: run ../up: batch must be greater than or equal to 1, but it is 0",
        "line 15: run ../up: learning_rate must be a finite number, such as 0.5, but it is NaN",
        "line 16: run ../up: 'learning_rat' is not understood: did you mean 'learning_rate'?",
        "line 17: run ../up: precision is 16: choose one of 32, 16-mixed or bf16-mixed",
        "line 19: 'cuont' is not understood: did you mean 'count'?",
    ):
        assert expected in said


def test_what_needs_no_other_key_is_checked_beside_a_wrong_one(tmp_path):
    text = HEAD + RUN.replace("size = 20", "size = 20\nepochs = 0").replace(
        '"hospital"', '"clinic"'
    ).replace('"malignancy"', '"prognosis"')
    said = " ".join(faults(tmp_path, text))
    assert "epochs must be" in said and "data must be some of hospital" in said
    assert "tasks must be some of presence" in said


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("sides = [60, 40, 20]", "sides = [20, 40, 60]", "from the largest, at most 100"),
        ("sides = [60, 40, 20]", "sides = [160, 40, 20]", "from the largest, at most 100"),
        ('kind = "inception"', 'kind = "vgg"', "cannot learn from batches of 15 cubes of 20³"),
        ("size = 20", "size = 20\nbatch = 1", "cannot learn from batches of 1 cubes of 20³"),
        ("width = 0.125", "arguments = { k = 24 }", "unexpected keyword argument 'k'"),
        ("width = 0.125", 'sees = "patient"', "sees and mask are for factories"),
        ("width = 0.125", "rates = { trunk = 0.1 }", "has no layer trunk, which rates names"),
        ("width = 0.125", "rates = { features = 0, head = 0 }", "learns nothing"),
        ("size = 20", 'size = 20\nmonitor = "dice"', "no network draws a mask"),
        ("size = 20", "size = 20\ntask_weights = { grade = 2 }", "which the run does not learn"),
        ("[[runs]]", "[splits]\ntrain = 'a.txt'\n[[runs]]", "needs train and test"),
        ("networks = { small", "networks = { items", "cannot be named items"),
        ("width = 0.125", 'take = ["features"]', "take names layers, but no init"),
        ("size = 20", "size = 20\ntask_weights = { malignancy = 0 }", "would learn nothing"),
        ("sides = [60, 40, 20]", "sides = [60, 40]", "sides[2] is missing: write sides = [80, "),
        ("[[runs]]", "[runs]", "line 7: runs must be a list: write [[runs]], and"),
    ],
)
def test_keys_that_do_not_go_together(tmp_path, good, bad, said):
    assert good in RUN
    assert said in " ".join(faults(tmp_path, HEAD + RUN.replace(good, bad)))


def test_cubes_are_checked_against_every_kind_of_network(tmp_path):
    run = RUN.replace("sides = [60, 40, 20]\n", "")
    sharp = run.replace('kind = "inception"', 'kind = "densesharp"')
    assert "DenseSharp's cube has 32 voxels: write 32" in faults(tmp_path, HEAD + sharp)[0]
    unet = run.replace('kind = "inception"', 'kind = "unet"')
    assert "cubes of 20³" in faults(tmp_path, HEAD + unet)[0]
    both = sharp.replace("networks = {", 'networks = { unet = { kind = "unet" },')
    assert "networks see different cubes" in faults(tmp_path, HEAD + both)[0]
    concentric = run.replace('"inception", width = 0.125', '"monai-segresnet", sees = "emv"')
    assert "no mask can be drawn" in faults(tmp_path, HEAD + concentric)[0]


def test_own_tasks_and_their_faults(tmp_path):
    own = '[tasks.EGFR]\nclasses = ["wild type", "mutated"]\nevidence = "pathology"\n'
    plan = read(tmp_path, HEAD + own + RUN.replace('"malignancy"', '"EGFR"'))
    assert plan.runs[0].heads == (2,) and list(plan.own_tasks) == ["EGFR"]
    one = own.replace(', "mutated"', "")
    said = " ".join(faults(tmp_path, HEAD + one + RUN.replace("size = 20", "batch = 0")))
    assert "line 6: task EGFR" in said and "empty" not in said and "batch must be" in said


def test_what_the_file_cannot_hold(tmp_path):
    assert "'own_tasks' is not understood" in faults(tmp_path, HEAD + RUN + "own_tasks = {}\n")[0]
    said = " ".join(faults(tmp_path, HEAD + "runs = [3]\n"))
    assert "runs[0] must be a table of keys, but it is 3" in said
    assert "runs is missing: write [[runs]], and" in " ".join(faults(tmp_path, HEAD))
    unnamed = faults(tmp_path, HEAD.replace('"mine"', '""') + RUN)
    assert unnamed == ('line 2: name must be at least one character long, but it is "".',)
    ship = faults(tmp_path, HEAD + "folds.ship = 'best'\n" + RUN)
    assert ship == (
        "line 6: folds.ship is 'best': choose one of ensemble or all, or a fold's number.",
    )


def nodules(*labels: int | None) -> list[LabelledNodule]:
    return [
        made_background(split=split, labels={} if label is None else {"malignancy": label})
        for label in labels
        for split in ("train", "validation")
    ]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ((0, 0, None), "every nodule to train on with a label of malignancy is 'benign'"),
        ((None,), "no nodule to train on"),
        ((0, 1), None),
    ],
)
def test_a_task_needs_two_classes_to_train_on(tmp_path, labels, said):
    (run,) = read(tmp_path, HEAD + RUN).runs
    found = list(data_faults(run, nodules(*labels)))
    assert said in found[0] if said else not found
    many = list(data_faults(run, nodules(*labels), processes=2))
    assert any("too few for 2 processes" in fault for fault in many) is (labels != (None,))


def test_of_a_run_each_task_needs_them(tmp_path):
    (run,) = read(tmp_path, HEAD + RUN.replace('"malignancy"', '"malignancy", "grade"')).runs
    assert list(data_faults(run, nodules(0, 1))) == [
        "Run small: no nodule to train on has a label of grade: give some, or leave the task out."
    ]


def test_paths_and_loggers_are_checked_before_the_data_are_read(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    lists = "[splits]\ntrain = 'no.txt'\ntest = 'nor.txt'\n"
    plan = read(tmp_path, HEAD + lists + RUN)
    with pytest.raises(SeveralFaultsError) as refused:
        train_set(plan, file, loggers=["neptune"])
    said = " ".join(refused.value.faults)
    for expected in (
        "file is a file: give --out a folder",
        "no file or folder at",
        "no.txt is not a readable list",
        "nor.txt is not a readable list",
        "There is no logger 'neptune'",
    ):
        assert expected in said
    folds = read(tmp_path, HEAD + "folds.table = 'folds.csv'\n" + RUN)
    (tmp_path / "folds.csv").write_text("name,fold\np1,0\np1,1\n")
    with pytest.raises(SeveralFaultsError, match="p1 is in the folds 0 and 1"):
        train_set(folds, tmp_path / "set")
