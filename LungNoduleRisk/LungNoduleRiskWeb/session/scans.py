"""The CTs that are open in a session: one is shown; others stay beside it for follow-up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from trame_server.utils.asynchronous import create_task

from LungNoduleRiskLib import scene
from LungNoduleRiskLib.display.nodes import resultNode
from LungNoduleRiskLib.facts import ctFacts
from LungNoduleRiskLib.sample import SAMPLES, Sample, loadSample
from LungNoduleRiskWeb.session.arriving import as_picture
from LungNoduleRiskWeb.session.part import Page
from nodulerisk.ct.dicom.identity import LABELS, identity_in
from nodulerisk.ct.dicom.preview import previews
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.errors import NoduleRiskError, SeveralSeriesError
from nodulerisk.language.texts import _, joined

CT_NAME = "CT"  # of the volume node: no file's name, which may be a patient's
DATE = LABELS["StudyDate"]
SEVERAL = _("This folder holds several CT series or volumes: choose one.")
INSTEAD = _("Opening this CT instead removes {nodules} and what was found there.")
SAMPLE_INSTEAD = _("Opening the sample instead removes {nodules} and what was found there.")


@dataclass(eq=False)
class Scan:
    """A CT that is open.

    Attributes:
        volume_node, points_node: of the scene.
        facts: of the CT, as the page shows them.
        upload: what it was read from; None: it is the sample.
        series_uid: of its acquisition.
        said: who the patient is, by labels, once it was read; shown on a tick.
    """

    volume_node: Any
    points_node: Any
    facts: dict[str, Any]
    upload: Path | None = None
    series_uid: str | None = None
    said: dict[str, str] = field(default_factory=dict)

    @property
    def date(self) -> str:
        """Such as 2026-11-27; empty where the CT does not say it."""
        found = self.said.get(DATE, "")
        return f"{found[:4]}-{found[4:6]}-{found[6:8]}" if len(found) == 8 else found


@dataclass(frozen=True)
class ScansState:
    """The initial state, by the names in the page.

    Attributes:
        ct: facts of the one that is shown.
        about: what it is: its date, and on a tick (``who``) all that it says of the patient.
        scans: of all, to choose from.
        scan: index of the one that is shown.
        series: to choose from, where a folder held several: ``uid``, ``text``, and ``seen``, a
            slice of it as the address of a picture, once it was read.
        asking: what would be lost, which needs an answer; empty: nothing is asked.
    """

    ct: dict[str, Any] | None = None
    about: list[str] = field(default_factory=list)
    who: bool = False
    scans: list[str] = field(default_factory=list)
    scan: int = 0
    series: list[dict[str, str]] = field(default_factory=list)
    asking: str = ""


class Scans:
    """Opens CTs, asks before points are lost, and shows one of those that are open."""

    def __init__(self, page: Page):
        self._page, self._state, self._notices = page, page.state, page.notices
        self.opened: list[Scan] = []
        self.shown: Scan | None = None
        self.pending: Path | None = None  # is being read, or has a series or a question to answer
        self._waiting: Callable[[bool], None] | None = None  # opens it; True: beside the others
        self._state.update(asdict(ScansState()))
        self._state.change("who")(lambda **_: self._say_about())

    def uploads(self) -> list[Path]:
        """What the CTs are read from."""
        paths = [self.pending, *(scan.upload for scan in self.opened)]
        return [path for path in paths if path is not None]

    # Opening

    async def open(self, upload: Path, series_uid: str | None = None, ask: bool = False) -> None:
        """Reads a CT and shows it in place of those before; with ``ask`` only once the user has
        said so, where points would be lost.

        Raises:
            NoduleRiskError: see ``read_ct``, and while something else is done; what was open stays
                open.
        """
        with self._notices.busy(_("Reading the CT…")):
            self._notices.say("")
            self._forget_question()
            self.pending, self._state.series = upload, []
            try:
                ct = await asyncio.to_thread(read_ct, upload, series_uid=series_uid)
            except SeveralSeriesError as error:
                found = error.series.items()
                self._state.series = [{"uid": uid, "text": text, "seen": ""} for uid, text in found]
                create_task(self._show_previews(upload))
                raise NoduleRiskError(SEVERAL) from error
            except NoduleRiskError:
                self.pending = None
                raise
            self._open_or_ask(partial(self._add, upload, ct), INSTEAD, ask)

    async def _show_previews(self, upload: Path) -> None:
        """Adds a slice of each series to those to choose from."""
        names = [one["uid"] for one in self._state.series]
        try:
            seen = await asyncio.to_thread(lambda: dict(previews(upload, names)))
        except NoduleRiskError:  # said when one of them is opened
            return
        with self._state:
            if self.pending == upload:
                self._state.series = [
                    one | {"seen": as_picture(seen[one["uid"]]) if one["uid"] in seen else ""}
                    for one in self._state.series
                ]

    def open_series(self, uid: str) -> None:
        """Reads one series of an upload that holds several."""
        create_task(self._open_series(uid))

    async def _open_series(self, uid: str) -> None:
        with self._notices.refusals_said():
            if self.pending is not None:
                await self.open(self.pending, uid, ask=True)

    def open_sample(self, ask: bool = False, index: object = 0) -> None:
        """Shows one of ``SAMPLES``, a CT and its point; ``ask``: see ``open``."""
        if not isinstance(index, int) or not 0 <= index < len(SAMPLES):
            return
        with self._notices.refusals_said():
            self._notices.refuse_busy()
            self._notices.say("")
            self._forget_question()
            self._open_or_ask(partial(self._add_sample, SAMPLES[index]), SAMPLE_INSTEAD, ask)

    def _open_or_ask(self, add: Callable[[bool], None], question: str, ask: bool) -> None:
        lost = [one.name for one in self._page.session.nodules]
        if not (ask and lost):
            return add(False)
        self._waiting = add
        self._state.asking = question.format(nodules=joined(", ", lost))
        return None

    def answer(self, how: str) -> None:
        """What the user said to the question: ``instead``, ``beside``, or to keep what is open."""
        with self._notices.refusals_said():
            self._notices.refuse_busy()
            add = self._waiting
            if add is None or how not in ("instead", "beside"):
                self.pending = None
                self._forget_question()
            else:
                self._forget_question()
                add(how == "beside")

    def _forget_question(self) -> None:
        self._waiting, self._state.asking = None, ""

    def _add(self, upload: Path, ct: CT, beside: bool) -> None:
        if not beside:
            self._page.close()
        self.pending, facts = None, asdict(ctFacts(ct))
        nodes = scene.addCt(ct, CT_NAME), scene.addPointsNode()
        scan = Scan(*nodes, facts, upload, ct.acquisition.series_uid)
        self._show(scan)
        if scan.series_uid is not None:
            create_task(self._read_about(scan, upload))

    def _add_sample(self, sample: Sample, beside: bool) -> None:
        if not beside:
            self._page.close()
        self.pending, nodes = None, loadSample(sample)
        facts = asdict(ctFacts(scene.ctFromNode(nodes[0])))
        self._show(Scan(*nodes, facts | {"dicom": False}))  # there are no files of it
        self._page.jump()

    def clear(self) -> None:
        """Forgets all, after the scene was closed."""
        self.opened, self.shown, self.pending = [], None, None
        self._waiting = None
        self._state.update(asdict(ScansState()))

    # Showing

    def choose(self, index: object) -> None:
        """Shows another of the CTs that are open."""
        with self._notices.refusals_said():
            self._notices.refuse_busy()
            if isinstance(index, int) and 0 <= index < len(self.opened):
                self._show(self.opened[index])
                self._page.jump()

    def _show(self, scan: Scan) -> None:
        if scan not in self.opened:
            self.opened.append(scan)
        self.shown = scan
        self._page.show(scan.volume_node, scan.points_node)
        for one in self.opened:
            _set_visible(one, one is scan)
        self._say_about()

    async def _read_about(self, scan: Scan, upload: Path) -> None:
        reader = partial(identity_in, [upload], scan.series_uid)
        try:
            scan.said = await asyncio.to_thread(reader)
        except NoduleRiskError:  # said by what needs it
            return
        with self._state:
            self._say_about()

    def _say_about(self) -> None:
        """The list of CTs, and what the shown one is: who the patient is on a tick alone."""
        shown = self.shown
        if shown is None:
            return
        told = [shown.date and _("Study of {date}").format(date=shown.date)]
        if self._state.who is True:
            told += [
                joined(": ", (label, text)) for label, text in shown.said.items() if label != DATE
            ]
        names = [
            joined(" · ", filter(None, (f"CT {number}", one.date, one.facts["text"])))
            for number, one in enumerate(self.opened, 1)
        ]
        self._state.update(
            {
                "ct": shown.facts,
                "about": [line for line in told if line],
                "scans": names,
                "scan": self.opened.index(shown),
            }
        )


def _set_visible(scan: Scan, visible: bool) -> None:
    """Points and masks of a CT that is not shown would lie in another's slices."""
    nodes = [scan.points_node, resultNode("segmentation", scan.volume_node)]
    for node in nodes:
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility(visible)
