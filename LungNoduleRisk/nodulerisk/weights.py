"""Weight sets: a folder of ``card.json`` and safetensors files.

The card says which networks answer which task, with what thresholds, and what the evidence is. Cards are read without
torch, so that Slicer can show them; weights are read by safetensors and h5py only, never unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from nodulerisk.assessment import EVIDENCE_LEVELS, EvidenceLevel
from nodulerisk.errors import OutputError, WeightsError
from nodulerisk.files import written_whole

TASKS: dict[str, tuple[str, ...]] = {
    "malignancy": ("benign", "malignant"),
    "invasiveness": ("pre-invasive", "invasive"),
    "grade": ("grade 1", "grade 2", "grade 3"),
    "subtype": ("AAH-AIS", "MIA", "IA"),
    # appearance: what a reader would describe
    "density": ("ground glass", "part-solid", "solid"),
    "spiculation": ("not spiculated", "spiculated"),
    "lobulation": ("not lobulated", "lobulated"),
    "margin": ("sharp margin", "ill-defined margin"),
    "calcification": ("not calcified", "calcified"),
}
APPEARANCE = ("density", "spiculation", "lobulation", "margin", "calcification")
MAX_FILE_BYTES = 1 << 30  # the largest published network is 177 MB in float32
PICKLES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin"}


@dataclass(frozen=True)
class Evidence:
    """What a task's numbers rest on.

    Attributes:
        level: ``pathology``, ``reader``, ``simulated`` or ``none``.
        data, labels: which data and labels trained and tested it, in words; for ``none`` why the task is not run.
        nodules, patients: how many were held out.
        figures: held-out figures, name -> [value, low, high] with a 95 % interval.
    """

    level: EvidenceLevel
    data: str = ""
    labels: str = ""
    nodules: int = 0
    patients: int = 0
    figures: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class NetworkCard:
    """One network file: how to build it, what to feed it, and its hash.

    Attributes:
        kind, width: as ``build_network`` takes them.
        file, sha256: in the set's folder.
        tasks: the tasks it answers, in the order of its probabilities.
        sides: of EMV networks: the cubes in voxels of 0.625 mm, outer first.
        size: side of the input.
    """

    kind: str
    file: str
    sha256: str
    tasks: tuple[str, ...]
    width: float = 1.0
    sides: tuple[int, int, int] | None = None
    size: int = 32

    @property
    def heads(self) -> tuple[int, ...]:
        """The number of classes of each task."""
        return tuple(len(TASKS[task]) for task in self.tasks)

    def columns(self, task: str) -> slice:
        """Which of its probabilities answer the task."""
        start = sum(self.heads[: self.tasks.index(task)])
        return slice(start, start + len(TASKS[task]))

    @property
    def draws_mask(self) -> bool:
        return self.kind == "densesharp"


@dataclass(frozen=True)
class TaskCard:
    """A task: its networks (none: not run), its evidence, and how their probabilities become a decision.

    Attributes:
        networks: names of the members.
        threshold: calibrated probability of the last class from which it is decided for; None: the largest wins.
        calibration: the line of ``calibrated``, applied to every member; None: as the networks say.
    """

    networks: tuple[str, ...]
    evidence: Evidence
    threshold: float | None = None
    calibration: tuple[float, ...] | None = None


NOT_ANSWERED = TaskCard((), Evidence("none", "this weight set has no network for it"))


@dataclass(frozen=True)
class WeightSet:
    """A verified card; ``folder`` holds the files.

    Attributes:
        networks: by name.
        tasks: by task name, every key of ``TASKS``.
        mask_network: name of the network that draws the mask; None: no mask.
        mask_evidence: what the mask rests on.
        mask_reflected: the mask is the mean over the cube and its reflections in plane.
        bf16_drift: how far bf16 moved a probability on real nodules; None: not measured.
        scan_order: cubes run along z as in the scan's InstanceNumber order (the EMV authors' habit), where it is known.
        thresholds: the user's own, by task, in place of the cards'; see ``with_thresholds``. Not part of the card.
    """

    folder: Path
    name: str
    version: str
    licence: str
    attribution: str
    networks: dict[str, NetworkCard]
    tasks: dict[str, TaskCard]
    mask_network: str | None = None
    mask_evidence: Evidence = Evidence("none")
    mask_reflected: bool = False
    scan_order: bool = False
    bf16_drift: float | None = None
    thresholds: dict[str, float] = field(default_factory=dict)

    def threshold(self, task: str) -> float | None:
        """From which probability of the last class it is decided for; None: the largest wins."""
        return self.thresholds.get(task, self.tasks[task].threshold)

    def with_thresholds(self, thresholds: Mapping[str, float]) -> WeightSet:
        """The set with the user's own thresholds of two-class tasks, such as ``{"malignancy": 0.3}``.

        Raises:
            WeightsError: no task of two classes has this name, or the value is not within 0..1.
        """
        for task, value in thresholds.items():
            if len(TASKS.get(task, ())) != 2:
                names = ", ".join(name for name, classes in TASKS.items() if len(classes) == 2)
                raise WeightsError(f"There is no threshold for '{task}': choose one of {names}.")
            if not 0 <= value <= 1:
                raise WeightsError(f"The {task} threshold must lie between 0 and 1, {value:g} does not.")
        return replace(self, thresholds={**self.thresholds, **thresholds})

    def hashes(self) -> dict[str, str]:
        return {name: network.sha256 for name, network in self.networks.items()}


def bundled_root() -> Path:
    """Where the bundled sets lie: Resources/Weights of Slicer's extension or of the checkout."""
    installed, checkout = (folder / "Resources" / "Weights" for folder in Path(__file__).parents[1:3])
    return installed if installed.is_dir() else checkout


def user_root() -> Path:
    """Where the user's own sets lie, which outlive an update of the extension: $NODULERISK_WEIGHTS, else in the user's
    data folder."""
    configured = os.environ.get("NODULERISK_WEIGHTS")
    if configured:
        return Path(configured)
    from platformdirs import user_data_path

    return user_data_path("nodulerisk") / "weights"


def weight_set_names() -> list[str]:
    """The sets that ``load_weight_set`` finds by name: ``open`` first, the others in alphabetical order."""
    names = {card.parent.name for root in _roots() for card in root.glob("*/card.json")}
    return sorted(names, key=lambda name: (name != "open", name))


def is_bundled(name: str) -> bool:
    """Whether a set of this name came with the program."""
    folder = bundled_root() / name
    return folder.parent == bundled_root() and _is_set(folder)


def user_set_folder(name: str) -> Path:
    """The folder of the user's own set of this name, be it there or not.

    Raises:
        WeightsError: a bundled set has the name, or no folder of the user's sets can have it.
    """
    folder = user_root() / name
    if is_bundled(name):
        raise WeightsError(f"The weight set '{name}' came with the program: choose one of your own, or another name.")
    if folder.resolve().parent != user_root().resolve():
        raise WeightsError(f"'{name}' cannot name a weight set: choose a name without slashes.")
    return folder


def delete_weight_set(name: str) -> None:
    """Deletes a set of the user's own.

    Raises:
        WeightsError: a bundled set, or no set of the user's own.
        OutputError: its files cannot be deleted.
    """
    folder = user_set_folder(name)
    if not _is_set(folder):
        raise WeightsError(f"There is no weight set '{name}' of your own: nothing was deleted.")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be deleted ({error.strerror}): close what uses it.") from error


def _roots() -> Iterator[Path]:
    """Where named sets are looked for, in this order."""
    yield bundled_root()
    with suppress(ImportError):  # platformdirs, in Slicer before the first run: no set of the user's can be there yet
        yield user_root()


def _folder_of(name_or_folder: str | Path) -> Path:
    """The set's folder: as given, else the first of this name."""
    given = Path(name_or_folder)
    named = (root / given for root in _roots())
    return given if _is_set(given) else next(filter(_is_set, named), given)


def _is_set(folder: Path) -> bool:
    return (folder / "card.json").is_file()


def load_weight_set(name_or_folder: str | Path = "open") -> WeightSet:
    """Reads a weight set by name (``open``) or folder and verifies its card and its files' hashes.

    Raises:
        WeightsError: no such set, a damaged card, a file that is missing, changed, a pickle or too large.
    """
    folder = _folder_of(name_or_folder)
    try:
        values = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(
            f"There is no weight set '{name_or_folder}' (a folder with card.json): use 'open', or import one with "
            "nodulerisk import-weights."
        ) from error
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"The card of weight set '{folder.name}' is damaged: import or copy the set again."
        ) from error
    weights = _weight_set_from(values, folder)
    for network in weights.networks.values():
        _verify(folder, network)
    return weights


def save_card(weights: WeightSet) -> None:
    """Writes ``card.json`` into the set's folder."""
    values = asdict(weights)
    del values["folder"], values["thresholds"]
    with written_whole(weights.folder / "card.json") as partial:
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_arrays(folder: Path, network: NetworkCard) -> dict[str, np.ndarray]:
    """A network's arrays from its safetensors file, stored half precision widened to float32.

    Raises:
        WeightsError: truncated or malformed file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(folder / network.file)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{network.file} is truncated or not safetensors: copy or import the weight set again."
        ) from error
    return {name: a.astype(np.float32) if a.dtype == np.float16 else a for name, a in arrays.items()}


def sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_pickle(path: Path) -> None:
    """Refuses a file that would have to be unpickled, by its name or its first bytes.

    Raises:
        WeightsError: a pickle, or a zip as torch.save writes it.
    """
    with open(path, "rb") as file:
        start = file.read(9)
    safetensors = start[8:] == b"{"  # behind its length, whose first byte may look like a pickle's
    if path.suffix.lower() in PICKLES or start[:2] == b"PK" or (start[:1] == b"\x80" and not safetensors):
        raise WeightsError(
            f"{path.name} is a pickle, which can run any code when opened: it is not read. "
            "Save the weights as safetensors, or import the authors' Keras .h5 files."
        )


def _verify(folder: Path, network: NetworkCard) -> None:
    path = folder / network.file
    if path.resolve().parent != folder.resolve():
        raise WeightsError(f"The card of '{folder.name}' names a file outside its folder: do not use this set.")
    if not path.is_file():
        raise WeightsError(f"{network.file} is missing from weight set '{folder.name}': copy or import the set again.")
    refuse_pickle(path)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise WeightsError(f"{network.file} is larger than {MAX_FILE_BYTES >> 20} MiB: this is no network of ours.")
    if sha256_of(path) != network.sha256:
        raise WeightsError(
            f"{network.file} is not the file that the card of '{folder.name}' describes (its SHA-256 differs): "
            "it is truncated or was changed. Copy or import the set again."
        )


def _weight_set_from(values: dict, folder: Path) -> WeightSet:
    try:
        networks = {name: _network_from(network) for name, network in values["networks"].items()}
        named = {name: _task_from(name, task, networks) for name, task in values["tasks"].items() if name in TASKS}
        tasks = dict.fromkeys(TASKS, NOT_ANSWERED) | named
        mask_network = values.get("mask_network")
        if mask_network is not None and not networks[mask_network].draws_mask:
            raise ValueError(f"{mask_network} draws no mask")
        return WeightSet(
            folder=folder,
            name=str(values["name"]),
            version=str(values["version"]),
            licence=str(values["licence"]),
            attribution=str(values["attribution"]),
            networks=networks,
            tasks=tasks,
            mask_network=mask_network,
            mask_evidence=_evidence_from(values["mask_evidence"]),
            mask_reflected=bool(values.get("mask_reflected", False)),
            scan_order=bool(values.get("scan_order", False)),
            bf16_drift=values.get("bf16_drift"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(
            f"The card of weight set '{folder.name}' is not valid ({error}): import the set again."
        ) from error


def _network_from(values: dict) -> NetworkCard:
    sides, tasks = values.get("sides"), tuple(values["tasks"])
    unknown = [task for task in tasks if task not in TASKS]
    if unknown:
        raise ValueError(f"unknown task {unknown[0]}")
    return NetworkCard(**{**values, "tasks": tasks, "sides": None if sides is None else tuple(int(s) for s in sides)})


def _task_from(task: str, values: dict, networks: dict[str, NetworkCard]) -> TaskCard:
    names = tuple(values["networks"])
    for name in names:
        if name not in networks or task not in networks[name].tasks:
            raise ValueError(f"no network {name} that answers {task}")
    calibration = values.get("calibration")
    line = None if calibration is None else tuple(float(number) for number in calibration)
    return TaskCard(names, _evidence_from(values["evidence"]), values.get("threshold"), line)


def _evidence_from(values: dict) -> Evidence:
    evidence = Evidence(**values)
    if evidence.level not in EVIDENCE_LEVELS:
        raise ValueError(f"unknown evidence level {evidence.level}")
    return evidence
