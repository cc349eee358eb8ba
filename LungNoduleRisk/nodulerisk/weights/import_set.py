"""Takes weights from a folder among the user's own sets: the authors' Keras files, or a set that
was trained."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from nodulerisk.files import folder_written_whole
from nodulerisk.weights.card import WeightSet, save_card
from nodulerisk.weights.store import load_weight_set


def import_set(source: Path, target: Path, name: str, **keras: Any) -> WeightSet:
    """Copies a weight set, without its runs and reports, or makes one of the authors' files.

    Args:
        source: a folder with a ``card.json``, or with Keras files.
        target: the new set's folder; must not exist yet.
        name: the new set's name.
        keras: ``densesharp_evidence`` and ``report`` of ``import_keras``.

    Raises:
        WeightsError: a damaged set, or what ``import_keras`` refuses.
        OutputError: the target exists or cannot be written.
    """
    if not (source / "card.json").is_file():
        from nodulerisk.weights.import_keras import import_keras  # needs torch

        return import_keras(source, target, name, **keras)
    weights = replace(load_weight_set(str(source)), name=name)
    with folder_written_whole(target) as folder:
        for network in weights.networks.values():
            shutil.copyfile(source / network.file, folder / network.file)
        save_card(replace(weights, folder=folder))
    return replace(weights, folder=target)
