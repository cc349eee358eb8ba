"""Labels of own tasks, from whatever a dataset says of its nodules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from nodulerisk.datasets.nodules import LabelledNodule, NoduleDataset, read_each
from nodulerisk.datasets.pathology import (
    BY_PLAIN_WORD,
    CHINESE_PATHOLOGY,
    GRADE,
    grade_index,
    word_of,
)
from nodulerisk.datasets.rows import repeated
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import column_name
from nodulerisk.language.texts import _
from nodulerisk.tasks import TASKS
from nodulerisk.weights.own_tasks import PATHOLOGY, OwnTask, plain_word

EITHER = {"aahais": ("aah", "ais")}  # a pathology that is one of several


def with_own_labels(dataset: NoduleDataset, tasks: Mapping[str, OwnTask]) -> NoduleDataset:
    """Returns the dataset with labels of these tasks too.

    A column that feeds a task alone must be understood: a nodule with another word in it becomes a
    broken case. A pathology, and a label of a task of ``TASKS``, need not be one of the words: the
    nodule then has no label of the own task.
    """
    nodules, broken = read_each(
        dataset.nodules, lambda nodule: nodule.name, lambda nodule: _labelled(nodule, tasks)
    )
    columns = {task.column for task in tasks.values()}
    for column in columns & repeated(map(column_name, dataset.unused)):
        raise NoduleRiskError(f"Several columns are called '{column}': keep one of them.")
    unused = tuple(name for name in dataset.unused if column_name(name) not in columns)
    return replace(dataset, nodules=nodules, broken=(*dataset.broken, *broken), unused=unused)


def fed_by_a_column(tasks: Mapping[str, OwnTask]) -> dict[str, OwnTask]:
    """Returns the tasks with labels of their own; those of the others follow from a pathology or
    another task."""
    others = (*PATHOLOGY, *TASKS)
    return {name: task for name, task in tasks.items() if task.column not in others}


def without_own_words(text: str, tasks: Mapping[str, OwnTask]) -> tuple[str, dict[str, int]]:
    """Takes the words for own tasks, such as ``EGFR: mutated``, out of words separated by commas.

    Returns:
        The other words, and the index of the class by own task.

    Raises:
        NoduleRiskError: no class of the task, two of them, or a task that is not there.
    """
    named = {plain_word(name): name for name in fed_by_a_column(tasks)}
    others, own = [], dict[str, list[str]]()
    for part in text.split(","):
        name, colon, word = part.partition(":")
        if colon and plain_word(name) in named:
            own.setdefault(named[plain_word(name)], []).append(word)
            continue
        if colon and word_of(part) not in BY_PLAIN_WORD:
            raise NoduleRiskError(
                _(
                    "'{part}' is no pathology, nor of a task of the weight set: choose the set that"
                    " has the task, or correct the words"
                ).format(part=part.strip())
            )
        others.append(part)
    found = {name: tasks[name].class_index(",".join(words)) for name, words in own.items()}
    return ",".join(others).strip(), {n: index for n, index in found.items() if index is not None}


def refuse_unseen_classes(tasks: Iterable[OwnTask], nodules: Iterable[LabelledNodule]) -> None:
    """Raises NoduleRiskError if no nodule to train on has one of the classes: it could never be
    learnt, and its words are probably other ones."""
    train = [nodule for nodule in nodules if nodule.split == "train"]
    for task in tasks:
        seen = {nodule.labels.get(task.name) for nodule in train}
        lacking = [name for index, name in enumerate(task.classes) if index not in seen]
        if lacking:
            raise NoduleRiskError(
                f"No nodule to train on is '{lacking[0]}' of {task.name}, by the column"
                f" '{task.column}': check the column and the task's words."
            )


def _labelled(nodule: LabelledNodule, tasks: Mapping[str, OwnTask]) -> LabelledNodule:
    found = {name: _label(nodule, task) for name, task in tasks.items()}
    known = {name: index for name, index in found.items() if index is not None}
    return replace(nodule, labels=nodule.labels | known)


def _label(nodule: LabelledNodule, task: OwnTask) -> int | None:
    if task.column in TASKS:
        index = nodule.labels.get(task.column)
        text = "" if index is None else TASKS[task.column].classes[index]
        return task.indices.get(plain_word(text))
    if task.column in PATHOLOGY:
        return _by_pathology(nodule.pathology, task)
    return task.class_index(nodule.cells.get(task.column, ""))


def _by_pathology(text: str, task: OwnTask) -> int | None:
    indices = task.indices
    found = {indices[word] for word in _pathology_words(text) if word in indices}
    if found or (kinds := EITHER.get(plain_word(text))) is None:
        return task.agreed(found, text)
    either = {indices.get(kind) for kind in kinds}
    return either.pop() if len(either) == 1 else None


def _pathology_words(text: str) -> Iterator[str]:
    """Yields the plain words of a pathology: without remarks, in its own language and in English,
    its grade apart."""
    if grade := GRADE.search(text):
        yield plain_word(f"grade {grade_index(grade) + 1}")
    word = word_of(text)
    yield word
    yield plain_word(CHINESE_PATHOLOGY.get(word, word))
