"""Where a training run writes its figures, by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from lightning.pytorch import loggers
from lightning.pytorch.loggers import Logger

from nodulerisk.errors import NoduleRiskError


def _mlflow(out: Path) -> Logger:
    """Returns a logger to the server of MLFLOW_TRACKING_URI, else to a folder, which MLflow 3
    refuses unless it is told that this is meant."""
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    return loggers.MLFlowLogger("nodulerisk", out.name, save_dir=str(out / "mlflow"))


USUAL = ("csv", "tensorboard")
LOGGERS: dict[str, Callable[[Path], Logger]] = {
    "csv": lambda out: loggers.CSVLogger(out, name="logs"),
    "tensorboard": lambda out: loggers.TensorBoardLogger(out, name="tensorboard"),
    "mlflow": _mlflow,
    # as WANDB_MODE and wandb's login say
    "wandb": lambda out: loggers.WandbLogger(out.name, out, project="nodulerisk"),
}


def loggers_named(names: Sequence[str], out: Path) -> list[Logger]:
    """Returns Lightning's loggers of these names, for a run's folder.

    Raises:
        NoduleRiskError: the first of ``logger_faults``.
    """
    for fault in logger_faults(names):
        raise NoduleRiskError(fault)
    return [LOGGERS[name](out) for name in dict.fromkeys(names)]


def logger_faults(names: Sequence[str]) -> Iterator[str]:
    """Yields the names that are no loggers', and the packages that are missing."""
    for name in names:
        if name not in LOGGERS:
            yield f"There is no logger '{name}': choose from {', '.join(LOGGERS)}."
        elif name != "csv" and find_spec(name) is None:
            yield f"Logging to {name} needs a package: pip install {name}."
