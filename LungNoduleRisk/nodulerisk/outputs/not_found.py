"""A nodule of an earlier scan that a later one does not show: where it was looked for, and what is
there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import Assessment
from nodulerisk.checks import NO_NODULE
from nodulerisk.clinical.timeline import Step, Timeline
from nodulerisk.ct.points import Position
from nodulerisk.ct.volume import CT
from nodulerisk.files import written_whole
from nodulerisk.language.texts import _, joined
from nodulerisk.nodule.measure import value_of
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.outputs.picture import draw_slice, drawable, write
from nodulerisk.outputs.slices import Slice, nodule_slices, slices_at
from nodulerisk.outputs.style import ALARM, CONTOUR
from nodulerisk.outputs.words import position_words

NONE_BEFORE = _("No nodule was drawn at its point in the earlier scan, so none can have vanished.")
SIZE_INCHES, DPI = (12, 8.4), 100


@dataclass(frozen=True, eq=False)
class NotFound:
    """A nodule that a later scan does not show.

    Attributes:
        name: of its point.
        scans: which ones, in words, such as ``scan 1 to scan 2``.
        words: what became of it, and where it was looked for.
        before: slices through it at the last scan that shows it, with its outline.
        after: slices through the place where it was looked for; empty where that is not known, or
            outside the later scan.
    """

    name: str
    scans: str
    words: str
    before: list[Slice]
    after: list[Slice]

    @property
    def rows(self) -> list[tuple[str, list[Slice]]]:
        """What is shown, with its heading."""
        rows = [(_("At the earlier scan"), self.before), (_("There at the later scan"), self.after)]
        return [(heading, slices) for heading, slices in rows if slices]


def not_found(
    timeline: Timeline, step: Step, scans: Sequence[str], seen: Outcome | None
) -> NotFound:
    """Returns a nodule that a later scan does not show.

    Args:
        timeline: all scans.
        step: its last one; ``is_not_found``.
        scans: their names.
        seen: what is where it was looked for; None: not known.
    """
    first, second = step.scans
    assert step.before is not None
    once = timeline.assessments[first].get(step.before.name)
    was_none = once is not None and NO_NODULE.among(once.checks)
    later, place = timeline.ct(second), timeline.place(step)
    shown = place is not None and later.contains(place)
    return NotFound(
        step.before.name,
        joined(" and ", (scans[first], scans[second])),
        _with_place(_words(seen, step, was_none), place),
        [] if once is None else nodule_slices(timeline.ct(first), once),
        slices_at(later, place) if shown else [],
    )


def not_found_at(
    once: Assessment, scans: str, words: str, ct: CT, place: Position | None, later: CT | None
) -> NotFound:
    """Returns a nodule that a later scan does not show, from the CTs around it.

    Args:
        once: at the earlier scan.
        scans, words: as in ``NotFound``, without the place.
        ct: the earlier scan around it.
        place: where it would be at the later scan, LPS mm; None: not known.
        later: the later scan around the place; None: it does not show it.
    """
    after = [] if later is None else slices_at(later, place)
    return NotFound(once.name, scans, _with_place(words, place), nodule_slices(ct, once), after)


def _with_place(words: str, place: Position | None) -> str:
    if place is None:
        return words
    looked = _("Looked for at {place}.").format(place=position_words(place))
    return joined(" ", (words, looked))


def _words(seen: Outcome | None, step: Step, was_none: bool) -> str:
    if seen is None:
        return step.remark or _("Not looked for at the later scan: the lungs do not match.")
    if seen.assessment is None:
        return _("Not looked for: the later scan does not show its place.")
    if was_none:
        return NONE_BEFORE
    if seen.assessment.nodule is None:
        return _("Not looked for at the later scan: the weight set draws no masks.")
    if volume := value_of(seen.assessment.measurements, "volume"):
        return _(
            "It has no point at the later scan, but something of {volume:.0f} mm³ was drawn in its"
            " place: put a point there, and compare again."
        ).format(volume=volume)
    return _("Not found at the later scan: no nodule was drawn in its place.")


@drawable()
def not_found_png(found: NotFound, path: Path) -> None:
    """Writes a picture: the nodule at the earlier scan above the same place at the later one,
    crossed.

    Raises:
        OutputError: the file cannot be written.
    """
    figure = Figure(SIZE_INCHES, DPI, facecolor="white")
    write(figure, 0.02, 0.965, joined(", ", (found.name, found.scans)), size=15)
    write(figure, 0.02, 0.935, found.words, size=9.5)
    write(figure, 0.98, 0.965, RESEARCH_USE_ONLY, ha="right", size=11, weight="bold", color=ALARM)
    for row, (heading, slices) in enumerate(found.rows):
        bottom = 0.48 - 0.46 * row
        write(figure, 0.02, bottom + 0.425, heading, size=12)
        for column, picture in enumerate(slices):
            axes = figure.add_axes((0.02 + 0.325 * column, bottom, 0.31, 0.39))
            draw_slice(axes, picture)
            if slices is found.after:
                axes.plot(0, 0, "+", color=CONTOUR, markersize=14)
    with written_whole(path) as partial:
        FigureCanvasAgg(figure).print_png(partial)
