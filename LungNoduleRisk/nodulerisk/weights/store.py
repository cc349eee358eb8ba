"""Where weight sets are stored: folders of ``card.json`` and safetensors files, verified before
they are used.

Weights are only read by safetensors, never unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from nodulerisk.errors import OutputError, WeightsError
from nodulerisk.files import cache_folder, written_whole
from nodulerisk.language.texts import _
from nodulerisk.weights.card import NetworkCard, WeightSet, weight_set_from

MAX_FILE_BYTES = 1 << 30  # the largest published network is 177 MB in float32
SETTLED_NS = 2_000_000_000  # a file changed this recently may change again in the same tick
PICKLES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin"}


def bundled_root() -> Path:
    """Returns where the bundled sets lie: Resources/Weights of Slicer's extension or of the
    checkout."""
    installed, checkout = (
        folder / "Resources" / "Weights" for folder in Path(__file__).parents[2:4]
    )
    return installed if installed.is_dir() else checkout


def user_root() -> Path:
    """Returns where the user's own sets lie, which survive an update of the extension:
    $NODULERISK_WEIGHTS, else in the user's data folder."""
    configured = os.environ.get("NODULERISK_WEIGHTS")
    if configured:
        return Path(configured)
    from platformdirs import user_data_path

    return user_data_path("nodulerisk") / "weights"


def weight_set_names() -> list[str]:
    """Returns the sets that ``load_weight_set`` finds by name: ``open`` first, the others in
    alphabetical order."""
    names = {card.parent.name for root in _roots() for card in root.glob("*/card.json")}
    return sorted(names, key=lambda name: (name != "open", name))


def is_bundled(name: str) -> bool:
    """Whether a set of this name came with the program."""
    folder = bundled_root() / name
    return folder.parent == bundled_root() and _is_set(folder)


def user_set_folder(name: str) -> Path:
    """Returns the folder of the user's own set of this name, whether it exists or not.

    Raises:
        WeightsError: a bundled set has the name, or it is not valid as a folder name.
    """
    folder = user_root() / name
    if is_bundled(name):
        words = _(
            "The weight set '{name}' came with the program: choose one of your own, or another"
            " name."
        )
        raise WeightsError(words.format(name=name))
    if folder.resolve().parent != user_root().resolve():
        raise WeightsError(
            _("'{name}' cannot name a weight set: choose a name without slashes.").format(name=name)
        )
    return folder


def delete_weight_set(name: str) -> None:
    """Deletes one of the user's own sets.

    Raises:
        WeightsError: a bundled set, or not one of the user's own sets.
        OutputError: its files cannot be deleted.
    """
    folder = user_set_folder(name)
    if not _is_set(folder):
        raise WeightsError(
            _("There is no weight set '{name}' of your own: nothing was deleted.").format(name=name)
        )
    try:
        shutil.rmtree(folder)
    except OSError as error:
        words = _("{folder} cannot be deleted ({reason}): close the programs that use it.")
        raise OutputError(words.format(folder=folder, reason=error.strerror)) from error


def _roots() -> Iterator[Path]:
    """Returns where to look for named sets, in this order."""
    yield bundled_root()
    with suppress(
        ImportError
    ):  # no platformdirs: Slicer before the first run, when the user has no own sets yet
        yield user_root()


def _folder_of(name_or_folder: str | Path) -> Path:
    """Returns the set's folder: as given, else the first with this name."""
    given = Path(name_or_folder)
    named = (root / given for root in _roots())
    return given if _is_set(given) else next(filter(_is_set, named), given)


def _is_set(folder: Path) -> bool:
    return (folder / "card.json").is_file()


def load_weight_set(name_or_folder: str | Path = "open", *, anew: bool = False) -> WeightSet:
    """Reads a weight set by name (``open``) or folder and verifies its card and its files' hashes.

    Args:
        name_or_folder: of the set.
        anew: computes every hash again; otherwise only those of files that were changed or moved
            since they were last verified, by their size, times and inode.

    Raises:
        WeightsError: no such set, a damaged card, or a file that is missing, changed, a pickle or
            too large.
    """
    weights = read_card(name_or_folder)
    for network in weights.networks.values():
        _verify(weights.folder, network, anew)
    return weights


def read_card(name_or_folder: str | Path) -> WeightSet:
    """Reads a weight set as ``load_weight_set``, without a look at its files.

    Raises:
        WeightsError: no such set, or a damaged card.
    """
    folder = _folder_of(name_or_folder)
    try:
        values = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        words = _(
            "There is no weight set '{name}' (a folder with card.json): use 'open', or import one"
            " with nodulerisk import-weights."
        )
        raise WeightsError(words.format(name=name_or_folder)) from error
    except (OSError, ValueError) as error:
        words = _("The card of weight set '{name}' is damaged: import or copy the set again.")
        raise WeightsError(words.format(name=folder.name)) from error
    return weight_set_from(values, folder)


def read_arrays(folder: Path, network: NetworkCard) -> dict[str, np.ndarray]:
    """Reads a network's arrays from its safetensors file; half precision is widened to float32.

    Raises:
        WeightsError: truncated or malformed file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(folder / network.file)
    except (SafetensorError, OSError) as error:
        words = _("{file} is truncated or not safetensors: copy or import the weight set again.")
        raise WeightsError(words.format(file=network.file)) from error
    return {
        name: a.astype(np.float32) if a.dtype == np.float16 else a for name, a in arrays.items()
    }


def sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_pickle(path: Path) -> None:
    """Refuses a file that would have to be unpickled, judging by its name or first bytes.

    Raises:
        WeightsError: a pickle, or a zip as torch.save writes it.
    """
    with open(path, "rb") as file:
        start = file.read(9)
    safetensors = start[8:] == b"{"  # after its length, whose first byte may look like a pickle's
    if (
        path.suffix.lower() in PICKLES
        or start[:2] == b"PK"
        or (start[:1] == b"\x80" and not safetensors)
    ):
        words = _(
            "{name} is a pickle, which can run any code when opened, so it is not read. Save the"
            " weights as safetensors, or import the authors' Keras .h5 files."
        )
        raise WeightsError(words.format(name=path.name))


def _is_described(path: Path, sha256: str, anew: bool) -> bool:
    """Whether a file has this hash; that it has is remembered in the user's cache."""
    note, state = _note_of(path), _state_of(path)
    said = f"{sha256} {state}"
    if not anew and _text_of(note) == said:
        return True
    if sha256_of(path) != sha256:
        return False
    if note is not None and time.time_ns() - max(state[1:3]) > SETTLED_NS:
        with suppress(OutputError), written_whole(note) as partial:
            partial.write_text(said, encoding="ascii")
    return True


def _note_of(path: Path) -> Path | None:
    """Returns where it is remembered that a file was verified; None without platformdirs: see
    ``_roots``."""
    try:
        folder = cache_folder("verified")
    except ImportError:
        return None
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]
    return folder / name


def _text_of(note: Path | None) -> str:
    try:
        return "" if note is None else note.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def _state_of(path: Path) -> tuple[int, ...]:
    """Returns the size, when content and entry were changed (ns), the inode and its device."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev


def _verify(folder: Path, network: NetworkCard, anew: bool) -> None:
    path = folder / network.file
    if path.resolve().parent != folder.resolve():
        words = _("The card of '{name}' names a file outside its folder: do not use this set.")
        raise WeightsError(words.format(name=folder.name))
    if not path.is_file():
        words = _("{file} is missing from weight set '{name}': copy or import the set again.")
        raise WeightsError(words.format(file=network.file, name=folder.name))
    refuse_pickle(path)
    if path.stat().st_size > MAX_FILE_BYTES:
        words = _("{file} is larger than {max_file_bytes} MiB: this is not one of our networks.")
        raise WeightsError(words.format(file=network.file, max_file_bytes=MAX_FILE_BYTES >> 20))
    if not _is_described(path, network.sha256, anew):
        words = _(
            "{file} is not the file that the card of '{name}' describes (its SHA-256 differs): it"
            " is truncated or was changed. Copy or import the set again."
        )
        raise WeightsError(words.format(file=network.file, name=folder.name))
