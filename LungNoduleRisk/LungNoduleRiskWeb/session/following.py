"""Follow-up in the page: what became of the nodules since an earlier CT that is open beside."""

from __future__ import annotations

import asyncio
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from trame_server.utils.asynchronous import create_task

from LungNoduleRiskLib import comparing
from LungNoduleRiskWeb.session.part import Page
from LungNoduleRiskWeb.session.scans import Scan, Scans
from LungNoduleRiskWeb.session.views.numbers import typed_number
from nodulerisk.clinical.registration import Alignment, Pair
from nodulerisk.clinical.timeline import Timeline
from nodulerisk.ct.dicom.dates import days_between
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _, joined

MOST_DAYS = 36_525  # a hundred years
WRONG_ORDER = _(
    "By its DICOM date, the earlier CT was made on a later day: show the other one, and compare"
    " from there."
)


@dataclass(frozen=True)
class FollowingState:
    """The initial state, by the names in the page.

    Attributes:
        earlier: index of the CT to compare with, among the open ones.
        days: between the two.
        by_name: nodules of one name are one, where the lungs cannot be aligned.
        pairs: nodules that may be the same: ``text``, and ``same`` as the user says.
    """

    earlier: int | None = None
    days: str = ""
    by_name: bool = False
    pairs: list[dict[str, Any]] = field(default_factory=list)


class Following:
    """Aligns two CTs, asks which nodules are the same, and compares those."""

    def __init__(self, page: Page, scans: Scans):
        self._page, self._scans, self._state = page, scans, page.state
        self._proposed: tuple[Alignment | None, Scan, Scan, float, list[Pair]] | None = None
        self._state.update(asdict(FollowingState()))
        self._state.change("earlier", "scan")(lambda **_: self._fill_days())

    def clear(self) -> None:
        """Forgets all, after the CTs were closed."""
        self._proposed = None
        self._state.update(asdict(FollowingState()))

    def _earlier(self) -> Scan | None:
        index, opened = self._state.earlier, self._scans.opened
        return opened[index] if isinstance(index, int) and 0 <= index < len(opened) else None

    def _fill_days(self) -> None:
        """From the DICOM dates of both, if they have any."""
        self._proposed, self._state.pairs = None, []
        before, after = self._earlier(), self._scans.shown
        if before is not None and after is not None and before is not after:
            create_task(self._read_days(before, after))

    async def _read_days(self, before: Scan, after: Scan) -> None:
        try:
            days = await asyncio.to_thread(_days, before, after)
        except NoduleRiskError:
            return
        with self._state:
            if days is not None:
                self._state.days = str(days)

    def compare(self) -> None:
        """Aligns the lungs, and lists the nodules that may be the same."""
        create_task(self._compare())

    async def _compare(self) -> None:
        with self._page.notices.refusals_said():
            before, after = self._earlier(), self._scans.shown
            if before is None or after is None or before is after:
                raise NoduleRiskError(_("Choose the earlier CT to compare with."))
            with self._page.notices.busy(_("Aligning the lungs…")):
                self._page.notices.say("")
                dated = await asyncio.to_thread(_days, before, after)
                if dated is not None and dated < 0:
                    raise NoduleRiskError(WRONG_ORDER)
                days = self._typed_days()
                nodes, by_name = (
                    (before.volume_node, after.volume_node),
                    self._state.by_name is True,
                )
                align = comparing.aligner(*nodes, days, by_name)
                alignment = await asyncio.to_thread(align)
            pairs = list(comparing.matches(alignment, *nodes, by_name).pairs)
            self._proposed = alignment, before, after, days, pairs
            with self._state:
                self._state.pairs = [{"text": _words(pair), "same": True} for pair in pairs]
            if not pairs:
                self.confirm([])

    def _typed_days(self) -> float:
        """0: they are not known."""
        if not str(self._state.days or "").strip():
            return 0.0
        days = typed_number(self._state.days, 0, MOST_DAYS)
        if days is None:
            raise NoduleRiskError(_("The days between are a number, such as 180."))
        return days

    def confirm(self, same: object) -> None:
        """Compares the pairs that are the same nodule.

        Args:
            same: for each of ``pairs``, whether it is.
        """
        with self._page.notices.refusals_said():
            self._page.notices.refuse_busy()
            if self._proposed is None or self._scans.shown is not self._proposed[2]:
                raise NoduleRiskError(_("Compare the CTs first."))
            alignment, before, after, days, pairs = self._proposed
            said = same if isinstance(same, list) else []
            agreed = [pair for pair, is_one in zip(pairs, said, strict=False) if is_one is True]
            timeline = self._page.session.follow(
                alignment,
                before.volume_node,
                after.volume_node,
                days,
                agreed.__contains__,
                self._state.by_name is True,
            )
            self._proposed, self._state.pairs = None, []
            self._page.refresh()
            self._page.notices.say(summary(timeline))


def summary(timeline: Timeline) -> str:
    """How many nodules were compared, and which are on one CT alone."""
    steps = [step for track in timeline.tracks for step in timeline.steps(track)]
    named = {
        status: [
            point.name
            for step in steps
            if step.status == status and (point := step.after or step.before) is not None
        ]
        for status in ("both scans", "gone", "new")
    }
    gone, new = (joined(", ", named[status]) or _("none") for status in ("gone", "new"))
    return comparing.COMPARED.format(count=len(named["both scans"]), gone=gone, new=new)


def _days(before: Scan, after: Scan) -> int | None:
    """Between two CTs; None where one does not say its date."""
    if before.upload is None or after.upload is None:
        return None
    return days_between(before.upload, after.upload, (before.series_uid, after.series_uid))


def _words(pair: Pair) -> str:
    names = _("{before} on the earlier CT and {after} on this one").format(
        before=pair.before.name, after=pair.after.name
    )
    if math.isnan(pair.distance_mm):
        return _("{names}: the lungs do not match").format(names=names)
    words = _("{names}: {mm:.1f} mm apart once the lungs are aligned")
    return words.format(names=names, mm=pair.distance_mm)
