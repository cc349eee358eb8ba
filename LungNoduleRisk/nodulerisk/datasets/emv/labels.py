"""What the rows of a table say of the nodules' pathology."""

from __future__ import annotations

from collections.abc import Iterator

from nodulerisk.datasets.emv.rows import HOSPITAL_GRADE, PATHOLOGY
from nodulerisk.datasets.pathology import (
    CHINESE_PATHOLOGY,
    INVASIVE_CANCER,
    OTHER_CANCERS,
    labels_of,
    word_of,
)
from nodulerisk.datasets.rows import Row, cell, class_index, labels_in
from nodulerisk.errors import NoduleRiskError
from nodulerisk.weights.own_tasks import plain_word


def labels_of_row(row: Row, cancers_invasive: bool) -> dict[str, int]:
    """Returns the labels from the pathology, overridden by the columns of tasks.

    Raises:
        NoduleRiskError: an unknown word, two pathologies that contradict each other, or a grade of
            what has none.
    """
    pathology = _pathology_labels(row, cancers_invasive)
    _refuse_contradictions(row, pathology)
    labels = pathology | _hospital_grade(row, pathology) | labels_in(row)
    if pathology and "grade" in labels and labels.get("invasiveness") != 1:
        raise NoduleRiskError(
            "only invasive adenocarcinoma has a grade: correct the pathology or leave the grade out"
        )
    return labels


def _pathology_labels(row: Row, cancers_invasive: bool) -> dict[str, int]:
    pathology = cell(row, *PATHOLOGY)
    word = word_of(pathology)
    is_other = plain_word(CHINESE_PATHOLOGY.get(word, word)) in OTHER_CANCERS
    return labels_of(pathology) | (INVASIVE_CANCER if cancers_invasive and is_other else {})


def _refuse_contradictions(row: Row, pathology: dict[str, int]) -> None:
    """Refuses another column's pathology that contradicts the one that counts."""
    counted, *others = [name for name in PATHOLOGY if row.get(name)] or [""]
    for name in others:
        try:
            other = labels_of(row[name])
        except NoduleRiskError:  # the column says something else
            continue
        if any(pathology.get(task, index) != index for task, index in other.items()):
            raise NoduleRiskError(
                f"{counted} '{row[counted]}' and {name} '{row[name]}' contradict each other: keep"
                " one of them"
            )


def _hospital_grade(row: Row, pathology: dict[str, int]) -> dict[str, int]:
    """Returns the grade in the authors' own column, if the nodule has one."""
    grade = row.get(HOSPITAL_GRADE)
    if not grade or pathology.get("invasiveness") != 1:
        return {}
    return {"grade": class_index("grade", grade.removesuffix("级"))}


def ungraded(rows: list[Row], cancers_invasive: bool) -> Iterator[str]:
    """Yields a remark on the hospital's grades that are not used."""
    left = [
        row for row in rows if row.get(HOSPITAL_GRADE) and not _is_graded(row, cancers_invasive)
    ]
    if left:
        yield (
            f"The grades of {len(left)} nodule(s) under {HOSPITAL_GRADE} are not used: only"
            " invasive adenocarcinoma has one."
        )


def _is_graded(row: Row, cancers_invasive: bool) -> bool:
    try:
        return _pathology_labels(row, cancers_invasive).get("invasiveness") == 1
    except NoduleRiskError:  # the row is a broken case, and says so itself
        return True
