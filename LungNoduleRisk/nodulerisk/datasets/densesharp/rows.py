"""The rows of a folder's table: what they say of the nodules."""

from __future__ import annotations

from nodulerisk.datasets.nodules import split_of
from nodulerisk.datasets.pathology import labels_of
from nodulerisk.datasets.rows import LINE, NAMES, SIZES_MM, Row, cell, labels_in, split_in
from nodulerisk.datasets.spelling import pseudonym
from nodulerisk.errors import NoduleRiskError
from nodulerisk.tasks import TASKS
from nodulerisk.weights.own_tasks import plain_word

NAME, DIAGNOSIS, SUBSET = NAMES, ("diagnosis", "label", "class"), ("subset", "fold")
OWN = ("pathology", "patient", "split", "evidence")
COLUMNS = (NAME, DIAGNOSIS, SUBSET, tuple(SIZES_MM), *((name,) for name in (*OWN, *TASKS)))
DIAGNOSES = {"AAH": 0, "AIS": 0, "AAH-AIS": 0, "MIA": 1, "IA": 2}  # index of the task's class
BY_PLAIN_WORD = {plain_word(name): name for name in DIAGNOSES}
INVASIVENESS = (0, 0, 1)  # of each subtype
SUBSETS = {**dict.fromkeys("0123", "train"), "4": "validation"}


def name_of(row: Row) -> str:
    """Returns the name of the nodule and its .npz, else the line."""
    return cell(row, *NAME).removesuffix(".npz") or f"line {row[LINE]}"


def patient_of(row: Row) -> str:
    """Returns the patient's pseudonym, by default the nodule's name."""
    return pseudonym(cell(row, "patient")) or name_of(row)


def subset_of(row: Row) -> str:
    """Returns the subset, also where pandas wrote a column with gaps as floats."""
    return cell(row, *SUBSET).removesuffix(".0")


def split_of_row(row: Row, patient: str) -> str:
    """Returns the split: the given one, else the subset's, else by a hash of the patient.

    Raises:
        NoduleRiskError: an unknown subset or split.
    """
    subset = subset_of(row)
    if subset and subset not in SUBSETS:
        raise NoduleRiskError(f"unknown subset '{subset}': 0 to 3 train, 4 validation")
    return split_in(row) or (SUBSETS[subset] if subset else split_of(patient))


def diagnosis_of(row: Row) -> str:
    """Returns one of ``DIAGNOSES``; empty: not known. The column ``subtype`` may hold it too.

    Raises:
        NoduleRiskError: an unknown word, or a pathology of another subtype.
    """
    text = cell(row, *DIAGNOSIS)
    if text and plain_word(text) not in BY_PLAIN_WORD:
        raise NoduleRiskError(f"unknown diagnosis '{text}': write {', '.join(DIAGNOSES)}")
    told = BY_PLAIN_WORD.get(plain_word(text or row.get("subtype", "")), "")
    own = BY_PLAIN_WORD.get(plain_word(row.get("pathology", "")), "")
    if text and own and DIAGNOSES[own] != DIAGNOSES[told]:
        raise NoduleRiskError(f"the pathology is {own}, but the diagnosis {told}: keep one of them")
    return own or told


def labels_of_row(row: Row, diagnosis: str) -> dict[str, int]:
    """Returns the labels from the diagnosis or another pathology, overridden by the tasks' columns.

    Raises:
        NoduleRiskError: unknown words, or a subtype that is not the diagnosis's.
    """
    labels = labels_in(row)
    if diagnosis:
        subtype = DIAGNOSES[diagnosis]
        if labels.setdefault("subtype", subtype) != subtype:
            raise NoduleRiskError(f"the subtype is not that of {diagnosis}: keep one of them")
    else:
        labels = labels_of(row.get("pathology", "")) | labels
    if "subtype" not in labels:
        return labels
    return {"invasiveness": INVASIVENESS[labels["subtype"]]} | labels
