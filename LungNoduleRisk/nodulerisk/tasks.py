"""Every task one row: what is asked about a nodule, and all that the program knows of it.

Whatever lists tasks or their classes reads them from ``TASKS``: a further task is one row more.
Needs no package: Slicer reads it before any are installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from nodulerisk.nodule.quantities import Code, own_code

EvidenceLevel = Literal["outcome", "pathology", "reader", "simulated", "none"]
EVIDENCE_LEVELS: tuple[EvidenceLevel, ...] = get_args(EvidenceLevel)
EVIDENCE_WORDS: dict[str, str] = {
    "outcome": "a published model fitted on proven outcomes",
    "pathology": "trained and tested against pathology",
    "reader": "radiologists' suspicion, not pathology",
    "simulated": "simulated nodules: shows the workflow, says nothing about a patient",
    "none": "no evidence",
}
Group = Literal["presence", "main", "appearance"]


@dataclass(frozen=True)
class Task:
    """One question about a nodule.

    Attributes:
        name: as cards, tables and JSON files have it.
        classes: names, in the order of every probability tuple.
        stem: begins the values of its own DICOM codes; at most 10 characters, no two tasks' alike.
        group: ``presence``: whether it is a nodule, which the mask network says before anything
            else is asked; ``main``: bars of its own; ``appearance``: what a reader would describe.
        step: of the cascade. Tasks of a step are put to the nodules that the steps before let
            through.
        lets_through: the decisions (None: not run) after which the following steps are asked; None:
            whatever the decision.
        code: what DICOM or RadLex calls the task; None: a code of our own.
        class_codes: class -> its standard code; classes without one have codes of our own.
        threshold: probability of the last of two classes from which it is decided for, where a
            weight set's card gives none; None: the largest wins.
        evidence: what its numbers may rest on.
        adenocarcinoma_only: the answer is about adenocarcinomas, and about nothing else.
        but_first: what all classes but the first are called together; empty: they have no name.
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
        """As headings have it, such as ``Malignancy``."""
        return self.name.capitalize()

    @property
    def numbered(self) -> bool:
        """Whether its classes are its name with 1, 2, 3 ...: tables may give the bare number."""
        return self.classes == tuple(f"{self.name} {n + 1}" for n in range(len(self.classes)))

    @property
    def concept(self) -> Code:
        """The task in DICOM."""
        return self.code or own_code(self.stem, self.name)

    def own_class_code(self, label: str) -> Code:
        """One of its classes in DICOM, by a code of our own."""
        return own_code(f"{self.stem}-{self.classes.index(label)}", label)


def _by_name(*tasks: Task) -> dict[str, Task]:
    return {task.name: task for task in tasks}


# The steps are the EMV-3D-CNN paper's. "Probability of cancer" (DCM 111047) is no code of
# malignancy, for it would claim too much.
TASKS: dict[str, Task] = _by_name(
    Task("presence", ("no nodule", "nodule"), "PRE", "presence", step=0),
    Task(
        "malignancy",
        ("benign", "malignant"),
        "MAL",
        lets_through=("malignant",),
        code=Code("RID36042", "RADLEX", "Malignancy"),
        class_codes={
            "benign": Code("30807003", "SCT", "Benign"),
            "malignant": Code("21594007", "SCT", "Malignant"),
        },
    ),
    Task(
        "invasiveness",
        ("pre-invasive", "invasive"),
        "INV",
        step=2,
        lets_through=("invasive", None),
        adenocarcinoma_only=True,
    ),
    Task(
        "grade",
        ("grade 1", "grade 2", "grade 3"),
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
        "subtype",
        ("AAH-AIS", "MIA", "IA"),
        "SUB",
        step=2,
        adenocarcinoma_only=True,
        but_first="invasive (MIA or IA)",
    ),
    Task(
        "density",
        ("ground glass", "part-solid", "solid"),
        "DEN",
        "appearance",
        class_codes={
            "ground glass": Code("RID50153", "RADLEX", "non-solid pulmonary nodule"),
            "part-solid": Code("RID50152", "RADLEX", "part-solid pulmonary nodule"),
            "solid": Code("RID50151", "RADLEX", "solid pulmonary nodule"),
        },
    ),
    Task(
        "spiculation",
        ("not spiculated", "spiculated"),
        "SPI",
        "appearance",
        class_codes={"spiculated": Code("112136", "DCM", "Spiculated")},
    ),
    Task(
        "lobulation",
        ("not lobulated", "lobulated"),
        "LOB",
        "appearance",
        class_codes={"lobulated": Code("112135", "DCM", "Lobulated")},
    ),
    Task(
        "margin",
        ("sharp margin", "ill-defined margin"),
        "MAR",
        "appearance",
        class_codes={
            "sharp margin": Code("112137", "DCM", "Sharply defined"),
            "ill-defined margin": Code("300841009", "SCT", "Poorly defined"),
        },
    ),
    Task(
        "calcification",
        ("not calcified", "calcified"),
        "CAL",
        "appearance",
        class_codes={
            "calcified": Code("237897009", "SCT", "Calcified"),
            "not calcified": Code("17589002", "SCT", "non-calcified"),
        },
    ),
)
PRESENCE = "presence"
NO_PRESENCE = TASKS[PRESENCE].classes[0]  # the decision after which nothing else is asked
FIRST_TASK = "malignancy"  # the one shown or explained where there is room for one


def task_of(name: str, classes: Sequence[str]) -> Task:
    """The task of a result with these classes; of one by another version, which has other tasks,
    one that says no more than the result does."""
    known = TASKS.get(name, Task(name, (), name[:3].upper()))
    return replace(known, classes=tuple(classes))


def in_group(group: Group) -> list[str]:
    """The names of the group's tasks."""
    return [name for name, task in TASKS.items() if task.group == group]


def two_class_tasks() -> list[str]:
    """The names of the tasks that have a threshold."""
    return [name for name, task in TASKS.items() if len(task.classes) == 2]


def cascade_steps() -> Iterator[tuple[str, ...]]:
    """The names of the tasks of each step, the first step first; presence is no step."""
    asked = {name: task for name, task in TASKS.items() if task.group != "presence"}
    for step in sorted({task.step for task in asked.values()}):
        yield tuple(name for name, task in asked.items() if task.step == step)
