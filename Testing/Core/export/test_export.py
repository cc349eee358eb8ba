"""An exported network answers as ours, in the programs it is for, and says what it rests on."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
import torch
import yaml
from typer.testing import CliRunner

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.cli import app
from nodulerisk.engine.engine import TorchBackend
from nodulerisk.errors import OutputError
from nodulerisk.export.forms import FORMS, export
from nodulerisk.export.loaded_back import ASK
from nodulerisk.networks.kinds import NETWORKS
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set

TOLERANCE = 1e-4
TWO = ("vgg", "densesharp")
MALIGNANT = "malignancy: malignant"


@pytest.fixture(scope="module")
def exported(weights, tmp_path_factory) -> Path:
    """Two networks of the made set, one of which draws a mask, in every form; for Hugging Face, the
    whole set."""
    folder = tmp_path_factory.mktemp("exported")
    two = replace(weights, networks={name: weights.networks[name] for name in TWO})
    for form in FORMS:
        export(weights if form == "huggingface" else two, form, folder / form)
    return folder


def cubes_of(weights: WeightSet, name: str, count: int = 2) -> np.ndarray:
    card = weights.networks[name]
    kind = NETWORKS[card.kind].cubes
    shares = np.random.default_rng(0).random((count, kind.channels, *(card.size,) * 3))
    return kind.scaled(shares).astype(np.float32)


def by_onnx(folder: Path, name: str, cubes: np.ndarray) -> list[np.ndarray]:
    core = openvino.Core()
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(folder / f"{name}.onnx"), "CPU", exact)
    answer = compiled(cubes)
    return [np.array(answer[port]) for port in compiled.outputs]


def by_torchscript(folder: Path, name: str, cubes: np.ndarray) -> list[np.ndarray]:
    answer = torch.jit.load(folder / f"{name}.ts")(torch.from_numpy(cubes))
    return [part.numpy() for part in (answer if isinstance(answer, tuple) else (answer,))]


def by_weight_set(folder: Path, name: str, cubes: np.ndarray) -> list[np.ndarray]:
    return list(TorchBackend(load_weight_set(folder), "cpu").predict(name, cubes))


READERS = {"onnx": by_onnx, "torchscript": by_torchscript, "huggingface": by_weight_set}


@pytest.mark.parametrize("form", READERS)
def test_every_network_answers_as_ours(exported, weights, form):
    for name in TWO:
        cubes = cubes_of(weights, name)
        ours = TorchBackend(weights, "cpu").predict(name, cubes)
        theirs = READERS[form](exported / form, name, cubes)
        assert len(theirs) == len(ours)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(other, one, atol=TOLERANCE)


def test_monai_runs_a_bundle(exported, weights, tmp_path):
    cubes = cubes_of(weights, "densesharp", 1)
    np.save(tmp_path / "cubes.npy", cubes)
    bundle = exported / "monai-bundle" / "densesharp"
    given = {
        "config_file": bundle / "configs" / "inference.json",
        "bundle_root": bundle,
        "cubes": tmp_path / "cubes.npy",
        "answers": tmp_path / "answers.npz",
    }
    options = [part for key, value in given.items() for part in (f"--{key}", str(value))]
    command = [sys.executable, "-m", "monai.bundle", "run", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ours = TorchBackend(weights, "cpu").predict("densesharp", cubes)
    with np.load(tmp_path / "answers.npz") as answers:
        for name, one in zip(("probabilities", "mask"), ours, strict=True):
            np.testing.assert_allclose(answers[name], one, atol=TOLERANCE)


def test_every_form_says_what_it_rests_on(exported, weights):
    for form in FORMS:
        card = (exported / form / "README.md").read_text()
        for said in (RESEARCH_USE_ONLY, weights.licence, weights.attribution, "not yet the answer"):
            assert said in card, (form, said)
        assert "| malignancy | inception, vgg, resnet | reader |" in card
        assert json.loads((exported / form / "card.json").read_text())["name"] == weights.name


def test_the_files_themselves_say_it_too(exported, weights):
    model = onnx.load(exported / "onnx" / "vgg.onnx")
    onnx.checker.check_model(model)
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said["research_use_only"] == RESEARCH_USE_ONLY and RESEARCH_USE_ONLY in model.doc_string
    assert said["licence"] == weights.licence
    assert json.loads(said["card.json"])["tasks"]["malignancy"]["evidence"]["level"] == "reader"
    assert json.loads(said["outputs"]) == {"probabilities": ["malignancy: benign", MALIGNANT]}
    extra = dict.fromkeys(("research_use_only", "README.md"), "")
    torch.jit.load(exported / "torchscript" / "vgg.ts", _extra_files=extra)
    assert extra["research_use_only"].decode() == RESEARCH_USE_ONLY
    metadata = json.loads((exported / "monai-bundle/densesharp/configs/metadata.json").read_text())
    assert metadata["intended_use"] == RESEARCH_USE_ONLY
    assert metadata["evidence"] == {"subtype": "simulated"}
    assert metadata["network_data_format"]["inputs"]["image"]["value_range"] == [0, 255]
    assert RESEARCH_USE_ONLY in (exported / "monai-bundle/vgg/LICENSE").read_text()


def test_hugging_face_reads_the_licence(exported):
    _, matter, _ = (exported / "huggingface" / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(matter)["license"] == "other"
    assert yaml.safe_load(matter)["license_name"] == "none"


def test_a_risk_model_is_not_passed_over(tmp_path):
    export(load_weight_set("open"), "huggingface", tmp_path / "open")
    card = (tmp_path / "open" / "README.md").read_text()
    assert "| malignancy | a risk model on log axial area" in card
    assert "nothing is said of inception, vgg, resnet alone | reader |" in card
    assert card.startswith("---\nlicense: cc-by-3.0\n")


def test_nothing_is_replaced_and_nothing_half_written_is_left(weights, tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError, match="already exists"):
        export(weights, "huggingface", tmp_path / "there")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(FORMS, "huggingface", full)
    with pytest.raises(OutputError, match="No space left"):
        export(weights, "huggingface", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_what_answers_otherwise_is_not_exported(weights, tmp_path, monkeypatch):
    one = replace(weights, networks={"densesharp": weights.networks["densesharp"]})

    def other(folder, name, cubes):
        return [part + 2e-4 for part in asked(folder, name, cubes)]

    asked = ASK["torchscript"]
    monkeypatch.setitem(ASK, "torchscript", other)
    with pytest.raises(OutputError, match="densesharp, loaded back as .* answers otherwise"):
        export(one, "torchscript", tmp_path / "new")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("forms", [[], ["--onnx", "--huggingface"]], ids=["none", "two"])
def test_the_terminal_asks_for_one_form(weights, tmp_path, forms):
    command = ["export", str(weights.folder), "--out", str(tmp_path / "x"), *forms]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2 and "Choose one form: --onnx" in done.stderr


def test_the_terminal_says_the_licence(weights, tmp_path):
    command = ["export", str(weights.folder), "--out", str(tmp_path / "x"), "--huggingface"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0 and "Licence: none" in done.output
    assert "Loaded back, its networks answer as the set's do, within 0e+00." in done.output
    assert load_weight_set(tmp_path / "x").networks == weights.networks
