"""What both trainings share: the settings of a run, kept beside its checkpoints, for it goes on as
it began."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import written_whole

SETTINGS, LAST = "run.json", "last.ckpt"


def keep_settings(settings: dict[str, Any], folder: Path) -> None:
    """Writes the settings into the folder of a run that has not begun; of one that has, only more
    ``epochs`` are new.

    Raises:
        NoduleRiskError: the run began with others.
    """
    if (folder / LAST).exists():
        refuse_other_settings(settings, folder)
    with written_whole(folder / SETTINGS) as partial:
        partial.write_text(_text(settings), encoding="utf-8")


def refuse_other_settings(settings: dict[str, Any], folder: Path) -> None:
    """Raises NoduleRiskError if the folder's run began with other settings, beyond fewer
    ``epochs``."""
    began = _completed(_began(folder), settings)
    other = [key for key in began.keys() | settings.keys() if began.get(key) != settings.get(key)]
    if not other:
        return
    if other == ["epochs"] and is_longer(settings, folder):
        if settings.get("schedule") != "one-cycle":
            return
        raise NoduleRiskError(
            f"{folder} holds a run that began with other settings (epochs), and its one-cycle"
            f" schedule ends at epoch {began['epochs']}: for more, begin a run in another --out,"
            " with the finished weights as its init."
        )
    raise NoduleRiskError(
        f"{folder} holds a run that began with other settings ({', '.join(sorted(other))}): use its"
        " original plan, or choose another --out."
    )


def _completed(began: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings of a run with the keys that an older version did not know yet."""
    networks = {
        name: settings["networks"].get(name, {}) | network
        for name, network in began.get("networks", {}).items()
    }
    return settings | began | ({"networks": networks} if networks else {})


def is_longer(settings: dict[str, Any], folder: Path) -> bool:
    """Whether the folder's run is to have more epochs than it began with."""
    return settings.get("epochs", 0) > _began(folder).get("epochs", float("inf"))


def _began(folder: Path) -> dict[str, Any]:
    """Returns the settings with which the run began; if there are none, none is new."""
    path = folder / SETTINGS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _text(settings: dict[str, Any]) -> str:
    return json.dumps(settings, indent=2) + "\n"
