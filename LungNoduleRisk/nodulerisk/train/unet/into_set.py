"""Puts a trained network into a weight set, which draws with it from then on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from nodulerisk.datasets.nodules import NoduleDataset
from nodulerisk.files import written_whole
from nodulerisk.tasks import PRESENCE, weakest
from nodulerisk.train.unet.fit import Settings
from nodulerisk.weights.card import Evidence, NetworkCard, TaskCard, WeightSet, save_card
from nodulerisk.weights.store import sha256_of

NOT_EVALUATED = "not evaluated yet"


def put_into(
    weights: WeightSet, trained: Path, settings: Settings, dataset: NoduleDataset
) -> WeightSet:
    """Copies the network into the set and names it on the card.

    What the card knows about the set's masks goes, and with it every risk model, which measures
    them: ``fit_risk`` fits them anew.

    Args:
        weights: the set; its card is rewritten.
        trained: ``unet.safetensors``.
        settings: of its training.
        dataset: what it learnt from.

    Raises:
        OutputError: the set's folder cannot be written.
    """
    with written_whole(weights.folder / trained.name) as partial:
        shutil.copyfile(trained, partial)
    name, sha256 = trained.stem, sha256_of(trained)
    card = NetworkCard(
        "unet", trained.name, sha256, (PRESENCE,), settings.width, size=settings.side
    )
    learnt = Evidence(weakest(nodule.evidence for nodule in dataset.nodules), NOT_EVALUATED)
    source = dataset.attribution or dataset.name
    made = replace(
        weights,
        attribution=f"{weights.attribution}; mask network trained on {source}",
        networks=weights.networks | {name: card},
        tasks={task: _without_risk(one) for task, one in weights.tasks.items()}
        | {PRESENCE: TaskCard((name,), learnt)},
        mask_network=name,
        mask_evidence=learnt,
        mask_reflected=False,
    )
    save_card(made)
    return made


def _without_risk(task: TaskCard) -> TaskCard:
    if task.risk is None:
        return task
    return TaskCard(task.networks, Evidence(task.evidence.level, NOT_EVALUATED))
