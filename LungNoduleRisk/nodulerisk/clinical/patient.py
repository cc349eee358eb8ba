"""Facts that guidelines and scores need beyond the image; never stored with an assessment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import Text, Verbatim, _, joined, pgettext

Density = Literal["ground glass", "part-solid", "solid"]
Category = Literal["1", "2", "3", "4A", "4B", "4X"]
OLDEST, LARGEST_MM = 120, 300


Kind = Literal[
    "parenchymal",
    "juxtapleural",
    "perifissural",
    "subsegmental airway",
    "segmental airway",
    "thin-walled cyst",
    "thick-walled cyst",
    "multilocular cyst",
]
Shape = Literal["smooth oval", "smooth lentiform", "smooth triangular", "other"]
CystChange = Literal["cavity grew", "wall grew", "more loculated or opaque", "became multilocular"]
SolidPart = Literal["new", "growing", "slowly growing", "stable"]


@dataclass(frozen=True)
class Patient:
    """A patient, and one nodule of theirs; None: not known.

    Attributes:
        age: years.
        sex: ``female`` or ``male``.
        family_history: of lung cancer.
        emphysema: on the CT.
        nodules: how many there are in both lungs.
        risk: of lung cancer, as Fleischner 2017 defines it.
        smoking: of cigarettes.
        years_since_quitting: of a former smoker.
        cancer: any before this nodule: ``lung``, else ``within 5 years``, else ``earlier``.
        immunosuppression: by disease or treatment.
        setting: how the nodule was found: at a lung cancer ``screening``, or ``incidental``.
        incomplete: an earlier CT is awaited, or lungs were not fully seen.
        infection: the CT suggests an infection or inflammation that has to be ruled out first.
        significant_finding: another one on this CT that matters, but is not lung cancer.
        upper_lobe: the nodule lies in one.
        spiculation: the nodule has spicules.
        suspicious_features: others than spicules that suggest cancer, such as enlarged lymph nodes.
        density: the reader's density type.
        kind: a nodule in the lung (``parenchymal``), at the pleura, at a fissure, in an airway
            (``segmental airway``: segmental or larger), or an atypical cyst. In a cyst the cavity
            dominates, not its wall; a cyst of several compartments is ``multilocular``, a wall from
            2 mm on is thick. A cavitary nodule, in which the wall dominates, is parenchymal.
        shape: of a nodule at the pleura or a fissure.
        cyst_change: of a cyst, since the scan before.
        status: Lung-RADS: ``baseline`` on a first scan, later what the nodule does: ``growing``
            means over 1.5 mm within a year; ``slowly growing`` means less, over several scans.
        solid_part: what the solid component of a subsolid nodule does.
        previous: Lung-RADS category at the scan before.
        previous_diameter: mean diameter at the scan before, mm.
        previous_solid_diameter: the same of the solid component.
        benign_pattern: complete, central, popcorn or ring calcification, or fat.
        proven_benign: by biopsy or another diagnostic work-up.
        pet_uptake: of FDG by the nodule, against its surroundings.

    Raises:
        NoduleRiskError: an impossible age or diameter, fewer than one nodule, or years since
            quitting for someone who never smoked or still smokes, or that exceed the age.
    """

    age: float | None = None
    sex: Literal["female", "male"] | None = None
    family_history: bool | None = None
    emphysema: bool | None = None
    nodules: int | None = None
    risk: Literal["low", "high"] | None = None
    smoking: Literal["never", "former", "current"] | None = None
    years_since_quitting: float | None = None
    cancer: Literal["none", "earlier", "within 5 years", "lung"] | None = None
    immunosuppression: bool | None = None
    setting: Literal["screening", "incidental"] | None = None
    incomplete: bool | None = None
    infection: bool | None = None
    significant_finding: bool | None = None
    upper_lobe: bool | None = None
    spiculation: bool | None = None
    suspicious_features: bool | None = None
    density: Density | None = None
    kind: Kind | None = None
    shape: Shape | None = None
    cyst_change: CystChange | None = None
    status: Literal["baseline", "new", "stable", "slowly growing", "growing"] | None = None
    solid_part: SolidPart | None = None
    previous: Category | None = None
    previous_diameter: float | None = None
    previous_solid_diameter: float | None = None
    benign_pattern: bool | None = None
    proven_benign: bool | None = None
    pet_uptake: Literal["none", "faint", "moderate", "intense"] | None = None

    def __post_init__(self) -> None:
        if self.age is not None and not 0 < self.age <= OLDEST:
            raise NoduleRiskError(
                _("The age must be from 1 to {oldest} years.").format(oldest=OLDEST)
            )
        if self.nodules is not None and self.nodules < 1:
            raise NoduleRiskError(_("The number of nodules must be at least 1."))
        for mm in (self.previous_diameter, self.previous_solid_diameter):
            if mm is not None and not 0 <= mm <= LARGEST_MM:
                words = _("A previous diameter must be from 0 to {largest_mm} mm.")
                raise NoduleRiskError(words.format(largest_mm=LARGEST_MM))
        if (years := self.years_since_quitting) is not None:
            if not 0 <= years <= (self.age or OLDEST):
                raise NoduleRiskError(_("The years since quitting must be from 0 to the age."))
            if years and self.smoking in ("never", "current"):
                raise NoduleRiskError(
                    _("Years since quitting are only for a former smoker: smoking=former.")
                )


# As DICOM and hospitals' tables write it.
SEXES = {"f": "female", "m": "male", "woman": "female", "man": "male", "女": "female", "男": "male"}
SEXES |= {"女性": "female", "男性": "male"}
AGE = re.compile(r"(\d{1,3})\s*([ymwd]|岁)")  # DICOM's age string (PS3.5 6.2)
IN_YEARS = {"y": 1.0, "岁": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}

OF_THE_NODULE = (
    "upper_lobe",
    "spiculation",
    "suspicious_features",
    "density",
    "kind",
    "shape",
    "cyst_change",
    "status",
    "solid_part",
    "previous",
    "previous_diameter",
    "previous_solid_diameter",
    "benign_pattern",
    "proven_benign",
    "pet_uptake",
)


# What a form says of the fields whose names do not say it.
HELP = {
    "suspicious_features": _("Others than spicules, such as enlarged lymph nodes."),
    "kind": (
        _(
            "Juxtapleural and perifissural: at the pleura or a fissure. Segmental airway:"
            " or larger. Cysts: a wall from 2 mm on is thick, septa make one multilocular;"
            " where the wall dominates, it is parenchymal."
        )
    ),
    "shape": _("Of a nodule at the pleura or a fissure: its margin and shape."),
    "cyst_change": _("Of a cyst, since the scan before."),
    "status": (
        _(
            "Of the whole nodule. Growing: over 1.5 mm within 12 months; slowly growing:"
            " less, over several scans."
        )
    ),
    "solid_part": _("Of a ground-glass or part-solid nodule, since the scan before."),
    "previous": _("The Lung-RADS category at the scan before."),
    "previous_diameter": _("The mean diameter at the scan before, mm."),
    "previous_solid_diameter": _("The solid component's mean diameter at the scan before, mm."),
    "benign_pattern": _("Complete, central, popcorn or ring calcification, or fat."),
    "proven_benign": _("By biopsy or another diagnostic work-up."),
    "incomplete": _("An earlier CT is awaited, or the lungs were not fully seen."),
    "infection": _("The CT suggests an infection or inflammation to be ruled out first."),
    "significant_finding": _("Another one on this CT that matters, but is not lung cancer."),
    "immunosuppression": _("By disease or treatment."),
    "setting": _("How the nodule was found."),
}


def field_words(name: str) -> str:
    """Returns a field of ``Patient`` as it is shown: ``family history``, ``PET uptake``."""
    return Text(name.replace("_", " ").replace("pet ", "PET "))


def value_words(name: str, value: bool | float | str) -> str:
    """Returns a field's value as it is shown: ``yes``, ``12.1`` or ``solid``."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, str):
        return OF_ONE_FIELD.get((name, value), Text(value))
    return Text("{value:g}").format(value=value)


def input_words(name: str, value: str, origin: str = "") -> str:
    """Returns an input of a score or guideline in words: ``long axis 12.1 mm (measured)``."""
    template = Text("{name} {value} ({origin})" if origin else "{name} {value}")
    return template.format(name=name, value=value, origin=origin)


def why_not_computed(missing: Sequence[str], reason: str = "") -> str:
    """Returns why a score or guideline has no result: the inputs it lacks, or another reason."""
    if missing and not reason:
        return _("not computed: needs {missing}").format(missing=joined(", ", missing))
    return _("not computed: {reason}").format(reason=reason)


# What ``field_words`` and ``value_words`` return, for those who translate it.
FIELDS_IN_WORDS = (
    *(_("age"), _("sex"), _("family history"), _("emphysema"), _("nodules"), _("risk")),
    *(_("smoking"), _("years since quitting"), _("cancer"), _("immunosuppression")),
    *(_("setting"), _("incomplete"), _("infection"), _("significant finding"), _("upper lobe")),
    *(_("spiculation"), _("suspicious features"), _("density"), _("kind"), _("shape")),
    *(_("cyst change"), _("status"), _("solid part"), _("previous"), _("previous diameter")),
    *(_("previous solid diameter"), _("benign pattern"), _("proven benign"), _("PET uptake")),
)
OF_ONE_FIELD = {  # which the same English words of another field do not mean
    ("cancer", "none"): pgettext("cancer before", "none"),
    ("cancer", "earlier"): pgettext("cancer before", "earlier"),
    ("pet_uptake", "none"): pgettext("uptake of FDG", "none"),
    ("shape", "other"): pgettext("shape of a nodule", "other"),
}
VALUES_IN_WORDS = (
    *(_("female"), _("male"), _("low"), _("high"), _("never"), _("former"), _("current")),
    *(_("within 5 years"), _("lung"), _("screening"), _("incidental")),
    *(_("ground glass"), _("part-solid"), _("solid"), _("parenchymal"), _("juxtapleural")),
    *(_("perifissural"), _("subsegmental airway"), _("segmental airway"), _("thin-walled cyst")),
    *(_("thick-walled cyst"), _("multilocular cyst"), _("smooth oval"), _("smooth lentiform")),
    *(_("smooth triangular"), _("cavity grew"), _("wall grew")),
    *(_("more loculated or opaque"), _("became multilocular"), _("baseline"), _("new")),
    *(_("stable"), _("slowly growing"), _("growing"), _("faint"), _("moderate"), _("intense")),
)


def patient_from(texts: Iterable[str]) -> Patient:
    """Returns a patient from texts such as ``age=62``, ``emphysema=yes`` or ``status=slowly
    growing``.

    Raises:
        NoduleRiskError: unknown names or values.

    Examples:
        >>> patient = patient_from(["age=062Y", "emphysema=yes"])
        >>> patient.age, patient.emphysema, patient.sex
        (62.0, True, None)
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, _equals, value = (part.strip().lower() for part in text.partition("="))
        name = name.replace("-", "_")
        kinds = get_type_hints(Patient)
        if name not in kinds:
            words = _("'{text}' is not understood: write NAME=VALUE with one of {kinds}.")
            raise NoduleRiskError(words.format(text=text, kinds=joined(", ", map(Verbatim, kinds))))
        values[name] = _value(name, value, get_args(kinds[name])[0])
    return Patient(**values)


def _value(name: str, text: str, kind: Any) -> Any:
    """Returns a number where the field takes one, else one of the field's choices."""
    if name == "age" and (found := AGE.fullmatch(text)):
        return float(found[1]) * IN_YEARS[found[2]]
    if name == "sex":
        text = SEXES.get(text, text)
    if kind in (int, float):
        try:
            value = float(text.replace("_", "?"))  # Python alone reads 6_2 as 62
            if kind is int and not value.is_integer():
                raise ValueError(text)
            return kind(value)  # pandas writes 2.0 for 2
        except ValueError as error:
            raise NoduleRiskError(
                _("{name} must be a number, such as {name}=3.").format(name=Verbatim(name))
            ) from error
    choices = (
        {"yes": True, "no": False} if kind is bool else {str(c).lower(): c for c in get_args(kind)}
    )
    if text not in choices:
        raise NoduleRiskError(
            _("{name} must be one of {choices}.").format(
                name=Verbatim(name), choices=joined(", ", map(Verbatim, choices))
            )
        )
    return choices[text]
