"""Turns the authors' Keras HDF5 files into a weight set, without Keras and without executing any
code in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nodulerisk.errors import WeightsError
from nodulerisk.files import folder_written_whole
from nodulerisk.tasks import TASKS, EvidenceLevel
from nodulerisk.weights.card import (
    NOT_ANSWERED,
    Evidence,
    NetworkCard,
    TaskCard,
    WeightSet,
    save_card,
)
from nodulerisk.weights.store import refuse_pickle, sha256_of

EMV_TASKS = {"task1": "malignancy", "task2": "invasiveness", "task3": "grade"}
EMV_KINDS = {"incep": "inception", "incpt": "inception", "vgg": "vgg", "res": "resnet"}
EMV_SIDES = {40: (60, 40, 20), 60: (80, 60, 40), 80: (100, 80, 60)}
# From the authors' code; for grade, the most probable class wins.
EMV_THRESHOLDS = {"malignancy": 0.8207, "invasiveness": 0.5624}
EMV_FIGURES = {
    "malignancy": {"AUC": [0.913], "sensitivity": [0.928], "specificity": [0.843]},
    "invasiveness": {"AUC": [0.929], "sensitivity": [0.859], "specificity": [0.921]},
    "grade": {"accuracy": [0.776]},
}
EMV_LICENCE = "EMV-3D-CNN authors: personal learning and research only, patent-protected"
EMV_ATTRIBUTION = "npj Digital Medicine 2023, doi:10.1038/s41746-023-00866-z"

Report = Callable[[str, float], None]


def import_keras(
    source: Path,
    target: Path,
    name: str,
    *,
    densesharp_evidence: EvidenceLevel = "none",
    report: Report | None = None,
) -> WeightSet:
    """Imports every ``.h5`` file below a folder: the EMV authors' (in folders task1, task2, task3;
    names like ``Inception_60_Epoch.41-0.8504.h5``) and a DenseSharp's (a name with ``densesharp``).

    Args:
        source: the folder with the files.
        target: the weight set's folder; must not exist yet.
        name: the set's name.
        densesharp_evidence: what the DenseSharp file was trained on; no published file exists that
            would tell.
        report: called with the file's name and the share done, 0..1.

    Returns:
        The weight set, written whole or not at all.

    Raises:
        WeightsError: a pickle, a damaged file, an incomplete or duplicate ensemble, or nothing to
            import.
        OutputError: the target exists or cannot be written.
    """
    found, networks = _recognised(source), {}
    with folder_written_whole(target) as folder:
        for index, (key, path) in enumerate(found.items()):
            (report or (lambda *_: None))(path.name, index / len(found))
            networks[key] = _import_network(key, path, folder)
        weights = _weight_set(folder, name, networks, densesharp_evidence)
        save_card(weights)
    return replace(weights, folder=target)


def _recognised(source: Path) -> dict[str, Path]:
    """Returns {``malignancy-vgg-40``: path, ..., ``densesharp``: path}, with complete tasks."""
    if not source.is_dir():
        raise WeightsError(
            f"There is no folder '{source}': give the folder that contains task1, task2 and task3."
        )
    found: dict[str, Path] = {}
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.suffix.lower() in (".pt", ".pth", ".pkl", ".ckpt"):
            refuse_pickle(path)
        key = _key(path.relative_to(source)) if path.suffix.lower() in (".h5", ".hdf5") else None
        if key is None:
            continue
        if key in found:
            raise WeightsError(
                f"{found[key].name} and {path.name} are the same network: keep one of them."
            )
        found[key] = path
    if not found:
        raise WeightsError(
            "No weight file was recognised: the authors' .h5 files belong in folders task1, task2"
            " and task3, named like Inception_60_Epoch.41-0.8504.h5."
        )
    for task in EMV_TASKS.values():
        members = [key for key in found if key.startswith(task)]
        if len(members) not in (0, 3):
            raise WeightsError(
                f"The {task} ensemble is incomplete: found {len(members)} of Inception, VGG and"
                " ResNet."
            )
    return found


def _key(path: Path) -> str | None:
    """Returns the key of a file, from its name and folder; None if it is not recognised."""
    name = path.name.lower()
    if "densesharp" in name:
        return "densesharp"
    task = next(
        (task for part in path.parts for key, task in EMV_TASKS.items() if key in part.lower()),
        None,
    )
    kind = next((kind for word, kind in EMV_KINDS.items() if word in name), None)
    size = re.search(r"(40|60|80)(?!\d)", name)
    return f"{task}-{kind}-{size[1]}" if task and kind and size else None


def _import_network(key: str, path: Path, folder: Path) -> NetworkCard:
    from safetensors.torch import save_file

    from nodulerisk.networks.build import build_network
    from nodulerisk.networks.keras_files import load_keras_weights

    refuse_pickle(path)
    task, kind, size = key.split("-") if "-" in key else ("subtype", key, "32")
    network = load_keras_weights(
        build_network(kind, input_size=int(size), n_classes=len(TASKS[task].classes)), path
    )
    file = folder / f"{key}.safetensors"
    save_file(network.state_dict(), file)
    return NetworkCard(
        kind, file.name, sha256_of(file), (task,), 1.0, EMV_SIDES.get(int(size)), int(size)
    )


def _weight_set(
    folder: Path, name: str, networks: dict[str, NetworkCard], densesharp: EvidenceLevel
) -> WeightSet:
    tasks = {task: _emv_task(task, networks) for task in EMV_TASKS.values()}
    mask = next((name for name, network in networks.items() if network.draws_mask), None)
    evidence = Evidence(
        densesharp, data="as stated at import" if mask else "no DenseSharp file was imported"
    )
    tasks["subtype"] = TaskCard((mask,) if mask else (), evidence)
    return WeightSet(
        folder=folder,
        name=name,
        version="imported",
        licence=EMV_LICENCE,
        attribution=EMV_ATTRIBUTION,
        networks=networks,
        tasks=dict.fromkeys(TASKS, NOT_ANSWERED) | tasks,
        mask_network=mask,
        mask_evidence=evidence,
        scan_order=True,
    )


def _emv_task(task: str, networks: dict[str, NetworkCard]) -> TaskCard:
    members = tuple(key for key in networks if key.startswith(task))
    if not members:
        return TaskCard((), Evidence("none", data="no weights of this task were imported"))
    evidence = Evidence(
        "pathology",
        data=(
            "the EMV-3D-CNN authors' 1075 nodules of 627 patients; threshold and checkpoints chosen"
            " on their test set"
        ),
        labels="surgical pathology",
        figures=EMV_FIGURES[task],
    )
    return TaskCard(members, evidence, EMV_THRESHOLDS.get(task))
