"""Own tasks: rows beside ``TASKS`` that a plan, a ``tasks.toml`` or a weight set's card brings.

::

    [tasks.EGFR]
    classes = ["wild type", "mutated"]
    column = "egfr"
    words = { "wild type" = ["no"], mutated = ["L858R", "exon 19"] }
    evidence = "pathology"

Keys of a task, whose name is what stands in every table and file:

* ``classes``: 2 to 10 names; of two, the second is the one that has a threshold.
* ``evidence``: what its labels rest on: pathology (or another test of tissue), reader or simulated.
* ``column``: of the data's tables, the one that feeds it; by default the one of its name. Also
  ``pathology``, and the name of a task of ``TASKS``, whose labels are then merged.
* ``words``: for each class what the column says of it, besides the class's own name.
* ``unknown``: words for "not known"; an empty cell is one.
* ``step``: 1 (by default) beside the other tasks. 2: with the cascade, asked only of nodules
  decided malignant; 3: of those also decided invasive.
* ``lets_through``: its classes after which the later steps are asked; by default all.
* ``adenocarcinoma_only``: whether it is meaningful only for an adenocarcinoma.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import column_name
from nodulerisk.language.texts import Verbatim, _, joined, message_of
from nodulerisk.tasks import EVIDENCE_LEVELS, TASKS, EvidenceLevel, Task, own_stem

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,15}")
CLASS = re.compile(r"[^\W_][\w +.-]{0,23}(?<! )")
FEWEST, MOST = 2, 10  # classes
STATED: tuple[EvidenceLevel, ...] = ("pathology", "reader", "simulated")
KEYS = (
    *("classes", "evidence", "column", "words", "unknown"),
    *("step", "lets_through", "adenocarcinoma_only"),
)
PATHOLOGY = ("pathology", "diagnosis")  # columns whose words are pathologies
NO_LABELS = {  # columns of the data's tables that say something else of a nodule
    *("name", "patient", "patient_id", "ct", "series_uid", "mask", "x", "y", "z", "coordinates"),
    *("split", "subset", "fold", "evidence"),
}
# Names under which tables and reports have something else, and what stands in place of a decision.
NOT_A_TASK = {
    *("mask", "name", "nodule", "case", "patient", "size", "diameter", "x", "y", "z", "label"),
    *("evidence", "weight", "weight_set", "research", "research_use"),
}
NOT_A_CLASS = {"withheld", "decision withheld", "demonstration", "not run", "refused", "no nodule"}
PARTS = ("decision", "evidence", "threshold", "spread", "by_volume", "label")  # of its columns


def plain_word(word: str) -> str:
    """Returns a word without what tables spell differently: case, width, spaces, hyphens and
    slashes beside letters, pandas' ``.0``, and of pathologies the long names.

    Examples:
        >>> plain_word("Wild-type"), plain_word("1.0"), plain_word("+"), plain_word("IAC")
        ('wildtype', '1', '+', 'ia')
    """
    text = unicodedata.normalize("NFKC", word).casefold().strip()
    text = re.sub(r"(?<=[^\W\d_])[\s_/-]+(?=[^\W_])|(?<=\d)[\s_/-]+(?=[^\W\d_])", "", text)
    text = re.sub(r"^(\d+)\.0+$", r"\1", text)
    return SYNONYMS.get(text, text)


SYNONYMS: dict[str, str] = {
    "atypicaladenomatoushyperplasia": "aah",
    "adenocarcinomainsitu": "ais",
    "minimallyinvasiveadenocarcinoma": "mia",
    "invasiveadenocarcinoma": "ia",
    "iac": "ia",
}


@dataclass(frozen=True)
class OwnTask(Task):
    """A task with what feeds it.

    Attributes:
        column: of the data's tables, as ``column_name`` returns it.
        words: for each class, what the column says of it besides its name.
        unknown: words that mean "not known".
    """

    column: str = ""
    words: tuple[tuple[str, ...], ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def indices(self) -> dict[str, int]:
        """The class's index by every plain word for it."""
        return {
            plain_word(word): index
            for index, (name, words) in enumerate(zip(self.classes, self.words, strict=True))
            for word in (name, *words)
        }

    def class_index(self, text: str) -> int | None:
        """Returns the index of the class that a cell names, in a word or several that agree; None
        if it is not known.

        Raises:
            NoduleRiskError: a word of no class, or words of two.
        """
        indices, unknown = self.indices, {"", *map(plain_word, self.unknown)}
        parts = [text] if plain_word(text) in indices else re.split("[,;]", text)
        told = {plain_word(part): part.strip() for part in parts}
        if strangers := [part for word, part in told.items() if word not in {*indices, *unknown}]:
            raise NoduleRiskError(
                _(
                    "{column} '{text}' names no class of {name}: list '{strangers}' among the"
                    " task's words, or as unknown"
                ).format(
                    column=Verbatim(self.column),
                    text=text,
                    name=Verbatim(self.name),
                    strangers=strangers[0],
                )
            )
        return self.agreed({indices[word] for word in told if word in indices}, text)

    def agreed(self, found: set[int], text: str) -> int | None:
        """Returns the one index among those found; None if there is none.

        Raises:
            NoduleRiskError: there are two.
        """
        if len(found) > 1:
            names = joined(" and ", (Verbatim(self.classes[index]) for index in sorted(found)))
            words = _("'{text}' contradicts itself: of {name} it is {names}")
            raise NoduleRiskError(words.format(text=text, name=Verbatim(self.name), names=names))
        return found.pop() if found else None


def own_tasks_from(values: Any) -> dict[str, OwnTask]:
    """Returns the tasks of a table with one table for each, by name.

    Raises:
        ValueError: one cannot be a task beside the others; the message says why.
    """
    rows = _table(Verbatim("tasks"), values)
    _refuse_alike(
        _("there is a task '{first}' already: '{twice}' needs another name"), [*TASKS, *rows]
    )
    tasks = {name: _own_task(name, row) for name, row in rows.items()}
    for first, twice in _repeated(chain.from_iterable(map(_columns, (TASKS | tasks).values()))):
        words = _("{first} and {twice} would be one column of the tables: rename a class")
        raise ValueError(words.format(first=Verbatim(first), twice=Verbatim(twice)))
    return tasks


def read_own_tasks(path: Path) -> dict[str, OwnTask]:
    """Reads a ``tasks.toml``, whose ``[tasks.NAME]`` are as in a plan.

    Raises:
        ValueError: the file cannot be read, or see ``own_tasks_from``.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        words = _("{name} is not a readable TOML file: {error}")
        raise ValueError(words.format(name=Verbatim(path.name), error=str(error))) from error
    if unknown := values.keys() - {"tasks"}:
        words = _("{name}: '{lowest}' is not understood")
        raise ValueError(words.format(name=Verbatim(path.name), lowest=min(unknown)))
    return own_tasks_from(values.get("tasks", {}))


def values_of(task: OwnTask) -> dict[str, Any]:
    """Returns a task as ``own_tasks_from`` takes it."""
    return {
        "classes": list(task.classes),
        "evidence": task.evidence[0],
        "column": task.column,
        "words": {name: list(w) for name, w in zip(task.classes, task.words, strict=True)},
        "unknown": list(task.unknown),
        "step": task.step,
        "lets_through": list(task.lets_through or task.classes),
        "adenocarcinoma_only": task.adenocarcinoma_only,
    }


def _own_task(name: str, row: Any) -> OwnTask:
    try:
        return _made(name, _table(_("it"), row))
    except ValueError as error:
        raise ValueError(
            _("task {name}: {error}").format(name=Verbatim(name), error=message_of(error))
        ) from error


def _made(name: str, row: dict[str, Any]) -> OwnTask:
    _refuse_name(name)
    if unknown := row.keys() - {*KEYS}:
        raise ValueError(_("'{lowest}' is not understood").format(lowest=min(unknown)))
    classes = _classes(row)
    task = OwnTask(
        name,
        classes,
        own_stem(name, classes),
        step=_step(row.get("step", 1)),
        lets_through=_lets_through(row, classes),
        evidence=_evidence(row),
        adenocarcinoma_only=_yes_or_no(row, "adenocarcinoma_only"),
        column=_column(row.get("column", name)),
        words=_words_by_class(row, classes),
        unknown=_words(Verbatim("unknown"), row.get("unknown", [])),
    )
    _refuse_contradictions(task)
    _refuse_strangers(task)
    return task


def _refuse_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(_("its name must be up to 16 letters, digits, - and _, a letter first"))
    if plain_word(name) in map(plain_word, NOT_A_TASK):
        raise ValueError(_("results have something else of this name: choose another"))


def _classes(row: dict[str, Any]) -> tuple[str, ...]:
    classes = _words(Verbatim("classes"), row.get("classes", []))
    if not FEWEST <= len(classes) <= MOST:
        words = _("it needs {fewest} to {most} classes, and has {count}")
        raise ValueError(words.format(fewest=FEWEST, most=MOST, count=len(classes)))
    for name in classes:
        if not CLASS.fullmatch(name):
            words = _(
                "the class '{name}' must be up to 24 letters, digits, spaces, +, -, . and _, a"
                " letter or digit first"
            )
            raise ValueError(words.format(name=name))
        if plain_word(name) in map(plain_word, NOT_A_CLASS):
            words = _("'{name}' stands for no class in the results: choose another word")
            raise ValueError(words.format(name=name))
    _refuse_alike(_("there is a class '{first}' already: '{twice}' needs another name"), classes)
    return classes


def _step(step: Any) -> int:
    if type(step) is not int or step < 1:
        raise ValueError(_("step must be a whole number from 1"))
    return step


def _yes_or_no(row: dict[str, Any], key: str) -> bool:
    if not isinstance(value := row.get(key, False), bool):
        raise ValueError(_("{key} must be true or false").format(key=Verbatim(key)))
    return value


def _lets_through(row: dict[str, Any], classes: tuple[str, ...]) -> tuple[str, ...] | None:
    """Returns None where every decision lets through, as in ``TASKS``."""
    given = _words(Verbatim("lets_through"), row.get("lets_through", list(classes)))
    if not given or not {*given} <= {*classes}:
        words = _("lets_through must be some of {classes}")
        raise ValueError(words.format(classes=joined(", ", map(Verbatim, classes))))
    return None if {*given} == {*classes} else given


def _evidence(row: dict[str, Any]) -> tuple[EvidenceLevel, ...]:
    """Returns the stated level and all weaker ones."""
    stated = row.get("evidence")
    if stated not in STATED:
        words = _("evidence must say what its labels rest on: {stated}")
        raise ValueError(words.format(stated=joined(", ", map(Verbatim, STATED))))
    return EVIDENCE_LEVELS[EVIDENCE_LEVELS.index(stated) :]


def _column(text: Any) -> str:
    column = column_name(text) if isinstance(text, str) else ""
    if column in ("label", "class", "flag"):
        words = _("tables have pathologies in the column '{text}': give yours another name")
        raise ValueError(words.format(text=text))
    if not column or column in NO_LABELS:
        raise ValueError(
            _("column '{text}' holds no labels: name the one that does").format(text=text)
        )
    return column


def _words_by_class(row: dict[str, Any], classes: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    given = _table(Verbatim("words"), row.get("words", {}))
    if strangers := given.keys() - {*classes}:
        raise ValueError(
            _("words of '{lowest}', which is not one of its classes").format(lowest=min(strangers))
        )
    return tuple(
        _words(_("words of {name}").format(name=Verbatim(name)), given.get(name, []))
        for name in classes
    )


def _words(what: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(
        isinstance(value, str) or type(value) is int for value in values
    ):
        raise ValueError(
            _('{what} must be a list of words, such as ["yes", "1"]').format(what=what)
        )
    return tuple(map(str, values))


def _table(what: str, values: Any) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ValueError(_("{what} must be a table").format(what=what))
    return values


def _refuse_contradictions(task: OwnTask) -> None:
    said: dict[str, str] = {plain_word(word): "unknown" for word in ("", *task.unknown)}
    for name, words in zip(task.classes, task.words, strict=True):
        for word in (name, *words):
            if said.setdefault(plain_word(word), name) != name:
                raise ValueError(
                    _("'{word}' would be both {said} and {name}").format(
                        word=word, said=Verbatim(said[plain_word(word)]), name=Verbatim(name)
                    )
                )


def _refuse_strangers(task: OwnTask) -> None:
    """Refuses words that the task whose labels are merged does not know."""
    if task.column not in TASKS:
        return
    known = TASKS[task.column].classes
    words = [*chain(*task.words)] or task.classes
    if strangers := [w for w in words if plain_word(w) not in map(plain_word, known)]:
        raise ValueError(
            _("'{strangers}' is no class of {column}: its words are {known}").format(
                strangers=strangers[0],
                column=Verbatim(task.column),
                known=joined(", ", map(Verbatim, known)),
            )
        )


def _refuse_alike(refusal: str, names: Iterable[str]) -> None:
    for first, twice in _repeated(names):
        raise ValueError(refusal.format(first=first, twice=twice))


def _repeated(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Yields names that differ from an earlier one in their spelling only, each after that one."""
    seen: dict[str, str] = {}
    for name in names:
        if (word := plain_word(name)) in seen:
            yield seen[word], name
        seen[word] = name


def _columns(task: Task) -> list[str]:
    return [f"{task.name}_{part}" for part in (*task.classes, *PARTS)]
