"""Reads any dataset of labelled nodules, recognising it by what is at its path.

Formats with images or DICOM are imported only where they lie: cubes and slices need no SimpleITK.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nodulerisk.datasets.densesharp.read import holds_densesharp, read_densesharp
from nodulerisk.datasets.lidc.slices import read_lidc_slices
from nodulerisk.datasets.nodules import NoduleDataset
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import written_whole

ATTRIBUTION = "ATTRIBUTION.txt"  # beside a dataset: the text that its licence requires
FORMATS = (
    "a .csv or .tsv table of nodules on CTs (its own path, not its folder's)",
    "a folder of DenseSharp's .npz cubes with one .csv table",
    "LIDC-IDRI as downloaded, DICOM series and readers' .xml files",
    "a folder of LIDC slices with slices.npz",
)


def read_dataset(path: str | Path, *, cancers_invasive: bool = False) -> NoduleDataset:
    """Recognises the format of a dataset and reads it, with the ``ATTRIBUTION.txt`` beside it.

    Args:
        path: a table or a folder.
        cancers_invasive: see ``read_emv_table``.

    Raises:
        NoduleRiskError: nothing is there, the format is unknown, or it cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise NoduleRiskError(f"There is no file or folder at {path}: check the path.")
    dataset = _read(path, cancers_invasive)
    if dataset.attribution:
        return dataset
    return replace(dataset, attribution=_attribution_of(path if path.is_dir() else path.parent))


def keep_attribution(dataset: NoduleDataset, folder: Path) -> None:
    """Writes what the licence of the dataset requires beside what was made of it."""
    if dataset.attribution:
        with written_whole(folder / ATTRIBUTION) as partial:
            partial.write_text(dataset.attribution + "\n", encoding="utf-8")


def _attribution_of(folder: Path) -> str:
    path = folder / ATTRIBUTION
    return path.read_text("utf-8", errors="replace").strip() if path.is_file() else ""


def _read(path: Path, cancers_invasive: bool) -> NoduleDataset:
    if path.suffix.lower() in (".csv", ".tsv") and path.is_file():
        from nodulerisk.datasets.emv.table import read_emv_table

        return read_emv_table(path, cancers_invasive=cancers_invasive)
    if (path / "slices.npz").is_file():
        return read_lidc_slices(path)
    if holds_densesharp(path):
        return read_densesharp(path)
    from nodulerisk.datasets.lidc.xml_files import is_lidc_download, read_lidc_xml

    if path.is_dir() and is_lidc_download(path):
        return read_lidc_xml(path)
    raise NoduleRiskError(
        f"{path} holds no dataset in a known format. Give {'; or '.join(FORMATS)}."
    )


def said_of(dataset: NoduleDataset) -> Iterator[str]:
    """Yields, a line each, how its source was read and what was left out, with the reason."""
    yield from remarks_of(dataset)
    yield from (f"Left out: {case.name}: {case.reason}" for case in dataset.broken)


def remarks_of(dataset: NoduleDataset) -> Iterator[str]:
    """Yields how its source was read, in sentences."""
    if dataset.unused:
        yield f"Columns that were not used: {', '.join(dataset.unused)}."
    yield from dataset.remarks
