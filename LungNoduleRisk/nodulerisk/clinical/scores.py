"""Scores: published models of the probability that a nodule is cancer, fitted on proven outcomes.

Each score is a row of ``SCORES``. The image fills in what it shows: diameters, density type,
spiculation where the networks' answer is not withheld, and how many nodules are listed; the
reader's density type comes before the networks'. Everything else has to be given, and nothing is
guessed: a score that lacks an input is not computed and says which one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nodulerisk.assessment import Assessment
from nodulerisk.checks import NO_NODULE
from nodulerisk.clinical.formulas import (
    BROCK_1A,
    BROCK_1B,
    BROCK_2A,
    BROCK_2B,
    Formula,
    brock,
    herder,
    mayo,
    veterans_affairs,
)
from nodulerisk.clinical.patient import (
    Patient,
    field_words,
    input_words,
    value_words,
    why_not_computed,
)
from nodulerisk.clinical.reported import (
    GIVEN,
    MEASURED,
    NETWORKS,
    density_of,
    half_up,
    networks_density,
)
from nodulerisk.language.texts import Text, _, joined
from nodulerisk.nodule.measure import value_of
from nodulerisk.tasks import EvidenceLevel
from nodulerisk.trust.withhold import withheld

Value = bool | float | str

LISTED, NOT_FORMER = _("as listed"), _("not a former smoker")
DIAMETERS = ("long axis", "mean diameter")


# --- Limits


@dataclass(frozen=True)
class Limit:
    """A limit of the patients that a score was made for.

    Attributes:
        input: name of the input that decides.
        beyond: whether a value of it is beyond the limit.
        words: who or what the score was made for, such as ``made for single nodules``.
        refuses: the publication itself rules the score out beyond the limit, so it is not computed.
    """

    input: str
    beyond: Callable[[Any], bool]
    words: str
    refuses: bool = False


def _between(name: str, low: float, high: float, words: str) -> Limit:
    return Limit(name, lambda value: not low <= value <= high, words)


def _only(name: str, value: Value, words: str) -> Limit:
    return Limit(name, lambda found: found != value, words)


NO_LUNG_CANCER = Limit(
    "cancer",
    lambda found: found == "lung",
    _("made for patients who never had lung cancer"),
    refuses=True,
)
NO_PATTERN = Limit("benign_pattern", bool, _("made for nodules without benign calcification"))
SINGLE = Limit("nodules", lambda found: found > 1, _("made for single nodules"))
SOLID = _only("density", "solid", _("made without distinguishing subsolid nodules"))
IN_CLINIC = _only(
    "setting", "incidental", _("made for nodules found in clinical practice, not at screening")
)
NO_RECENT_CANCER = Limit(
    "cancer",
    lambda found: found == "within 5 years",
    _("made for patients without a cancer in the last five years"),
    refuses=True,
)
BROCK_LIMITS = (
    NO_LUNG_CANCER,
    Limit(
        "cancer",
        lambda found: found == "within 5 years",
        _("made for patients without a known cancer"),
    ),
    Limit("smoking", lambda found: found == "never", _("made for smokers and former smokers")),
    _between("age", 50, 75, _("made for patients of 50 to 75 years")),
    _only(
        "setting",
        "screening",
        _("made for screening for lung cancer, not for nodules found by chance"),
    ),
    _only("status", "baseline", _("made for the first screening CT, not for later ones")),
    _between("long axis", 1, 86, _("made for nodules of 1 to 86 mm")),
    NO_PATTERN,
)
MAYO_LIMITS = (
    NO_LUNG_CANCER,
    NO_RECENT_CANCER,
    _between("age", 15, 91, _("made for patients of 15 to 91 years")),
    _between("mean diameter", 4, 30, _("made for nodules of 4 to 30 mm")),
    SINGLE,
    SOLID,
    IN_CLINIC,
    NO_PATTERN,
)
VETERANS_LIMITS = (
    _only("sex", "male", _("made for veterans, 97 % of them men")),
    Limit("long axis", lambda mm: mm > 30, _("made for nodules up to 30 mm")),
    SINGLE,
    SOLID,
    IN_CLINIC,
    NO_PATTERN,
)
HERDER_LIMITS = (
    NO_LUNG_CANCER,
    NO_RECENT_CANCER,
    _between("age", 32, 85, _("made for patients of 32 to 85 years")),
    Limit("mean diameter", lambda mm: mm > 30, _("made for nodules up to 30 mm")),
    SINGLE,
    SOLID,
    IN_CLINIC,
    NO_PATTERN,
)


# --- The scores


@dataclass(frozen=True)
class Score:
    """A published model.

    Attributes:
        name: as it is shown.
        inputs: names of all required inputs: fields of ``Patient``, and ``DIAMETERS``.
        formula: the probability of cancer (0..1).
        population: on whom it was fitted.
        validated: on whom it was tested.
        auc: as reported there, with 95 % intervals where given.
        limits: of the patients it was made for.
        source: where it is published.
    """

    name: str
    inputs: tuple[str, ...]
    formula: Formula
    population: str
    validated: str
    auc: str
    limits: tuple[Limit, ...]
    source: str


PARSIMONIOUS = ("sex", "long axis", "upper_lobe")
FULL = (
    "age",
    "sex",
    "family_history",
    "emphysema",
    "long axis",
    "density",
    "upper_lobe",
    "nodules",
)
PANCAN = _(
    "PanCan: 1871 smokers and former smokers of 50 to 75 years at their first"
    " screening CT in Canada, 7008 nodules, 102 of them cancer"
)
BCCA = _("BCCA: screening in British Columbia, 1090 patients, 5021 nodules, 42 of them cancer")
MCWILLIAMS = "McWilliams et al., N Engl J Med 2013;369:910-919, table 2"
MAYO_INPUTS = ("age", "smoking", "cancer", "mean diameter", "spiculation", "upper_lobe")

SCORES = (
    Score(
        "Brock 2b",
        (*FULL, "spiculation"),
        brock(BROCK_2B),
        PANCAN,
        _(
            "two hospitals in the Netherlands, 441 cancers and 1405 benign nodules in"
            " clinical work (Thorax 2018;73:857)"
        ),
        _("0.90 and 0.91"),
        BROCK_LIMITS,
        MCWILLIAMS,
    ),
    Score(
        "Brock 2a",
        FULL,
        brock(BROCK_2A),
        PANCAN,
        BCCA,
        _("0.970 (0.947 to 0.986)"),
        BROCK_LIMITS,
        MCWILLIAMS,
    ),
    Score(
        "Brock 1b",
        (*PARSIMONIOUS, "spiculation"),
        brock(BROCK_1B),
        PANCAN,
        _("the patients of its own study"),
        _("0.941"),
        (*BROCK_LIMITS, SOLID),
        MCWILLIAMS,
    ),
    Score(
        "Brock 1a",
        PARSIMONIOUS,
        brock(BROCK_1A),
        PANCAN,
        BCCA,
        _("0.960 (0.927 to 0.980)"),
        (*BROCK_LIMITS, SOLID),
        MCWILLIAMS,
    ),
    Score(
        "Mayo",
        MAYO_INPUTS,
        mayo,
        _(
            "Mayo Clinic: 419 patients with one nodule of 4 to 30 mm on a chest"
            " radiograph, 1984 to 1986; 23 % cancer"
        ),
        _("another 210 of these patients; 106 patients in Amsterdam (Chest 2005;128:2490)"),
        _("0.80; 0.79 (0.70 to 0.87)"),
        MAYO_LIMITS,
        "Swensen et al., Arch Intern Med 1997;157:849-855, equation 2",
    ),
    Score(
        "Veterans Affairs",
        ("age", "smoking", "years_since_quitting", "long axis"),
        veterans_affairs,
        _(
            "375 veterans in the USA with one nodule, referred for PET, of 66 years on"
            " average; 54 % cancer"
        ),
        _("the patients of its own study; 35 patients as vignettes (PMC3960964)"),
        _("0.79 (0.74 to 0.84); 0.72 (0.64 to 0.80)"),
        VETERANS_LIMITS,
        "Gould et al., Chest 2007;131:383-388",
    ),
    Score(
        "Herder",
        (*MAYO_INPUTS, "pet_uptake"),
        herder,
        _("106 patients in Amsterdam with one nodule up to 30 mm, referred for PET; 57 % cancer"),
        _("the patients of its own study; one hospital in Britain (Lung Cancer 2015;89:27)"),
        _("0.92 (0.87 to 0.97); 0.924 (0.875 to 0.974)"),
        HERDER_LIMITS,
        "Herder et al., Chest 2005;128:2490-2496",
    ),
)


# --- For a nodule


@dataclass(frozen=True)
class Input:
    """An input of a score, a field of ``Patient`` or a diameter in mm, and its origin."""

    name: str
    value: Value
    origin: str

    @property
    def words(self) -> str:
        """The input in words, such as ``long axis 12.1 mm (measured)``."""
        value = value_words(self.name, self.value)
        value = Text("{value} mm").format(value=value) if self.name in DIAMETERS else value
        return input_words(field_words(self.name), value, self.origin)


@dataclass(frozen=True)
class ScoreResult:
    """A score's result for a nodule.

    Attributes:
        name: of the score.
        probability: of cancer (0..1); None: not computed.
        evidence: what it rests on.
        inputs: the known ones, with their origin.
        missing: names of the unknown ones.
        warnings: where the patient or the nodule is not like those that the score was made for.
        refusal: why it must not be computed; empty if it may.
        population, validated, auc, source: see ``Score``.
    """

    name: str
    probability: float | None
    evidence: EvidenceLevel
    inputs: tuple[Input, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    refusal: str
    population: str
    validated: str
    auc: str
    source: str

    @property
    def words(self) -> str:
        """The probability and its warnings, or why there is no probability."""
        if self.probability is None:
            return why_not_computed(self.missing, self.refusal)
        told = _("{probability:.1%} probability of cancer ({evidence})").format(
            probability=self.probability, evidence=self.evidence
        )
        if not self.warnings:
            return told
        doubts = _("not made for cases like this: {warnings}")
        return joined("; ", (told, doubts.format(warnings=joined(", ", self.warnings))))


def scores(
    assessment: Assessment, patient: Patient, listed: int | None = None
) -> tuple[ScoreResult, ...]:
    """Returns every score for an assessed nodule: first those made for such a case, then the others
    that could be computed.

    Args:
        assessment: of the nodule.
        patient: what is known.
        listed: how many nodules are in this one's list; ``patient.nodules`` takes precedence.
    """
    known = known_inputs(assessment, patient, listed)
    refusal = NO_NODULE.withholds if NO_NODULE.among(assessment.checks) else ""
    results = [score_nodule(score, known, refusal) for score in SCORES]
    return tuple(sorted(results, key=_place))


def _place(result: ScoreResult) -> int:
    return 2 if result.probability is None else bool(result.warnings)


def known_inputs(
    assessment: Assessment, patient: Patient, listed: int | None = None
) -> dict[str, Input]:
    """Returns all known inputs by name: what the user gave, else what the image shows; arguments as
    in ``scores``."""
    image = {**_measured(assessment), **_appearance(assessment, patient.density)}
    if listed is not None:
        image["nodules"] = (listed, LISTED)
    if patient.smoking in ("never", "current"):
        image["years_since_quitting"] = (0, NOT_FORMER)
    said = {name: (value, GIVEN) for name, value in vars(patient).items() if value is not None}
    return {name: Input(name, *told) for name, told in (image | said).items()}


def score_nodule(score: Score, known: Mapping[str, Input], refusal: str = "") -> ScoreResult:
    """Computes a score from the known inputs; ``refusal`` says why none may be computed."""
    beyond = [
        limit
        for limit in score.limits
        if limit.input in known and limit.beyond(known[limit.input].value)
    ]
    refusal = refusal or next((limit.words for limit in beyond if limit.refuses), "")
    missing = tuple(field_words(name) for name in score.inputs if name not in known)
    inputs = tuple(known[name] for name in score.inputs if name in known)
    computed = not missing and not refusal
    return ScoreResult(
        score.name,
        score.formula({one.name: one.value for one in inputs}) if computed else None,
        "outcome",
        inputs,
        missing,
        tuple(limit.words for limit in beyond if not limit.refuses),
        refusal,
        score.population,
        score.validated,
        score.auc,
        score.source,
    )


def _measured(assessment: Assessment) -> dict[str, tuple[Value, str]]:
    """Returns the diameters, to 0.1 mm."""
    sizes = {name: value_of(assessment.measurements, name) for name in DIAMETERS}
    return {name: (half_up(mm, 1), MEASURED) for name, mm in sizes.items() if mm is not None}


def _appearance(assessment: Assessment, given: str | None) -> dict[str, tuple[Value, str]]:
    """Returns the density type from ``density_of``, and spiculation where the networks' answer is
    not withheld."""
    seen: dict[str, tuple[Value, str]] = {}
    density, origin = density_of(assessment.measurements, networks_density(assessment), given)
    if density:
        doubtful = origin == NETWORKS and withheld(assessment, "density")
        seen["density"] = density, joined(", ", (origin, _("withheld"))) if doubtful else origin
    spiculation = assessment.tasks.get("spiculation")
    if spiculation and spiculation.decision and not withheld(assessment, "spiculation"):
        seen["spiculation"] = (spiculation.decision == "spiculated", NETWORKS)
    return seen
