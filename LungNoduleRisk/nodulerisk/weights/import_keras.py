"""Turns the authors' Keras HDF5 files into a weight set, without Keras and without executing any
code in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nodulerisk.errors import WeightsError
from nodulerisk.files import folder_written_whole
from nodulerisk.language.texts import Verbatim, _
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
DENSE_KINDS = ("densesharp", "densenet")
DENSE_LICENCE = "DenseSharp weights: as whoever trained them says (its authors' code: Apache-2.0)"
DENSE_ATTRIBUTION = "Cancer Research 2018, doi:10.1158/0008-5472.CAN-18-0696"
# As DenseSharp's code names them: best.h5, weights.12.h5, and what contains the network's name.
DENSE_FILE = re.compile(r"best|weights[._-]?\d+|.*(densesharp|densenet).*")
EPOCH = re.compile(r"(?:epoch|weights)[._-]?(\d+)(?:-(\d\.\d+))?")  # and a figure of it

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
    names like ``Inception_60_Epoch.41-0.8504.h5``), and DenseSharp's or DenseNet's (``best.h5``,
    ``weights.12.h5``, or names with ``densesharp`` or ``densenet``).

    All epochs of a network are imported; the one that answers is the best by the figure in its
    name, ``best``, or else the last. Of a task's three EMV networks, one may come alone.

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
        WeightsError: a pickle, a damaged file, two of three networks, one epoch twice, or nothing
            to import.
        OutputError: the target exists or cannot be written.
    """
    with folder_written_whole(target) as folder:
        found, networks = _recognised(source), {}
        files = [(key, path) for key, epochs in found.items() for path in epochs]
        for index, (key, path) in enumerate(files):
            (report or (lambda *_: None))(path.name, index / len(files))
            network = _name(key, path, found[key])
            networks[network] = _import_network(key, network, path, folder)
        answering = {key: networks[key] for key in found}
        weights = _weight_set(folder, name, networks, answering, densesharp_evidence)
        save_card(weights)
    return replace(weights, folder=target)


def _recognised(source: Path) -> dict[str, list[Path]]:
    """Returns {``malignancy-vgg-40``: paths, ..., ``densesharp``: paths}, with complete tasks; of
    several epochs, the one that is to answer comes first."""
    if not source.is_dir():
        words = _(
            "There is no folder '{source}': give the folder that contains task1, task2 and task3."
        )
        raise WeightsError(words.format(source=source))
    found: dict[str, list[Path]] = {}
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.suffix.lower() in (".pt", ".pth", ".pkl", ".ckpt"):
            refuse_pickle(path)
        if path.suffix.lower() in (".h5", ".hdf5") and (key := _key(path, source)):
            found.setdefault(key, []).append(path)
    if not found:
        raise WeightsError(
            _(
                "No weight file was recognised: the authors' .h5 files belong in folders"
                " task1, task2 and task3, named like Inception_60_Epoch.41-0.8504.h5;"
                " DenseSharp's are named like best.h5 or weights.12.h5."
            )
        )
    for task in EMV_TASKS.values():
        members = [key for key in found if key.startswith(task)]
        if len(members) == 2 or len(members) > 3:
            words = _(
                "The {task} ensemble is incomplete: found {count} of Inception, VGG and ResNet,"
                " where all three belong together, or one stands alone."
            )
            raise WeightsError(words.format(task=Verbatim(task), count=len(members)))
    return {key: _best_first(paths) for key, paths in found.items()}


def _best_first(paths: list[Path]) -> list[Path]:
    """Returns the epochs of a network, the one that is to answer first.

    Raises:
        WeightsError: two files do not say that they are different epochs.
    """
    by_epoch: dict[int | None, Path] = {}
    for path in paths:
        other = by_epoch.setdefault(_epoch(path)[0], path)
        if other is not path:
            words = _("{name} and {other} are the same network: keep one of them.")
            raise WeightsError(words.format(name=other.name, other=path.name))
    return sorted(paths, key=lambda path: (_epoch(path)[1], _epoch(path)[0] or 0), reverse=True)


def _epoch(path: Path) -> tuple[int | None, float]:
    """Returns the epoch that a file's name gives, and its figure; without an epoch, as ``best``, it
    stands before those without a figure."""
    found = EPOCH.search(path.stem.lower())
    return (int(found[1]), float(found[2] or 0)) if found else (None, 0.5)


def _name(key: str, path: Path, epochs: list[Path]) -> str:
    """Returns the network's name on the card: the key for the one that answers."""
    epoch = _epoch(path)[0]
    return key if path == epochs[0] else f"{key}-epoch-{'best' if epoch is None else epoch}"


def _key(path: Path, source: Path) -> str | None:
    """Returns the key of a file, from its name and folder; None if it is not recognised."""
    name = path.name.lower()
    task = next(
        (
            task
            for part in path.relative_to(source).parts
            for key, task in EMV_TASKS.items()
            if key in part.lower()
        ),
        None,
    )
    kind = next((kind for word, kind in EMV_KINDS.items() if word in name), None)
    size = re.search(r"(40|60|80)(?!\d)", name)
    if task and kind and size and "densesharp" not in name:
        return f"{task}-{kind}-{size[1]}"
    return _dense_kind(path) if DENSE_FILE.fullmatch(path.stem.lower()) else None


def _dense_kind(path: Path) -> str:
    """Returns which of ``DENSE_KINDS`` a file holds: only DenseSharp has transposed
    convolutions."""
    from nodulerisk.networks.keras_files import layer_names

    transposed = any("transpose" in name for name in layer_names(path))
    return DENSE_KINDS[0] if transposed else DENSE_KINDS[1]


def _import_network(key: str, name: str, path: Path, folder: Path) -> NetworkCard:
    from safetensors.torch import save_file

    from nodulerisk.networks.build import build_network
    from nodulerisk.networks.keras_files import load_keras_weights

    refuse_pickle(path)
    task, kind, size = key.split("-") if "-" in key else ("subtype", key, "32")
    network = load_keras_weights(
        build_network(kind, input_size=int(size), n_classes=len(TASKS[task].classes)), path
    )
    file = folder / f"{name}.safetensors"
    save_file(network.state_dict(), file)
    return NetworkCard(
        kind, file.name, sha256_of(file), (task,), 1.0, EMV_SIDES.get(int(size)), int(size)
    )


def _weight_set(
    folder: Path,
    name: str,
    networks: dict[str, NetworkCard],
    answering: dict[str, NetworkCard],
    densesharp: EvidenceLevel,
) -> WeightSet:
    tasks = {task: _emv_task(task, answering) for task in EMV_TASKS.values()}
    dense = next((kind for kind in DENSE_KINDS if kind in answering), None)
    mask = dense if dense and answering[dense].draws_mask else None
    evidence = Evidence(
        densesharp, data=_("as stated at import") if dense else _("no DenseSharp file was imported")
    )
    tasks["subtype"] = TaskCard((dense,) if dense else (), evidence)
    terms = [(EMV_LICENCE, EMV_ATTRIBUTION)] if any("-" in key for key in answering) else []
    terms += [(DENSE_LICENCE, DENSE_ATTRIBUTION)] if dense else []
    licence, attribution = ("; ".join(texts) for texts in zip(*terms, strict=True))
    return WeightSet(
        folder=folder,
        name=name,
        version="imported",
        licence=licence,
        attribution=attribution,
        networks=networks,
        tasks=dict.fromkeys(TASKS, NOT_ANSWERED) | tasks,
        mask_network=mask,
        mask_evidence=evidence
        if mask
        else Evidence("none", data=_("no DenseSharp file was imported")),
        scan_order=True,
    )


def _emv_task(task: str, networks: dict[str, NetworkCard]) -> TaskCard:
    members = tuple(key for key in networks if key.startswith(task))
    if not members:
        return TaskCard((), Evidence("none", data=_("no weights of this task were imported")))
    if len(members) == 1:
        data = _(
            "one of the EMV-3D-CNN authors' three networks: they give no figures or threshold of it"
        )
        return TaskCard(members, Evidence("pathology", data=data, labels=_("surgical pathology")))
    evidence = Evidence(
        "pathology",
        data=(
            _(
                "the EMV-3D-CNN authors' 1075 nodules of 627 patients; threshold and"
                " checkpoints chosen on their test set"
            )
        ),
        labels=_("surgical pathology"),
        figures=EMV_FIGURES[task],
    )
    return TaskCard(members, evidence, EMV_THRESHOLDS.get(task))
