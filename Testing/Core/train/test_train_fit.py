"""Training, from a plan to a weight set: on ten nodules, killed and resumed, by several
processes."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from typer.testing import CliRunner

from made_nodules import made_dataset
from nodulerisk.cli import app
from nodulerisk.train.module import NetworksInTraining
from nodulerisk.train.plans.plan import NetworkPlan, Run
from nodulerisk.weights.store import load_weight_set

VIEWS_RUN = """
[[runs]]
name = "views"
data = ["made"]
tasks = ["invasiveness", "grade"]
networks.small = {{ kind = "inception", width = 0.125 }}
networks.other = {{ kind = "resnet", width = 0.125 }}
sides = [60, 40, 20]
size = 20
epochs = {epochs}
batch = 3
"""
MASK_RUN = """
[[runs]]
name = "mask"
data = ["made"]
tasks = ["subtype"]
networks = { densesharp = { kind = "densesharp", width = 0.125 } }
epochs = 2
balance = { AAH-AIS = 1, MIA = 1, IA = 1 }
pose = "densesharp"
mask_cross_entropy = 1.0
schedule = "one-cycle"
optimiser = "adamw"
"""
HEAD = 'name = "ten"\nversion = "1"\nlicence = "none"\nseed = 3\ndata = {{ made = "{data}" }}\n'


@pytest.fixture(scope="module")
def ten_nodules(tmp_path_factory) -> Path:
    return made_dataset(tmp_path_factory.mktemp("data") / "ten")


def plan_file(folder: Path, data: Path, *runs: str) -> Path:
    path = folder / "plan.toml"
    path.write_text(HEAD.format(data=data.as_posix()) + "".join(runs))
    return path


def command(plan: Path, out: Path, *more: str) -> list[str]:
    given = ["train", "--config", str(plan), "--out", str(out), "--accelerator", "cpu", *more]
    return [sys.executable, "-m", "nodulerisk.cli", *given]


def trained(out: Path, run: str, name: str) -> dict[str, np.ndarray]:
    return load_file(out / "runs" / run / f"{name}.safetensors")


def test_ten_nodules_become_a_weight_set(ten_nodules, tmp_path):
    plan, out = (
        plan_file(tmp_path, ten_nodules, VIEWS_RUN.format(epochs=2), MASK_RUN),
        tmp_path / "set",
    )
    result = CliRunner().invoke(app, command(plan, out)[3:])
    assert result.exit_code == 0, result.output
    assert "6 train, 2 validation, 2 test" in result.output
    weights = load_weight_set(out)
    assert weights.tasks["grade"].networks == ("small", "other")
    assert weights.mask_network == "densesharp"
    assert weights.tasks["subtype"].evidence.level == "simulated"
    assert weights.mask_evidence.nodules == 2
    assert (
        weights.tasks["malignancy"].evidence.data
        == "this set was not trained on data with this label"
    )
    assert weights.bf16_drift is not None
    page = (out / "evaluation" / "made" / "evaluation.html").read_text()
    assert "esearch use only" in page
    log = (out / "runs" / "views" / "logs" / "version_0" / "metrics.csv").read_text()
    assert "val_loss/small" in log.splitlines()[0]
    again = CliRunner().invoke(app, command(plan, out, "--only", "mask")[3:])
    assert "Run mask is finished" in again.output


def test_a_run_does_not_continue_with_other_settings(ten_nodules, tmp_path):
    out = tmp_path / "set"
    whole = CliRunner().invoke(
        app, command(plan_file(tmp_path, ten_nodules, MASK_RUN), out, "--only", "mask")[3:]
    )
    assert whole.exit_code == 0, whole.output
    (out / "runs" / "mask" / "densesharp.safetensors").unlink()
    changed = plan_file(tmp_path, ten_nodules, MASK_RUN.replace("epochs = 2", "epochs = 3"))
    refused = CliRunner().invoke(app, command(changed, out, "--only", "mask")[3:])
    assert refused.exit_code == 2
    assert "began with other settings" in refused.output


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_killed_training_goes_on_to_the_same_result(ten_nodules, tmp_path):
    plan = plan_file(tmp_path, ten_nodules, VIEWS_RUN.format(epochs=6))

    def started(folder: str) -> subprocess.Popen[bytes]:  # each in a process as another's is
        arguments = command(plan, tmp_path / folder, "--only", "views")
        return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    of_killed = tmp_path / "killed" / "runs" / "views"
    with started("whole") as whole, started("killed") as child:
        wait_for(of_killed / "last.ckpt")
        os.kill(child.pid, signal.SIGKILL)
    assert whole.returncode == 0 and child.returncode == -signal.SIGKILL
    assert not (of_killed / "small.safetensors").exists()
    with started("killed") as again:
        pass
    assert again.returncode == 0
    for name in ("small", "other"):
        one, two = (trained(tmp_path / folder, "views", name) for folder in ("whole", "killed"))
        assert all(np.array_equal(one[key], two[key]) for key in one)


COUNTED = """
import sys
from nodulerisk.cli import app
from nodulerisk.train import fit, train

def counted(function):
    def count(*given, **named):
        with open(sys.argv[1], "a") as cut:
            print(function.__name__, file=cut)
        return function(*given, **named)
    return count

train.read_dataset, fit.exact_samples = counted(train.read_dataset), counted(fit.exact_samples)
app(sys.argv[2:])
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("launched", ["by Lightning", "by another"])
def test_two_processes_train_one_network_on_crops_cut_once(ten_nodules, tmp_path, launched):
    plan = plan_file(tmp_path, ten_nodules, VIEWS_RUN.format(epochs=2), MASK_RUN)
    script, cut = tmp_path / "counted.py", tmp_path / "cut.txt"
    script.write_text(COUNTED)
    given = command(plan, tmp_path / "set", "--devices", "2")[3:]
    port = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    environments = (
        [{}]
        if launched == "by Lightning"
        else [port | {"LOCAL_RANK": str(number)} for number in range(2)]
    )
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(cut), *given],
            env=os.environ | more,
            stderr=subprocess.PIPE,
            text=True,
        )
        for more in environments
    ]
    for process in processes:
        _, said = process.communicate()
        assert process.returncode == 0, said[-2000:]
    assert sorted(cut.read_text().split()) == ["exact_samples", "exact_samples", "read_dataset"]
    log = tmp_path / "set" / "runs" / "views" / "logs" / "version_0" / "metrics.csv"
    steps = [int(row["step"]) for row in csv.DictReader(log.open())]
    assert max(steps) == 1  # one step per epoch: each process has three of six nodules
    assert load_weight_set(tmp_path / "set").tasks["subtype"].networks == ("densesharp",)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(path: Path, seconds: float = 120) -> None:
    for _ in range(int(seconds / 0.05)):
        if path.exists():
            return
        time.sleep(0.05)
    raise TimeoutError(path)


# --- Losses


def in_training(**settings) -> NetworksInTraining:
    networks = {"densesharp": NetworkPlan("densesharp", 0.125)}
    return NetworksInTraining(
        Run("x", ("made",), ("malignancy", "grade"), networks, **settings), seed=0
    )


def batch_of(
    targets: list[list[float]], mask: torch.Tensor | None = None
) -> dict[str, torch.Tensor]:
    cube = torch.rand(len(targets), 1, 32, 32, 32) * 255
    unknown = torch.full_like(cube, torch.nan)
    return {
        "cube": cube,
        "targets": torch.tensor(targets),
        "mask": unknown if mask is None else mask,
    }


def loss_of(module: NetworksInTraining, name: str, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    logits = module.networks[name].logits(batch["cube"])
    answers = logits if isinstance(logits, tuple) else (logits, None)
    return module._loss_of(*answers, batch)


def test_unknown_labels_do_not_influence_training():
    nan = float("nan")
    module = in_training()
    known = batch_of([[0, 1, nan, nan, nan], [nan, nan, 1, 0, 0]])
    logits = module.networks["densesharp"].logits(known["cube"])[0]
    expected = -logits[0, :2].log_softmax(0)[1] - logits[1, 2:].log_softmax(0)[0]
    module.networks.eval()
    logits = module.networks["densesharp"].logits(known["cube"])[0]
    expected = -logits[0, :2].log_softmax(0)[1] - logits[1, 2:].log_softmax(0)[0]
    assert torch.isclose(loss_of(module, "densesharp", known), expected)
    nothing = batch_of([[nan] * 5] * 2)
    assert loss_of(module, "densesharp", nothing) == 0


def test_the_mask_s_loss_is_the_published_dice():
    module = in_training()
    logits, mask = torch.randn(2, 1, 32, 32, 32), (torch.rand(2, 1, 32, 32, 32) > 0.9).float()
    p = torch.sigmoid(logits)
    dice = (2 * (p * mask).sum() + 1) / (p.sum() + mask.sum() + 1)
    assert torch.isclose(module._mask_loss(logits, mask), 0.2 * (1 - dice), atol=1e-6)


def test_networks_side_by_side_learn_as_if_alone():
    """Despite the summed loss and the clipping, each network gets the gradient of its own loss."""
    two = Run(
        "x", ("made",), ("malignancy",), {k: NetworkPlan("densenet", 0.125) for k in ("a", "b")}
    )
    module = NetworksInTraining(two, seed=0)
    module.log_dict = lambda *a, **k: None
    batch = batch_of([[0.0, 1.0], [1.0, 0.0]])
    module.training_step(batch).backward()
    together = [p.grad.clone() for p in module.networks["a"].parameters()]
    module.zero_grad()
    loss_of(module, "a", batch).backward()
    for one, two_ in zip(together, module.networks["a"].parameters(), strict=True):
        assert torch.allclose(one, two_.grad, atol=1e-5)


def test_the_card_is_written_whole(ten_nodules, tmp_path):
    """A plan that is refused leaves no weight set behind."""
    plan = plan_file(tmp_path, tmp_path / "nothing here", VIEWS_RUN.format(epochs=1))
    result = CliRunner().invoke(app, command(plan, tmp_path / "set")[3:])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert not (tmp_path / "set" / "card.json").exists()
    assert json.dumps(sorted(os.listdir(tmp_path))) == '["plan.toml"]'
