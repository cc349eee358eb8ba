"""Networks that other programs of this user share: ``nodulerisk networks FILE`` runs them, and who
finds FILE in ``NODULERISK_NETWORKS`` uses them instead of its own.

FILE says where the `NetworkQueue` listens (on this machine only) and its key, so it is readable by
its owner alone, and is gone when the networks end.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nodulerisk.engine.queue import SharedNetworks
from nodulerisk.engine.worker import RemoteNetworks, Worker
from nodulerisk.errors import WorkerError
from nodulerisk.files import written_whole
from nodulerisk.language.texts import _
from nodulerisk.weights.card import WeightSet

VARIABLE = "NODULERISK_NETWORKS"
OTHERS_READ = _("Others may read {file}, which {variable} names: start the networks anew.")


@contextmanager
def announced(address: str, key: str, file: Path) -> Iterator[None]:
    """Says in a file where networks run, for the duration of the block.

    Args:
        address, key: of a ``NetworkQueue``.
        file: replaced if it exists.

    Raises:
        OutputError: it cannot be written.
    """
    with written_whole(file) as partial:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8") as stream:
            json.dump({"address": address, "key": key}, stream)
    try:
        yield
    finally:
        with suppress(WorkerError):
            if _read(file)["key"] == key:  # else another program has taken its place
                file.unlink()


def shared_networks(weights: WeightSet, **choices: Any) -> SharedNetworks | None:
    """Returns the networks that the environment names; None if it names none.

    Args:
        weights: one that runs there too.
        choices: as for ``SharedNetworks``.

    Raises:
        WorkerError: the file is missing or damaged, or others may read or write it.
    """
    file = os.environ.get(VARIABLE)
    return SharedNetworks(weights, **_read(Path(file)) | choices) if file else None


def networks_at(
    weights: WeightSet, device: str = "auto", *, address: str, key: str, **choices: Any
) -> SharedNetworks:
    """Returns the networks that the environment names, else those of the ``NetworkQueue`` at this
    address; arguments as of ``SharedNetworks``, raises as ``shared_networks``."""
    return shared_networks(weights, **choices) or SharedNetworks(
        weights, device, address=address, key=key, **choices
    )


def remote_networks(weights: WeightSet, device: str = "auto") -> RemoteNetworks:
    """Returns the networks that the environment names, else a ``Worker``; raises as
    ``shared_networks``."""
    return shared_networks(weights) or Worker(weights, device)


def _read(file: Path) -> dict[str, str]:
    try:
        if sys.platform != "win32" and _is_open_to_others(file.stat()):
            raise WorkerError(OTHERS_READ.format(file=file, variable=VARIABLE))
        said = json.loads(file.read_text(encoding="utf-8"))
        return {"address": str(said["address"]), "key": str(said["key"])}
    except (OSError, ValueError, KeyError, TypeError):
        words = _(
            "No networks run at {file}, which {variable} names: start them by nodulerisk networks"
            " {file}, or unset {variable}."
        )
        raise WorkerError(words.format(file=file, variable=VARIABLE)) from None


def _is_open_to_others(status: os.stat_result) -> bool:
    return status.st_uid != os.getuid() or bool(stat.S_IMODE(status.st_mode) & 0o077)
