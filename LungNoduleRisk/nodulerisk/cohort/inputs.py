"""What a result of a cohort rests on, as a hash: a corrected row or a replaced CT is assessed again
(fault 87)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from nodulerisk.cohort.nodules import Cohort, CohortNodule, CtCase, Key
from nodulerisk.cohort.table.checks import READERS

HEADERS, VOXELS = ((".mhd", ".nhdr"), (".raw", ".zraw", ".raw.gz"))


def inputs_of(cohort: Cohort) -> dict[Key, str]:
    """Returns for every nodule a hash of its point, the facts about its patient, the path of its CT
    as the table has it, the series, and the names, sizes and times of the CT's files; not of its
    labels, which change no result."""
    with ThreadPoolExecutor(READERS) as threads:
        files = threads.map(lambda case: list(_files(case.ct)), cohort.cases)
        return {
            (case.case, nodule.name): _hash(case, nodule, found)
            for case, found in zip(cohort.cases, files, strict=True)
            for nodule in case.nodules
        }


def _hash(case: CtCase, nodule: CohortNodule, files: list[tuple[str, int, int]]) -> str:
    facts = None if nodule.patient is None else asdict(nodule.patient)
    ct = (case.listed_as or str(case.ct), case.series, files)
    values = (ct, nodule.coordinates, nodule.point, facts)
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _files(ct: Path) -> Iterator[tuple[str, int, int]]:
    """Yields name, size and time of change of every file of a CT."""
    if not ct.is_dir():
        beside = (ct.with_suffix(end) for end in VOXELS if ct.suffix.lower() in HEADERS)
        yield from (_seen(path, path.name) for path in (ct, *beside) if path.exists())
        return
    for folder, folders, names in os.walk(ct):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            yield _seen(path, path.relative_to(ct).as_posix())


def _seen(path: Path, name: str) -> tuple[str, int, int]:
    found = os.lstat(path) if path.is_symlink() and not path.exists() else os.stat(path)
    return name, found.st_size, found.st_mtime_ns
