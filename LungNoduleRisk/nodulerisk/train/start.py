"""Weights to start from: of another set, a safetensors file or the authors' Keras file, whole or by
name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from nodulerisk.errors import WeightsError
from nodulerisk.evaluation.summary import About
from nodulerisk.files import written_whole
from nodulerisk.networks.build import build_network
from nodulerisk.networks.keras_files import keras_classes, load_keras_weights
from nodulerisk.networks.kinds import recipe_of
from nodulerisk.networks.layers import Network
from nodulerisk.train.plans.runs import NetworkPlan, Run
from nodulerisk.train.rates import is_in
from nodulerisk.weights.card import NetworkCard, WeightSet
from nodulerisk.weights.store import load_weight_set, read_arrays, refuse_pickle

STARTED = "started_from.json"  # in a run's folder
MAY_HAVE_LEARNT = " (the weights that training began with may have learnt from these patients)"
LISTED = 8  # arrays that a message names
FITS = 0.5  # share of the arrays: of fewer, what fits does so by chance
NOT_ASKED = "not asked for"


@dataclass(frozen=True)
class Start:
    """What a network began with.

    Attributes:
        source: in words.
        terms: licence and attribution of the source, which hold for what is made from it.
        taken: names of the network's arrays that came from there.
        left: its other arrays -> why they did not.
    """

    source: str
    terms: str
    taken: tuple[str, ...]
    left: dict[str, str]

    def words(self) -> str:
        left = [f"{name} ({why})" for name, why in self.left.items()]
        more = f" and {len(left) - LISTED} more" if len(left) > LISTED else ""
        kept = f"; not taken: {', '.join(left[:LISTED])}{more}" if left else ""
        return f"{len(self.taken)} of {len(self.taken) + len(left)} arrays of {self.source}{kept}"


def take_weights(network: Network, name: str, plan: NetworkPlan, run: Run) -> Start:
    """Fills a network from the plan's ``init``: every array of the same name and shape, or those of
    ``take``.

    Raises:
        WeightsError: no such source, a pickle, a damaged one, or little in it fits.
    """
    arrays, source, terms = _source(name, plan, run)
    own = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    left = {key: why for key, value in own.items() if (why := _why_not(key, value, arrays, plan))}
    taken = tuple(key for key in own if key not in left)
    asked = len(own) - list(left.values()).count(NOT_ASKED)
    if len(taken) < max(asked * FITS, 1):
        key, why = next((k, why) for k, why in left.items() if why != NOT_ASKED)
        raise WeightsError(
            f"Network {name}: {len(taken)} of {asked} arrays of {source} fit ({key} does not:"
            f" {why}): choose weights of the same kind and width, or name in take the layers that"
            " fit."
        )
    network.load_state_dict({key: arrays[key] for key in taken}, strict=False)
    return Start(source, terms, taken, left)


def _why_not(key: str, own: Tensor, arrays: Mapping[str, Tensor], plan: NetworkPlan) -> str:
    if plan.take and not any(is_in(key, layer) for layer in plan.take):
        return NOT_ASKED
    if key not in arrays:
        return "not there"
    if arrays[key].shape != own.shape:
        return f"{_shape(arrays[key])} there, {_shape(own)} here"
    return ""


def _shape(array: Tensor) -> str:
    return " × ".join(map(str, array.shape)) or "one number"


def _source(name: str, plan: NetworkPlan, run: Run) -> tuple[dict[str, Tensor], str, str]:
    """Returns arrays, the source in words, and its terms."""
    path = Path(str(plan.init))
    if path.is_file():
        refuse_pickle(path)
        terms = "the licence of that file holds"
        if path.suffix.lower() in (".h5", ".hdf5"):
            return _keras_arrays(path, plan, run), path.name, terms
        card = NetworkCard(plan.kind, path.name, "", run.tasks)
        return _tensors(path.parent, card), path.name, terms
    weights, network = _network_of(str(plan.init), name, plan)
    terms = f"{weights.licence}; {weights.attribution}"
    source = f"{weights.name} {weights.version}, network {network}"
    return _tensors(weights.folder, weights.networks[network]), source, terms


def _tensors(folder: Path, card: NetworkCard) -> dict[str, Tensor]:
    return {key: torch.from_numpy(array) for key, array in read_arrays(folder, card).items()}


def _keras_arrays(path: Path, plan: NetworkPlan, run: Run) -> dict[str, Tensor]:
    network: nn.Module = build_network(
        plan.kind, input_size=run.size, n_classes=keras_classes(path), **recipe_of(plan)
    )
    return load_keras_weights(network, path).state_dict()


def _network_of(init: str, name: str, plan: NetworkPlan) -> tuple[WeightSet, str]:
    """Returns the set, and its network that ``#NETWORK`` names, or that has the same name, or is
    the only one of the kind."""
    folder, _, asked = init.partition("#")
    weights = load_weight_set(folder)
    alike = [key for key, card in weights.networks.items() if card.kind == plan.kind]
    choices = [asked] if asked else [name] if name in alike else alike
    if len(choices) != 1 or choices[0] not in weights.networks:
        raise WeightsError(
            f"Network {name}: name one network of {weights.name} to start from, such as"
            f" {folder}#{(alike or list(weights.networks))[0]}; it has"
            f" {', '.join(weights.networks)}."
        )
    return weights, choices[0]


def keep_starts(starts: Mapping[str, Start], folder: Path) -> None:
    """Writes what the networks of a run began with, by name."""
    with written_whole(folder / STARTED) as partial:
        text = json.dumps({name: asdict(start) for name, start in starts.items()}, indent=2)
        partial.write_text(text + "\n", encoding="utf-8")


def with_starts(about: About, runs: Iterable[Run]) -> About:
    """Returns the description of an evaluation; if networks began with other weights, it says that
    these may have learnt from the patients."""
    begun = any(network.init is not None for run in runs for network in run.networks.values())
    return replace(about, dataset=about.dataset + MAY_HAVE_LEARNT) if begun else about


def terms_of(folder: Path) -> list[str]:
    """Returns what a card must say of the weights that the folder's run began with."""
    path = folder / STARTED
    starts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return [
        f"began with weights of {start['source']} ({start['terms']})" for start in starts.values()
    ]
