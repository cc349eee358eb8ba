"""Assessment: the one result that everything downstream reads.

It holds the point, every probability with the members behind it, the mask on the CT's grid,
measurements, checks and provenance; it round-trips through a folder of JSON and NRRD files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.checks import Check, check_from
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.volume import CT, Technique, triple, with_geometry
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import NOTICE, written_whole
from nodulerisk.language.texts import Text, Verbatim, _, read_back
from nodulerisk.nodule.quantities import UNITS, Code
from nodulerisk.tasks import EvidenceLevel
from nodulerisk.trust.withhold import Statement, statement

ASSESSMENT_FILES = ("assessment.json", "mask.nrrd", "mask_probability.nrrd")
VALUES_NAME, MASK_NAME, MAP_NAME = ASSESSMENT_FILES


@dataclass(frozen=True)
class Measurement:
    """One number from the mask, with its unit (a key of ``UNITS``), its definition's source and
    what DICOM calls it."""

    name: str
    value: float
    unit: str
    source: str
    code: Code

    @property
    def unit_code(self) -> Code:
        """The unit in UCUM."""
        return UNITS[self.unit]


RISK_MODEL = _("risk model")  # its name among answers
# Why a task was not run.
NO_NUMBER = _("network {network} gave no number")
NOT_KNOWN = _("the {term} is not known")
DECIDED = _("skipped: the nodule was decided {decision}")
NOT_DECIDED = _("skipped: {task} was not decided")


@dataclass(frozen=True)
class TaskResult:
    """The answer of one task's networks, or of its risk model.

    Attributes:
        classes: names, in the order of every probability tuple.
        mean: the class probabilities shown: the risk model's where there are ``inputs``, else the
            ensemble's (plain mean of the members); None where the task was not run.
        members: each network's class probabilities by its name; none where the risk model uses no
            network of the task.
        decision: the class decided on; None where the task was not run.
        threshold: probability of the last class from which a two-class task decides for it; None:
            the most probable class wins.
        evidence: what the numbers rest on.
        note: why the task was not run, or what its evidence is, in words.
        inputs: what the risk model was computed from, by its terms' names; none without a model.
        by_volume: probability (0..1) of the last class by the volume alone; None: not known.
        overstated: how much higher its probabilities were, on average, than the share observed
            among patients that nothing was learnt from; None: not known.
    """

    classes: tuple[str, ...]
    mean: tuple[float, ...] | None
    members: dict[str, tuple[float, ...]]
    decision: str | None
    threshold: float | None
    evidence: EvidenceLevel
    note: str = ""
    inputs: dict[str, float] = field(default_factory=dict)
    by_volume: float | None = None
    overstated: float | None = None

    @property
    def answers(self) -> dict[str, tuple[float, ...]]:
        """The answers that ``mean`` averages: the risk model's alone, or the members'."""
        return {RISK_MODEL: self.mean} if self.inputs and self.mean else self.members

    @property
    def spread(self) -> float | None:
        """Largest difference (0..1) between two members' probabilities of the last class; None with
        fewer than two members."""
        last = [member[-1] for member in self.members.values()]
        return max(last) - min(last) if len(last) > 1 else None

    @property
    def disagree(self) -> bool:
        """Whether two members, each on its own, would lead to different decisions."""
        return len({decided(member, self.threshold) for member in self.members.values()}) > 1

    @property
    def margin(self) -> float | None:
        """How far (0..1) the risk model's probability lies from the threshold; None where no model
        decides."""
        if not self.inputs or self.mean is None or self.threshold is None:
            return None
        return abs(self.mean[-1] - self.threshold)


def decided(probabilities: Sequence[float], threshold: float | None) -> int:
    """Index of the class decided on: the last one at or above its threshold; without a threshold,
    the most probable.

    Examples:
        >>> decided((0.6, 0.4), threshold=0.3), decided((0.6, 0.4), threshold=None)
        (1, 0)
    """
    if threshold is None:
        return int(np.argmax(probabilities))
    return len(probabilities) - 1 if probabilities[-1] >= threshold else 0


@dataclass(frozen=True)
class Interval:
    """Range of a task's answers over repeated runs on a nodule, including the assessment's own.

    Attributes:
        low, high: of the probability (0..1) of the last of two classes, of more classes of the one
            decided for.
        unchanged: the share (0..1) of the further answers that lead to the same decision as the
            assessment.
    """

    low: float
    high: float
    unchanged: float


@dataclass(frozen=True)
class Stability:
    """How far an assessment's answers move, by task; tasks that were not run are absent.

    Attributes:
        turned: under the cubes' reflections in plane and rotations by 90°.
        clicked: under clicks 2 mm off; refused clicks are left out.
        click_dice: Dice (0..1) of each such click's mask with the point's own; none without a mask
            network.
    """

    turned: dict[str, Interval]
    clicked: dict[str, Interval]
    click_dice: tuple[float, ...]

    def of(self, task: str) -> dict[str, Interval | None]:
        """Returns how far one task's answers move, by kind; None: not tested."""
        return {"turned": self.turned.get(task), "clicked": self.clicked.get(task)}


@dataclass(frozen=True, eq=False)
class NoduleMask:
    """The nodule's mask on the CT's grid, cropped to its non-empty part, and the map it was drawn
    from.

    Attributes:
        region: uint8 (z, y, x), 1 in the nodule.
        first_voxel: index (z, y, x) of region[0, 0, 0] on the CT's grid.
        ct_shape: shape (z, y, x) of the CT.
        probability: float32 (z, y, x), the network's map, 0 away from this nodule, and moved where
            ``nodule/surface.py`` moves the surface; for a mask drawn by hand, the region itself
            with a border of one voxel of 0.
        grid: where the map's voxels lie.
        evidence: what the mask rests on.
    """

    region: np.ndarray
    first_voxel: tuple[int, int, int]
    ct_shape: tuple[int, int, int]
    probability: np.ndarray
    grid: Grid
    evidence: EvidenceLevel

    def emptied(self) -> NoduleMask:
        """Returns an empty mask on the same grids."""
        nothing = np.zeros((0, 0, 0), np.uint8)
        nowhere = np.zeros_like(self.probability)
        return replace(self, region=nothing, first_voxel=(0, 0, 0), probability=nowhere)

    @property
    def box(self) -> tuple[slice, ...]:
        """Where the region lies in the CT's array (z, y, x)."""
        return tuple(
            slice(a, a + n) for a, n in zip(self.first_voxel, self.region.shape, strict=True)
        )

    def on_ct(self) -> np.ndarray:
        """uint8, the CT's shape (z, y, x)."""
        mask = np.zeros(self.ct_shape, np.uint8)
        mask[self.box] = self.region
        return mask


Side = Literal["left", "right"]


@dataclass(frozen=True)
class Place:
    """Where the nodule's centre lies, as a reader finds it; None: the CT does not tell.

    Attributes:
        side: of the body.
        slice_number: as the series counts its images, else as the file has them, from 1.
        slices: how many the CT has.
        series: its SeriesNumber.
    """

    side: Side | None
    slice_number: int
    slices: int
    series: int | None = None


@dataclass(frozen=True)
class Provenance:
    """How the numbers were computed: enough to compute them again.

    Attributes:
        weight_set, weight_set_version: of the set's card.
        network_sha256: hash of each network's file, by its name.
        package_version: of this program.
        device: that ran the networks, in words, with the precision.
        seconds: that each stage took, by its name.
        series_uid: the CT's SeriesInstanceUID; None: it has none.
        made: when, in UTC (ISO 8601).
        technique: how the scan was made.
    """

    weight_set: str
    weight_set_version: str
    network_sha256: dict[str, str]
    package_version: str
    device: str
    seconds: dict[str, float] = field(default_factory=dict)
    series_uid: str | None = None
    made: str | None = None
    technique: Technique | None = None


@dataclass(frozen=True, eq=False)
class Assessment:
    """The assessment of one nodule.

    Attributes:
        name: the user's label of the point, such as ``N1``.
        point_lps_mm: the point that was assessed (x, y, z), LPS mm.
        centre_lps_mm: where the cubes were cut (x, y, z), LPS mm: the mask's centroid, else the
            point.
        tasks: the answers by task, in the card's order; those that were not run are among them.
        nodule: the mask, empty where no nodule was found; None where no mask network ran, or where
            its map was not a number.
        measurements: of the mask; none without one.
        checks: what a reader must know of the CT, the point, the mask and the answers.
        provenance: how the numbers were computed.
        stability: how far the answers move; None: not tested.
        place: where the nodule lies, as a reader finds it.
    """

    name: str
    point_lps_mm: tuple[float, float, float]
    centre_lps_mm: tuple[float, float, float]
    tasks: dict[str, TaskResult]
    nodule: NoduleMask | None
    measurements: tuple[Measurement, ...]
    checks: tuple[Check, ...]
    provenance: Provenance
    stability: Stability | None = None
    place: Place | None = None

    @property
    def mask(self) -> np.ndarray | None:
        """uint8 (z, y, x) on the CT's grid; None where no mask network ran."""
        return None if self.nodule is None else self.nodule.on_ct()

    def stated(self, task: str) -> Statement:
        """What may be said of a task's answer: the one rule that every output follows."""
        moved = {} if self.stability is None else self.stability.of(task)
        return statement(self.tasks[task], self.checks, moved)

    def to_dict(self) -> dict:
        """Everything but the arrays, as JSON-ready values; each task says whether its decision is
        ``withheld``, and the ``reasons``."""
        values = {
            key: value for key, value in vars(self).items() if key not in ("nodule", "stability")
        }
        values["tasks"] = {name: self._task_values(name) for name in self.tasks}
        values["measurements"] = [asdict(measurement) for measurement in self.measurements]
        values["checks"] = [asdict(check) for check in self.checks]
        values["provenance"] = asdict(self.provenance)
        values["place"] = None if self.place is None else asdict(self.place)
        values["mask_evidence"] = None if self.nodule is None else self.nodule.evidence
        if self.stability is not None:
            values["stability"] = asdict(self.stability)
        return {NOTICE: RESEARCH_USE_ONLY} | values

    def _task_values(self, name: str) -> dict:
        task, stated = self.tasks[name], self.stated(name)
        said = {"withheld": stated.withheld, "reasons": list(stated.reasons)}
        return asdict(task) | {"spread": task.spread} | said

    @classmethod
    def from_dict(cls, values: dict, nodule: NoduleMask | None = None) -> Assessment:
        """Returns the assessment that ``to_dict`` turned into values, with the mask that they leave
        out; unknown keys are ignored.

        Raises:
            KeyError, TypeError, ValueError: the values are damaged.
        """
        return cls(
            name=Verbatim(values["name"]),
            point_lps_mm=triple(values["point_lps_mm"]),
            centre_lps_mm=triple(values["centre_lps_mm"]),
            tasks={name: _task_from(task) for name, task in {**values["tasks"]}.items()},
            nodule=nodule,
            measurements=tuple(
                _measurement_from(measurement) for measurement in values["measurements"]
            ),
            checks=tuple(check_from(check) for check in values["checks"]),
            provenance=_provenance_from(values["provenance"]),
            place=_made(Place, values["place"]) if values.get("place") else None,
            stability=_stability_from(values["stability"]) if values.get("stability") else None,
        )


def save_assessment(
    assessment: Assessment, ct: CT, folder: str | Path, more: dict[str, Any] | None = None
) -> Path:
    """Writes ``assessment.json``, ``mask.nrrd`` (uint8, the CT's grid) and
    ``mask_probability.nrrd`` (float32).

    Args:
        assessment: the assessment to save.
        ct: the CT, for the mask's geometry.
        folder: the destination. more: further JSON-ready values, which come first and which
            ``load_assessment`` ignores.

    Raises:
        OutputError: the folder cannot be written; no half-written file is left.
    """
    folder = Path(folder)
    if assessment.nodule is not None:
        write_image(mask_image(assessment.nodule, ct), folder / MASK_NAME)
        write_image(
            grid_image(assessment.nodule.probability, assessment.nodule.grid), folder / MAP_NAME
        )
    path = folder / VALUES_NAME
    first = {NOTICE: RESEARCH_USE_ONLY} | (more or {})
    with written_whole(path) as partial:
        partial.write_text(
            json.dumps(first | assessment.to_dict(), indent=2, ensure_ascii=False), encoding="utf-8"
        )
    return path


def load_assessment(folder: str | Path) -> Assessment:
    """Reads what ``save_assessment`` wrote.

    Raises:
        NoduleRiskError: files are missing or have another layout.
    """
    folder = Path(folder)
    try:
        values = json.loads((folder / VALUES_NAME).read_text(encoding="utf-8"))
        evidence = values["mask_evidence"]
        return Assessment.from_dict(
            values, None if evidence is None else _read_mask(folder, evidence)
        )
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        words = _("'{name}' holds no complete assessment: run nodulerisk assess again.")
        raise NoduleRiskError(words.format(name=folder.name)) from error


def mask_image(nodule: NoduleMask, ct: CT) -> sitk.Image:
    """The mask as a SimpleITK image on the CT's grid."""
    return with_geometry(sitk.GetImageFromArray(nodule.on_ct()), ct)


def grid_image(values: np.ndarray, grid: Grid) -> sitk.Image:
    """Returns values (z, y, x) on a grid as a SimpleITK image."""
    image = sitk.GetImageFromArray(values)
    steps = np.linalg.norm(grid.axes, axis=0)
    image.SetSpacing(steps.tolist())
    image.SetOrigin(grid.origin_lps_mm.tolist())
    image.SetDirection((grid.axes / steps).ravel().tolist())
    return image


def write_image(image: sitk.Image, path: Path) -> None:
    """Writes an image whole or not at all, compressed, with the notice in its header: NRRD's field
    ``research_use_only``, NIfTI's ``descrip``.

    Raises:
        OutputError: the file cannot be written.
    """
    field = NOTICE if path.suffix == ".nrrd" else "ITK_FileNotes"
    image.SetMetaData(field, RESEARCH_USE_ONLY)
    with written_whole(path) as partial:
        sitk.WriteImage(image, str(partial), useCompression=True)


def _made(kind: type[Any], values: dict[str, Any]) -> Any:
    """Returns the dataclass with these values; unknown keys are left out."""
    return kind(
        **{field.name: values[field.name] for field in fields(kind) if field.name in values}
    )


def _measurement_from(values: dict[str, Any]) -> Measurement:
    return _made(Measurement, {**values, "code": _made(Code, values["code"])})


def _provenance_from(values: dict[str, Any]) -> Provenance:
    said = {**values}.get("technique")
    return _made(Provenance, {**values, "technique": said and _made(Technique, {**said})})


def _task_from(values: dict[str, Any]) -> TaskResult:
    members = {name: tuple(member) for name, member in {**values["members"]}.items()}
    mean = None if values["mean"] is None else tuple(values["mean"])
    said: dict[str, str] = {}
    if decision := values.get("decision"):
        said["decision"] = Text(decision)
    if note := values.get("note"):
        said["note"] = read_back(note, (NO_NUMBER, NOT_KNOWN, DECIDED, NOT_DECIDED))
    classes = tuple(map(Text, values["classes"]))
    return _made(
        TaskResult, {**values, "classes": classes, "mean": mean, "members": members, **said}
    )


def _stability_from(values: dict[str, Any]) -> Stability:
    turned, clicked = (
        {name: _made(Interval, interval) for name, interval in {**values[kind]}.items()}
        for kind in ("turned", "clicked")
    )
    return Stability(turned, clicked, tuple(values["click_dice"]))


def _read_mask(folder: Path, evidence: EvidenceLevel) -> NoduleMask:
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / MASK_NAME)))
    probability = sitk.ReadImage(str(folder / MAP_NAME))
    axes = np.reshape(probability.GetDirection(), (3, 3)) * probability.GetSpacing()
    grid = Grid(np.array(probability.GetOrigin()), axes)
    return NoduleMask(
        *trimmed(mask), mask.shape, sitk.GetArrayFromImage(probability), grid, evidence
    )


def trimmed(mask: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
    """The non-empty part of a mask and the index of its first voxel; an empty mask gives an empty
    part."""
    if not mask.any():
        return np.zeros((0, 0, 0), np.uint8), (0, 0, 0)
    low, high = zip(*((int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask)), strict=True)
    return mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].astype(np.uint8), low
