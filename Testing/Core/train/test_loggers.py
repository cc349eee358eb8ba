"""Loggers are chosen by name, and a missing package is asked for in words."""

from __future__ import annotations

import os

import pytest
from lightning.pytorch import loggers as lightning_loggers

from nodulerisk.errors import NoduleRiskError
from nodulerisk.train import loggers
from nodulerisk.train.loggers import USUAL, loggers_named


def test_the_usual_ones_write_into_the_runs_folder(tmp_path):
    csv, tensorboard = loggers_named(USUAL, tmp_path)
    csv.log_metrics({"loss": 0.5}, step=0)
    csv.save()
    assert "0.5" in (tmp_path / "logs" / "version_0" / "metrics.csv").read_text()
    assert tensorboard.log_dir.startswith(str(tmp_path / "tensorboard"))


@pytest.mark.parametrize(("name", "kind"), [("mlflow", "MLFlowLogger"), ("wandb", "WandbLogger")])
def test_others_get_the_runs_name_and_folder(name, kind, tmp_path, monkeypatch):
    made = []
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    monkeypatch.setattr(loggers, "find_spec", lambda package: package)  # it is there
    monkeypatch.setattr(lightning_loggers, kind, lambda *given, **more: made.append((given, more)))
    loggers_named([name, name], tmp_path / "malignancy")
    ((given, more),) = made
    assert "malignancy" in given
    # without it, MLflow 3 refuses folders
    assert os.environ.get("MLFLOW_ALLOW_FILE_STORE") == ("true" if name == "mlflow" else None)
    assert str(tmp_path / "malignancy") in str((given, more))


def test_a_missing_package_and_an_unknown_name_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda package: None)
    with pytest.raises(NoduleRiskError, match="pip install wandb"):
        loggers_named(["wandb"], tmp_path)
    with pytest.raises(NoduleRiskError, match="choose from csv, tensorboard, mlflow, wandb"):
        loggers_named(["neptune"], tmp_path)
