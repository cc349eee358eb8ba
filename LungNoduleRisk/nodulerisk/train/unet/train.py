"""``nodulerisk train-unet``: from labelled nodules and whole CTs to the network's file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import save_file

from nodulerisk.ct.points import read_points
from nodulerisk.datasets.folds import read_folds
from nodulerisk.datasets.nodules import SPLITS, LabelledNodule, NoduleDataset
from nodulerisk.datasets.read import read_dataset, said_of
from nodulerisk.engine.engine import choose_device
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import written_whole
from nodulerisk.train.unet.batches import Lungs
from nodulerisk.train.unet.fit import Progress, Settings, fit
from nodulerisk.train.unet.lungs import Lung, lung_of_ct, lung_of_nodule
from nodulerisk.train.unet.network import exported

if TYPE_CHECKING:
    from nodulerisk.weights.card import WeightSet

FILE = "unet.safetensors"
NOBODY = "nobody"  # to hold out
Say = Callable[[str], None]


def train_unet(
    data: Path,
    lungs: Sequence[str],
    out: Path,
    *,
    settings: Settings,
    hold_out: str = "test",
    folds: Path | None = None,
    into: WeightSet | None = None,
    device: str = "auto",
    say: Say = print,
    progress: Progress | None = None,
) -> Path:
    """Trains a ``NoduleUNet`` and writes ``unet.safetensors``.

    Args:
        data: any dataset that ``read_dataset`` can read, with masks.
        lungs: whole CTs, each as PATH, or PATH=POINTS with a list of its nodules.
        out: folder of the file, the log and the checkpoint.
        settings: of the fit.
        hold_out: a fold of ``folds``, else a split of the dataset; or ``nobody``.
        folds: table with the columns name (of a nodule, or a CT's file) and fold.
        into: a weight set that shall draw with the network; see ``put_into``.
        device: one of ``DEVICES``.
        say: called with messages about what is left out and why.
        progress: called with what is being done and the number of finished steps.

    Returns:
        The path of the network's file.

    Raises:
        NoduleRiskError: the data cannot be read, there is nothing to train on, or the folder holds
            another run.
    """
    device = choose_device(device)
    held_out = HeldOut(hold_out, folds)
    report = progress or _silent
    report("reading nodules", None)
    dataset = read_dataset(data)
    for line in said_of(dataset):
        say(line)
    pieces = Lungs(_nodules(dataset, held_out, device), _whole(lungs, held_out, device, report))
    say(f"Training on {len(pieces.nodules)} nodules and {len(pieces.whole)} whole CTs ({device}).")
    network = fit(pieces, settings, out, device=device, progress=progress)
    with written_whole(out / FILE) as partial:
        save_file(exported(network), partial)
    if into is not None:
        from nodulerisk.train.unet.into_set import put_into  # it needs more than training does

        put_into(into, out / FILE, settings, dataset)
    return out / FILE


class HeldOut:
    """The patients that are held out of training."""

    def __init__(self, which: str, folds: Path | None):
        """
        Args:
            which: a fold's number if a table is given, else a split; or ``nobody``.
            folds: the table.

        Raises:
            NoduleRiskError: no such fold or split, or a table that cannot be read.
        """
        self._which = which
        self._folds = {} if folds is None else read_folds(folds)
        known = sorted({str(fold) for fold in self._folds.values()}) if folds else list(SPLITS)
        if which not in (*known, NOBODY):
            raise NoduleRiskError(
                f"'{which}' cannot be held out: choose {', '.join((*known, NOBODY))}."
            )

    def kept(self, nodules: Sequence[LabelledNodule]) -> list[LabelledNodule]:
        """Returns the nodules to train on: none of a patient with any held-out nodule.

        Raises:
            NoduleRiskError: the table does not list a nodule.
        """
        out = {nodule.patient for nodule in nodules if self._holds(nodule)}
        return [nodule for nodule in nodules if nodule.patient not in out]

    def holds_ct(self, path: Path) -> bool:
        """Whether the table holds out the CT of this file name."""
        return str(self._folds.get(path.name)) == self._which

    def _holds(self, nodule: LabelledNodule) -> bool:
        if self._which == NOBODY:
            return False
        if not self._folds:
            return nodule.split == self._which
        if nodule.name not in self._folds:
            raise NoduleRiskError(f"The table of folds does not list nodule {nodule.name}: add it.")
        return str(self._folds[nodule.name]) == self._which


def _nodules(dataset: NoduleDataset, held_out: HeldOut, device: str) -> list[Lung]:
    outlined = [n for n in held_out.kept(dataset.nodules) if n.mask is not None and n.mask.any()]
    if not outlined:
        raise NoduleRiskError(
            f"{dataset.name} has no nodule with a mask to train on: check what is held out."
        )
    return [lung_of_nodule(nodule, seed, device) for seed, nodule in enumerate(outlined)]


def _whole(lungs: Sequence[str], held_out: HeldOut, device: str, report: Progress) -> list[Lung]:
    if not lungs:
        return []
    from nodulerisk.ct.read import read_ct  # it needs SimpleITK, which nodules alone do not

    report("reading CTs", None)
    given = [(path, points) for path, points in map(_ct_and_points, lungs)]
    kept = [(path, points) for path, points in given if not held_out.holds_ct(path)]
    return [
        lung_of_ct(read_ct(path), _positions(points), seed, device)
        for seed, (path, points) in enumerate(kept)
    ]


def _ct_and_points(text: str) -> tuple[Path, Path | None]:
    """Splits into a path, which may contain a '=', and optionally a list of points."""
    path, equals, points = text.rpartition("=")
    if not equals or Path(text).exists():
        return Path(text), None
    return Path(path), Path(points)


def _positions(points: Path | None) -> Iterator[tuple[float, float, float]]:
    yield from (point.lps_mm for point in read_points(points)) if points else ()


def _silent(stage: str, done: float | None) -> None:
    """Ignores progress."""
