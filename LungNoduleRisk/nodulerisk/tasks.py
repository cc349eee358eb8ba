"""Every task as one row: a question about a nodule, and everything the program knows about it.

All code that lists tasks or their classes reads ``TASKS``: to add a task, add a row. A weight set
may have own tasks beside these (``own_tasks.py``): its ``table`` has both. Needs no package: Slicer
reads it before any are installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Literal, get_args

from nodulerisk.language.texts import Text, Title, _
from nodulerisk.nodule.quantities import Code, own_code

EvidenceLevel = Literal["outcome", "pathology", "reader", "simulated", "none"]
EVIDENCE_LEVELS: tuple[EvidenceLevel, ...] = get_args(EvidenceLevel)
EVIDENCE_WORDS: dict[str, str] = {
    _("outcome"): _("a published model fitted on proven outcomes"),
    _("pathology"): _("trained and tested against pathology"),
    _("reader"): _("radiologists' suspicion, not pathology"),
    _("simulated"): _("simulated nodules: shows the workflow, says nothing about a patient"),
    _("none"): _("no evidence"),
}
# Levels that rest on no patient: such answers are shown apart, without a decision.
DEMONSTRATED: tuple[EvidenceLevel, ...] = ("simulated", "none")
DEMONSTRATION = _("Demonstration: trained on simulated nodules")
Group = Literal["presence", "main", "appearance"]


@dataclass(frozen=True)
class Task:
    """One question about a nodule.

    Attributes:
        name: as in cards, tables and JSON files.
        classes: names, in the order of every probability tuple.
        stem: prefix of the task's own DICOM codes; at most 10 characters, unique.
        group: ``presence``: whether it is a nodule at all, which the mask network decides first;
            ``main``: shown with bars of its own; ``appearance``: what a reader would describe.
        step: of the cascade. Tasks of a step run only for nodules that the previous steps let
            through.
        lets_through: the decisions (None: not run) after which the following steps are run; None:
            whatever the decision.
        code: the DICOM or RadLex code of the task; None: a code of our own.
        class_codes: class -> its standard code; classes without one have codes of our own.
        threshold: probability of the last of two classes from which it is decided for, if a weight
            set's card gives none; None: the most probable class wins.
        evidence: what its numbers may rest on, the best first.
        adenocarcinoma_only: the answer is meaningful only for an adenocarcinoma.
        but_first: the common name of all classes but the first; empty: they have none.
    """

    name: str
    classes: tuple[str, ...]
    stem: str
    group: Group = "main"
    step: int = 1
    lets_through: tuple[str | None, ...] | None = None
    code: Code | None = None
    class_codes: Mapping[str, Code] = field(default_factory=dict)
    threshold: float | None = None
    evidence: tuple[EvidenceLevel, ...] = EVIDENCE_LEVELS
    adenocarcinoma_only: bool = False
    but_first: str = ""

    @property
    def title(self) -> str:
        """The task's name in headings, such as ``Malignancy``."""
        return title_of(self.name)

    @property
    def numbered(self) -> bool:
        """Whether its classes are its name with 1, 2, 3 ...: tables may give the bare number."""
        return self.classes == tuple(f"{self.name} {n + 1}" for n in range(len(self.classes)))

    @property
    def concept(self) -> Code:
        """The task's DICOM code."""
        return self.code or own_code(self.stem, self.name)

    def own_class_code(self, label: str) -> Code:
        """Returns the DICOM code of one of its classes, by a code of our own."""
        return own_code(f"{self.stem}-{self.classes.index(label)}", label)


def title_of(name: str) -> str:
    """Returns a task's name in headings; capital letters stay, as in ``EGFR``."""
    return Title(name)


def level_words(level: EvidenceLevel) -> str:
    """Returns a level as it is shown: ``reader``, and ``no evidence`` for ``none``, which beside a
    question could be read as its answer."""
    return EVIDENCE_WORDS[level] if level == "none" else Text(level)


def _by_name(*tasks: Task) -> dict[str, Task]:
    return {task.name: task for task in tasks}


# The steps are the EMV-3D-CNN paper's. "Probability of cancer" (DCM 111047) is not used for
# malignancy, since it would claim too much.
TASKS: dict[str, Task] = _by_name(
    Task(_("presence"), (_("no nodule"), _("nodule")), "PRE", "presence", step=0),
    Task(
        _("malignancy"),
        (_("benign"), _("malignant")),
        "MAL",
        lets_through=("malignant",),
        code=Code("RID36042", "RADLEX", "Malignancy"),
        class_codes={
            "benign": Code("30807003", "SCT", "Benign"),
            "malignant": Code("21594007", "SCT", "Malignant"),
        },
    ),
    Task(
        _("invasiveness"),
        (_("pre-invasive"), _("invasive")),
        "INV",
        step=2,
        lets_through=("invasive", None),
        adenocarcinoma_only=True,
    ),
    Task(
        _("grade"),
        (_("grade 1"), _("grade 2"), _("grade 3")),
        "GRA",
        step=3,
        class_codes={
            "grade 1": Code("54102005", "SCT", "Grade 1: well differentiated"),
            "grade 2": Code("1663004", "SCT", "Grade 2: moderately differentiated"),
            "grade 3": Code("61026006", "SCT", "Grade 3: poorly differentiated"),
        },
        adenocarcinoma_only=True,
    ),
    Task(
        _("subtype"),
        ("AAH-AIS", "MIA", "IA"),
        "SUB",
        step=2,
        adenocarcinoma_only=True,
        but_first=_("invasive (MIA or IA)"),
    ),
    Task(
        _("density"),
        (_("ground glass"), _("part-solid"), _("solid")),
        "DEN",
        "appearance",
        class_codes={
            "ground glass": Code("RID50153", "RADLEX", "non-solid pulmonary nodule"),
            "part-solid": Code("RID50152", "RADLEX", "part-solid pulmonary nodule"),
            "solid": Code("RID50151", "RADLEX", "solid pulmonary nodule"),
        },
    ),
    Task(
        _("spiculation"),
        (_("not spiculated"), _("spiculated")),
        "SPI",
        "appearance",
        class_codes={"spiculated": Code("112136", "DCM", "Spiculated")},
    ),
    Task(
        _("lobulation"),
        (_("not lobulated"), _("lobulated")),
        "LOB",
        "appearance",
        class_codes={"lobulated": Code("112135", "DCM", "Lobulated")},
    ),
    Task(
        _("margin"),
        (_("sharp margin"), _("ill-defined margin")),
        "MAR",
        "appearance",
        class_codes={
            "sharp margin": Code("112137", "DCM", "Sharply defined"),
            "ill-defined margin": Code("300841009", "SCT", "Poorly defined"),
        },
    ),
    Task(
        _("calcification"),
        (_("not calcified"), _("calcified")),
        "CAL",
        "appearance",
        class_codes={
            "calcified": Code("237897009", "SCT", "Calcified"),
            "not calcified": Code("17589002", "SCT", "non-calcified"),
        },
    ),
)
PRESENCE = "presence"
NO_PRESENCE = TASKS[PRESENCE].classes[0]  # the decision after which nothing else is run
FIRST_TASK = "malignancy"  # the one shown or explained if there is room for only one


def task_of(name: str, classes: Sequence[str]) -> Task:
    """Returns the task of a result with these classes; for an own task, or one of another version,
    a task that says no more than the result itself."""
    known = TASKS.get(name) or Task(name, (), own_stem(name, classes))
    return replace(known, classes=tuple(classes))


def own_stem(name: str, classes: Sequence[str]) -> str:
    """Returns the stem of an own task's codes: another one for other classes, so that no code has
    two meanings."""
    digest = sha256("\n".join((name, *classes)).encode()).hexdigest()
    return re.sub("[^A-Z0-9]", "", name.upper())[:4] + digest[:6].upper()


def in_group(group: Group) -> list[str]:
    """Returns the names of the group's tasks."""
    return [name for name, task in TASKS.items() if task.group == group]


def two_class_tasks(tasks: Mapping[str, Task] = TASKS) -> list[str]:
    """Returns the names of the tasks that have a threshold."""
    return [name for name, task in tasks.items() if len(task.classes) == 2]


def cascade_steps(tasks: Mapping[str, Task] = TASKS) -> Iterator[tuple[str, ...]]:
    """Returns the names of the tasks of each step, the first step first; presence is not a step."""
    asked = {name: task for name, task in tasks.items() if task.group != "presence"}
    for step in sorted({task.step for task in asked.values()}):
        yield tuple(name for name, task in asked.items() if task.step == step)


def weakest(levels: Iterable[EvidenceLevel]) -> EvidenceLevel:
    """Returns the weakest: what rests on several rests on this."""
    return max(levels, key=EVIDENCE_LEVELS.index)
