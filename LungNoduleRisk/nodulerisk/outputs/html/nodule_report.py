"""The report: the findings for one nodule or many, as one self-contained page for screen and
paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nodulerisk.assessment import Assessment, Measurement
from nodulerisk.checks import NO_NODULE
from nodulerisk.clinical.advice import NO_ADVICE, Advice
from nodulerisk.clinical.course import Course, course_of
from nodulerisk.clinical.followup import Earlier
from nodulerisk.ct.volume import CT
from nodulerisk.language.texts import Text, _, joined
from nodulerisk.outputs import words
from nodulerisk.outputs.html import stills
from nodulerisk.outputs.html.growth import growth_figure
from nodulerisk.outputs.html.interactive import mesh_figure, slices_figure
from nodulerisk.outputs.html.pages import origin_words, write_page
from nodulerisk.outputs.mesh import Mesh, nodule_mesh
from nodulerisk.outputs.nodule_tables import demonstrated
from nodulerisk.outputs.not_found import NotFound
from nodulerisk.outputs.slices import FIELD_MM, PIXEL_MM, Slice, nodule_slices
from nodulerisk.tasks import DEMONSTRATED, DEMONSTRATION, EVIDENCE_WORDS, EvidenceLevel

# nodules; browsers draw at most 16 meshes at a time, and opening takes half a second per nodule
INTERACTIVE = 6
NOT_ON_A_RATIO_SCALE = ("HU", "")


@dataclass(frozen=True, eq=False)
class ReportNodule:
    """A nodule in the report.

    Attributes:
        ct: the CT assessed, or a part of it with 30 mm on all sides of the nodule's centre.
        assessment: with several scans, that of the latest.
        advice: its scores and guidelines.
        earlier: the same nodule at earlier scans, the oldest first.
    """

    ct: CT
    assessment: Assessment
    advice: Advice = NO_ADVICE
    earlier: Sequence[Earlier] = ()

    @property
    def warnings(self) -> int:
        return sum(check.severity == "warning" for check in self.assessment.checks)

    @property
    def slices(self) -> list[Slice]:
        return nodule_slices(self.ct, self.assessment)

    @property
    def mesh(self) -> Mesh | None:
        """The mask's surface, if there is one."""
        mesh = None if self.assessment.nodule is None else nodule_mesh(self.assessment.nodule)
        return mesh if mesh is not None and len(mesh.faces) else None

    @property
    def course(self) -> Course | None:
        """Its growth curve; None if it was measured at fewer than two scans."""
        return course_of(self.earlier, self.assessment)

    @property
    def over_time(self) -> list[tuple[str, Slice]]:
        """The axial slices through the nodule at every scan, the oldest first, with when it was;
        empty if no earlier one is at hand."""
        shown = [(one.when, one.ct, one.assessment) for one in self.earlier if one.ct is not None]
        if not shown:
            return []
        scans = [*shown, (_("this scan"), self.ct, self.assessment)]
        return [(when, nodule_slices(ct, found)[0]) for when, ct, found in scans]

    @property
    def evidence(self) -> EvidenceLevel:
        """The evidence behind the mask and its measurements."""
        return "none" if self.assessment.nodule is None else self.assessment.nodule.evidence


def write_report(
    nodules: Sequence[ReportNodule],
    path: Path,
    identity: Mapping[str, str] | None = None,
    refusals: Mapping[str, str] | None = None,
    not_found: Sequence[NotFound] = (),
) -> None:
    """Writes one HTML file that opens without a network and prints on A4.

    It takes 5 MB for plotly.js, 0.7 MB for each of the first ``INTERACTIVE`` nodules, with a mesh
    to turn and slices to zoom, and 0.1 MB for each of the others, which have still pictures.

    Args:
        nodules: in the order shown.
        path: the file.
        identity: label -> text about the patient that the user wants shown; without it, nothing in
            the page identifies the patient.
        refusals: name -> reason of points that were not assessed.
        not_found: nodules of earlier scans that a later one does not show.

    Raises:
        OutputError: the file cannot be written.
    """
    write_page(
        path,
        "outputs/html/report.html.jinja",
        nodules=nodules,
        identity=identity or {},
        refusals=refusals or {},
        not_found=not_found,
        tasks=task_columns(nodules, apart=False),
        demonstrations=task_columns(nodules, apart=True),
        DEMONSTRATED=DEMONSTRATED,
        DEMONSTRATION=DEMONSTRATION,
        evidence_words=EVIDENCE_WORDS,
        interactive=INTERACTIVE,
        field_mm=FIELD_MM,
        pixel_mm=PIXEL_MM,
        words=words,
        stills=stills,
        mesh_figure=mesh_figure,
        slices_figure=slices_figure,
        growth_figure=growth_figure,
        at_a_glance=at_a_glance,
        side_by_side=side_by_side,
        about=about_words(nodules),
    )


def about_words(nodules: Sequence[ReportNodule]) -> str:
    """Returns from which series the numbers are, when they were computed, and when the page was
    written."""
    series = {one.assessment.place.series for one in nodules if one.assessment.place}
    numbers = ", ".join(str(number) for number in sorted(series - {None}, key=str))
    made = dict.fromkeys(words.made_words(one.assessment.provenance) for one in nodules)
    when = ", ".join(filter(None, made))
    return origin_words(numbers, _("assessed {when}").format(when=when) if when else "")


def task_columns(nodules: Sequence[ReportNodule], apart: bool) -> dict[str, str]:
    """Returns the tasks that were run for any of the nodules, and the class that their
    probabilities are for; where no nodule was found, nothing was run. ``apart``: only those that
    are demonstrations, or only the others."""
    shown = demonstrated(nodule.assessment for nodule in nodules)
    tasks = {
        name: task
        for nodule in nodules
        if not NO_NODULE.among(nodule.assessment.checks)
        for name, task in words.main_tasks(nodule.assessment).items()
        if (name in shown) == apart
    }
    return {
        name: joined("/", task.classes) if len(task.classes) > 2 else Text(task.classes[-1])
        for name, task in tasks.items()
    }


def at_a_glance(assessment: Assessment) -> list[str]:
    """Returns the sizes for the summary, such as ``long axis 12.1 mm``."""
    return [
        joined(" ", (m.name, words.measurement_value(m)))
        for m in assessment.measurements
        if m.name in words.AT_A_GLANCE
    ]


def side_by_side(nodule: ReportNodule) -> list[tuple[str, list[str], str]]:
    """Yields every measurement's name, its values from the oldest scan on, and the change between
    the last two."""
    scans = [*(scan.assessment for scan in nodule.earlier), nodule.assessment]
    measured = [{m.name: m for m in scan.measurements} for scan in scans]
    return [
        (
            Text(name),
            [words.measurement_value(found[name]) if name in found else "–" for found in measured],
            change_words(measured[-2].get(name), measured[-1].get(name)),
        )
        for name in dict.fromkeys(name for found in measured for name in found)
    ]


def change_words(before: Measurement | None, after: Measurement | None) -> str:
    """Formats a change as ``+1.2 mm (+10%)``; without a percentage if zero does not mean
    absence."""
    if before is None or after is None:
        return "–"
    change = words.measurement_value(replace(after, value=after.value - before.value))
    signed = change if change.startswith("-") else joined("", ("+", change))
    if after.unit in NOT_ON_A_RATIO_SCALE or not before.value:
        return signed
    share = after.value / before.value - 1
    return Text("{signed} ({share:+.0%})").format(signed=signed, share=share)
