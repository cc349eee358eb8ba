"""Networks that run once for all programs of a user: found by a file, answering as one's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import nodulerisk
from made_assessment import CENTRE_LPS_MM, made_ct
from made_weights import made_weights
from nodulerisk.cli.assess import assessor_of
from nodulerisk.engine.engine import Engine
from nodulerisk.engine.queue import NetworkQueue, SharedNetworks
from nodulerisk.engine.running import VARIABLE, announced, remote_networks, shared_networks
from nodulerisk.engine.worker import Worker
from nodulerisk.errors import WorkerError
from nodulerisk.weights.card import WeightSet

VIEWS = np.random.default_rng(0).normal(size=(1, 3, 40, 40, 40)).astype(np.float32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> WeightSet:
    return made_weights(tmp_path_factory.mktemp("weights") / "made")


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    """Where the environment says that networks are."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "networks.json"))
    return tmp_path / "networks.json"


@pytest.fixture
def running(weights, file) -> Iterator[NetworkQueue]:
    with (
        NetworkQueue([str(weights.folder)], "cpu", "a key") as queue,
        announced(queue.address, "a key", file),
    ):
        yield queue


def test_two_programs_use_the_running_networks_and_get_their_own_answers(weights, running):
    panel, terminal = remote_networks(weights), assessor_of(weights, "cpu", several=True).networks
    assert isinstance(panel, SharedNetworks) and isinstance(terminal, SharedNetworks)
    own = Engine(weights, "cpu").predict("vgg", VIEWS)[0]
    with ThreadPoolExecutor(2) as threads:
        for answer in threads.map(lambda one: one.predict("vgg", VIEWS)[0], (panel, terminal)):
            np.testing.assert_array_equal(answer, own)


def test_only_its_owner_reads_the_file_which_goes_with_the_networks(weights, running, file):
    if sys.platform != "win32":
        assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(0o640)
        with pytest.raises(WorkerError, match="Others may read"):
            shared_networks(weights)
        file.chmod(0o600)
    with (
        announced(running.address, "another key", file),
        pytest.raises(WorkerError, match="only serve sessions of their own server"),
    ):
        remote_networks(weights).predict("vgg", VIEWS)
    assert not file.exists()
    with pytest.raises(WorkerError, match="nodulerisk networks"):
        shared_networks(weights)


def test_without_the_variable_each_program_has_its_own(weights, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert shared_networks(weights) is None
    assert isinstance(remote_networks(weights), Worker)


def test_the_terminal_uses_what_the_command_runs_until_it_is_killed(weights, file):
    ct = file.with_name("ct.nrrd")
    sitk.WriteImage(made_ct().to_sitk(), str(ct))
    serving = cli("networks", file, "--weights", weights.folder, "--device", "cpu")
    try:
        assert VARIABLE in serving.stdout.readline()
        shared = assessed(ct, weights, file.with_name("shared"))
        os.environ.pop(VARIABLE)
        assert shared == assessed(ct, weights, file.with_name("own")) != {}
    finally:
        serving.kill()
        serving.communicate()
    os.environ[VARIABLE] = str(file)  # as the killed process left it
    done = assess(ct, weights, file.with_name("after"))
    assert done.returncode == 2
    assert "start it again" in done.stderr.read()


def cli(*command: object) -> subprocess.Popen[str]:
    path = str(Path(nodulerisk.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-m", "nodulerisk.cli", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
    )


def assess(ct: Path, weights: WeightSet, out: Path) -> subprocess.Popen[str]:
    point = ",".join(map(str, CENTRE_LPS_MM))
    done = cli("assess", ct, "--point", point, "--weights", weights.folder, "--out", out, "--json")
    done.wait(120)
    return done


def assessed(ct: Path, weights: WeightSet, out: Path) -> dict:
    """The tasks of the assessment that the terminal wrote."""
    done = assess(ct, weights, out)
    assert done.returncode == 0, done.stderr.read()
    return json.loads((out / "assessment.json").read_text())["tasks"]
