"""What is wrong between the rows of a cohort's table, and with the files that it names."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path

from nodulerisk.clinical.patient import OF_THE_NODULE
from nodulerisk.cohort.nodules import CohortNodule
from nodulerisk.cohort.table.cases import Case
from nodulerisk.cohort.table.columns import PATIENT
from nodulerisk.cohort.table.problems import Problems, quoted
from nodulerisk.ct.image_files import META, NIFTI, NRRD
from nodulerisk.ct.points import lps_of
from nodulerisk.datasets.rows import number
from nodulerisk.datasets.spelling import SAME_MM, ct_key

# Threads, and files that each checks: a network drive answers slowly, but many requests at once.
READERS, ASKED_FOR = (16, 500)
OF_THE_PATIENT = tuple(name for name in PATIENT if name not in OF_THE_NODULE)
Cases = Mapping[str, Case]


def check_files(cases: Cases, folder: Path, problems: Problems) -> None:
    """Finds CTs that are not there, and cases of one CT that contradict each other."""
    there = dict.fromkeys(case.told.ct for case in cases.values())
    keys = dict(zip(there, _keys([os.path.join(folder, path) for path in there]), strict=True))
    of_one: defaultdict[Hashable, list[Case]] = defaultdict(list)
    for case in cases.values():
        key = keys[case.told.ct]
        if not case.told.ct:
            problems.say(case.row, "ct is empty", *case.rows.values())
        elif key is None:
            words = "there is no file or folder at the path in ct"
            problems.say(case.row, words, *case.rows.values())
        else:
            of_one[key].append(case)
    for of_file in of_one.values():
        for series in {case.told.series for case in of_file} - {""} or {""}:
            same = [case for case in of_file if case.told.series in ("", series)]
            _check_people(same, problems)
            _check_facts(same, problems)
            _check_labels(same, problems)


def _check_people(cases: list[Case], problems: Problems) -> None:
    """Gives all cases of one CT the patient that one of them names."""
    naming = next((case for case in cases if case.told.patient), cases[0])
    for case in cases:
        if case.told.patient not in (0, naming.told.patient):
            words = f"case '{case.name}' has the CT of '{naming.name}', but another patient"
            problems.say(case.row, words, *case.rows.values(), *naming.rows.values())
        case.told = case.told._replace(patient=naming.told.patient)


def _check_facts(cases: list[Case], problems: Problems) -> None:
    """Refuses one CT with two ages or sexes of its patient."""
    firsts: dict[str, tuple[object, int]] = {}
    for row, nodule in _rows_of(cases):
        for name in OF_THE_PATIENT if nodule.patient else ():
            if (value := getattr(nodule.patient, name)) is None:
                continue
            first, first_row = firsts.setdefault(name, (value, row))
            if first != value:
                words = f"the CT's patient has another {name} in row {first_row}"
                problems.say(row, words, first_row)


def _check_labels(cases: list[Case], problems: Problems) -> None:
    """Refuses one place in one CT with two labels of a task."""
    labelled = [(row, nodule) for row, nodule in _rows_of(cases) if nodule.labels]
    for index, (row, nodule) in enumerate(labelled):
        for first_row, first in labelled[:index]:
            both = nodule.labels.keys() & first.labels.keys() if _is_same(nodule, first) else ()
            for task in both:
                here, there = nodule.labels[task], first.labels[task]
                if here != there:
                    words = f"the same nodule is {there} in row {first_row}, and {here} here"
                    problems.say(row, words, first_row)


def _rows_of(cases: list[Case]) -> Iterator[tuple[int, CohortNodule]]:
    return ((case.rows[key], nodule) for case in cases for key, nodule in case.nodules.items())


def _is_same(one: CohortNodule, other: CohortNodule) -> bool:
    """Whether two points of one CT are of one nodule, as far as their coordinates tell."""
    (system, point), (other_system, other_point) = _place(one), _place(other)
    return system == other_system and math.dist(point, other_point) < SAME_MM


def _place(nodule: CohortNodule) -> tuple[str, tuple[float, float, float]]:
    """Returns the point in LPS mm, or in the coordinates that only the CT places."""
    if nodule.coordinates in ("lps", "ras"):
        return "mm", lps_of(nodule.point, "ras" if nodule.coordinates == "ras" else "lps")
    return nodule.coordinates, nodule.point


def _keys(paths: list[str]) -> Iterator[Hashable]:
    """Returns what all paths to each file or folder share; None: there is none."""
    some = [paths[start : start + ASKED_FOR] for start in range(0, len(paths), ASKED_FOR)]
    with ThreadPoolExecutor(READERS) as threads:
        yield from chain.from_iterable(threads.map(lambda part: list(map(_key, part)), some))


def _key(path: str) -> Hashable:
    key = ct_key(path)
    return None if isinstance(key, str) else key


def check_earlier(cases: Cases, problems: Problems) -> None:
    """Finds what is wrong with the cases that ``earlier`` links, and assigns these to the patient
    that one of them names."""
    for case in cases.values():
        _check_pair(case, cases, problems)
    pairs = {
        name: {case.told.earlier.casefold()} for name, case in cases.items() if case.told.earlier
    }
    try:
        linked = list(TopologicalSorter(pairs).static_order())
    except CycleError as error:
        case = cases[error.args[1][0]]
        problems.say(case.row, f"case '{case.name}' would be earlier than itself")
    else:
        _share_patients(filter(cases.__contains__, linked), cases, problems)


def _check_pair(case: Case, cases: Cases, problems: Problems) -> None:
    earlier, days = case.told.earlier, case.told.days
    count = problems.attempt(case.row, number, days, "days") if days else None
    if count is not None and count <= 0:
        problems.say(case.row, "days are counted from the earlier CT and must be more than 0")
    if days and not earlier:
        problems.say(case.row, "days are given, but no earlier case")
    if not earlier:
        return
    before = cases.get(earlier.casefold())
    if before is None:
        problems.say(case.row, f"there is no case {quoted(earlier)}, as named in earlier")
    elif not days and any(
        one.told.ct.lower().endswith(NIFTI + NRRD + META) for one in (before, case)
    ):
        problems.say(case.row, "days is empty, and one of the two files carries no date")


def _share_patients(linked: Iterable[str], cases: Cases, problems: Problems) -> None:
    """Assigns all CTs linked by ``earlier`` to the patient that one of them names; ``linked``:
    earlier ones first."""
    firsts: dict[str, str] = {}  # each -> the first of these CTs
    naming: dict[str, Case] = {}  # the first -> one of them that names the patient
    for name in linked:
        case = cases[name]
        first = firsts[name] = firsts.get(case.told.earlier.casefold(), name)
        if case.told.patient:
            other = naming.setdefault(first, case)
            if case.told.patient != other.told.patient:
                words = f"another patient than '{other.name}', which earlier links it to"
                problems.say(case.row, f"case '{case.name}' has {words}")
    for name, first in firsts.items():
        if first in naming:
            patient = naming[first].told.patient
            cases[name].told = cases[name].told._replace(patient=patient)
