"""The page's actions: open a CT, place points, assess nodules, read results."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

from trame_server.utils.asynchronous import create_task

from LungNoduleRiskLib import scene
from LungNoduleRiskLib.assessing import SceneAssessor
from LungNoduleRiskLib.facts import NoduleFacts, Summary
from LungNoduleRiskLib.session import Session
from LungNoduleRiskWeb.session.correcting import Correcting, CorrectingState
from LungNoduleRiskWeb.session.explaining import Explaining
from LungNoduleRiskWeb.session.following import Following, FollowingState
from LungNoduleRiskWeb.session.notices import Notices
from LungNoduleRiskWeb.session.reading_tools import ReadingState, ReadingTools
from LungNoduleRiskWeb.session.scans import Scans, ScansState
from LungNoduleRiskWeb.session.speaking import SpeakingServer, for_state
from LungNoduleRiskWeb.session.viewer import Viewer
from LungNoduleRiskWeb.session.views.numbers import with_hyphens
from nodulerisk.clinical.patient import Patient
from nodulerisk.ct.dicom.identity import identity_in
from nodulerisk.ct.points import Point, Position, parse_point
from nodulerisk.engine.worker import RemoteNetworks
from nodulerisk.language.texts import Text, _, joined, ngettext
from nodulerisk.outputs.words import AT_A_GLANCE
from nodulerisk.weights.store import weight_set_names

SYSTEMS = ("LPS", "RAS", "voxel")  # of typed coordinates: mm, mm, and voxels x, y, z counted from 0
PATIENT = tuple(get_type_hints(Patient))
POLL_S = 0.1


@dataclass(frozen=True)
class PageState:
    """The page's initial state, by the names in its template.

    A page can be made to say anything: what counts is what the session says.

    Attributes:
        nodules: rows of the list.
        selected: name of a nodule.
        facts: of the selected nodule.
        running: an assessment, which can be cancelled.
        identity: reports name the patient.
        language: of the page, as ``zh-CN``.
        percent: of it.
        undoable: what can be undone, in words.
        report_url: shown over the page.
    """

    nodules: list[dict[str, Any]] = field(default_factory=list)
    selected: str | None = None
    facts: dict[str, Any] | None = None
    running: bool = False
    percent: int = 0
    placing: bool = False
    system: str = SYSTEMS[0]
    coordinates: str = ""
    cascade: bool = False
    stability: bool = False
    dark: bool = True
    identity: bool = False
    language: str = "en"
    undoable: str = ""
    report_url: str = ""


CLOSED = ("selected", "placing", "nodules", "facts", "report_url", "identity")  # with the CTs
STATE: dict[str, Any] = {
    **asdict(PageState()),
    **asdict(ReadingState()),
    **asdict(ScansState()),
    **asdict(FollowingState()),
    **asdict(CorrectingState()),
    **{f"patient_{name}": "" for name in PATIENT},
}


class Controller:
    """The page's actions. The scene is touched on the event loop only; what takes long runs on
    other threads."""

    def __init__(
        self,
        server: SpeakingServer,
        viewer: Viewer,
        make_networks: Callable[..., RemoteNetworks],
        weights: str,
        device: str,
    ):
        """``make_networks``: as ``SharedNetworks``, once it knows its queue."""
        self.viewer, self.speak = viewer, server.speak
        self.session = Session(SceneAssessor(partial(make_networks, on_waiting=self._on_waiting)))
        self.notices, self.state = Notices(server.state), server.state
        # by name: a folder's place on the server is nobody's business
        self.weight_sets = {Path(weights).name: weights} | {
            name: name for name in weight_set_names() if name != Path(weights).name
        }
        self.device = device
        self._refreshing: asyncio.Task | None = None
        self.state.update(STATE | {"weights": Path(weights).name})
        self.reading = ReadingTools(server.state, viewer, self.session)
        self.scans = Scans(self)
        self.following = Following(self, self.scans)
        self.correcting = Correcting(self)
        self.explaining = Explaining(self)
        self._listen()

    def _listen(self) -> None:
        self.state.change("language")(lambda **_: self._say_anew())
        self.state.change("placing")(lambda **_: self._place())
        self.state.change(*(f"patient_{name}" for name in PATIENT))(lambda **_: self._on_patient())

    def _say_anew(self) -> None:
        """In the language that was chosen."""
        self.speak(str(self.state.language))
        self.viewer.draw_anew()

    # The CT

    @property
    def upload(self) -> Path | None:
        """What the shown CT was read from; None: it is the sample, or there is none."""
        return None if self.scans.shown is None else self.scans.shown.upload

    @property
    def series_uid(self) -> str | None:
        """Of the shown CT."""
        return None if self.scans.shown is None else self.scans.shown.series_uid

    def identity_reader(self) -> Callable[[], dict[str, str]] | None:
        """A function that reads who the patient is, where reports are to say so; None: they are
        not, or the CT is the sample."""
        if not self.state.identity or self.upload is None:
            return None
        return partial(identity_in, [self.upload], self.series_uid)

    async def open(self, upload: Path, series_uid: str | None = None, ask: bool = False) -> None:
        """Reads a CT and shows it: see ``Scans.open``."""
        await self.scans.open(upload, series_uid, ask)

    def open_sample(self) -> None:
        """Shows the first demonstration CT and its point."""
        self.scans.open_sample()

    def close(self) -> None:
        """Closes all CTs, and forgets what was said of the patient."""
        self.correcting.stop()
        self.explaining.hide()
        self.viewer.clear()
        self.reading.show_crosshair()
        self.session.clear()
        self.session.use(None, None)
        self.scans.clear()
        self.following.clear()
        self.state.update({name: STATE[name] for name in CLOSED})
        self._show_answers()

    def show(self, volume_node: Any, points_node: Any) -> None:
        """Shows a CT and its list of points."""
        self.state.placing = False
        self.correcting.stop()
        self.explaining.hide()
        self.session.use(volume_node, points_node)
        self.viewer.show_ct(volume_node)
        self.viewer.mark_points(points_node)
        self.reading.show_ct(volume_node)
        self.viewer.on_points_changed(points_node, self._refresh_soon)
        self.refresh()

    # Points

    def _place(self) -> None:
        if self.session.markupsNode is None:
            return
        if self.state.placing is True:
            self.state.update({"measuring": False, "brush": ""})
        self.viewer.place(self.session.markupsNode if self.state.placing is True else None)

    def add_typed_point(self) -> None:
        """Adds the point whose coordinates were typed."""
        with self.notices.refusals_said():
            self._add_point(self._typed_point())
            self.state.coordinates = ""
            self.notices.say("")

    def add_point_where_slices_meet(self, pictures: object = None) -> None:
        """Adds a point without a mouse: the slices are moved by their sliders.

        Args:
            pictures: those on the screen, see ``Viewer.where_slices_meet``.
        """
        seen = pictures if isinstance(pictures, dict) else {}
        with self.notices.refusals_said():
            self._add_point(scene.lpsOf(self.viewer.where_slices_meet(seen)))

    def _add_point(self, lps_mm: Position) -> None:
        _volume_node, markups_node = self.session.selected
        scene.addPoint(markups_node, Point("", lps_mm))
        self.refresh()
        self.jump()

    def _typed_point(self) -> Position:
        """LPS mm.

        Raises:
            PointError: not three numbers.
        """
        text, system = plain(self.state.coordinates), self.state.system
        if system == "voxel":
            return scene.lpsOfVoxel(parse_point(text), self.session.selected[0])
        return parse_point(text, "ras" if system == "RAS" else "lps")

    def select(self, name: str) -> None:
        """Chooses a nodule and shows it in the views."""
        with self.notices.refusals_said():
            self.session.refresh()
            self.session.choose(name)
            self.correcting.stop()
            self._show_chosen()
            self.jump()

    def jump(self) -> None:
        """Brings the chosen nodule to the middle of the views."""
        position = self.session.position()
        if position is not None:
            self.viewer.jump(position)

    def step(self, by: int) -> None:
        """Chooses the next (1) or the previous (-1) nodule; after the last comes the first."""
        with self.notices.refusals_said():
            self.session.refresh()
            self.session.step(by)
            self._show_chosen()
            self.jump()

    def delete(self, name: str) -> None:
        """Removes a nodule's point and its results."""
        with self.notices.refusals_said():
            self.notices.refuse_busy()  # a run under way would bring its results back
            self.session.delete(name)
            self.refresh()

    def undo(self) -> None:
        """Takes back the last stroke of the brush, or what was done last: see ``Session.undo``."""
        with self.notices.refusals_said():
            self.notices.refuse_busy()
            if not self.correcting.undo():
                self.session.undo()
                self.refresh()

    # A run

    def assess(self) -> None:
        """Assesses every point; each nodule is shown as soon as it is assessed."""
        create_task(
            self._assess()
        )  # trame hears nothing more of the page, such as a cancel, before a call has ended

    async def _assess(self) -> None:
        with self.notices.refusals_said():
            with self.notices.busy(_("Waiting for the networks…")):
                self.notices.say("")
                self.correcting.stop()
                self._start()
                self.state.update({"running": True, "percent": 0})
                try:
                    await self._follow()
                finally:
                    self.state.running = False
                    run = self.session.end()
                    self.refresh()
                    self.jump()
            done = _("{count} of {all} nodules assessed.")
            self.notices.say(done.format(count=run.shown, all=len(run.points)))

    @property
    def weights(self) -> str:
        """The chosen weight set; a page can choose among those that there are."""
        first = next(iter(self.weight_sets.values()))
        return self.weight_sets.get(str(self.state.weights), first)

    def cancel(self) -> None:
        """Ends the run under way; what was assessed stays."""
        self.session.cancel()

    def _start(self) -> None:
        chosen = {"cascade": self.state.cascade, "stability": self.state.stability}
        try:
            self.session.start(self.weights, self.device, **chosen)
        finally:
            self.refresh()

    async def _follow(self) -> None:
        """Computes on another thread, and shows here how far it is, and what was found."""
        work = asyncio.create_task(asyncio.to_thread(self.session.compute))
        try:
            while not work.done():
                await asyncio.wait([work], timeout=POLL_S)
                self._show_news()
        finally:
            if not work.done():
                # what it found cannot be shown; no other run may use the networks meanwhile
                self.session.cancel()
                await asyncio.wait([work])
        while self.session.showNext():
            self.refresh()
        work.result()

    def _on_waiting(self, before: int) -> None:
        """Told, on any thread, how many requests the networks answer before ours."""
        if before:
            words = _("The networks are busy: {before} requests ahead of you…")
            self.session.tell(words.format(before=before))

    def _show_news(self) -> None:
        news = self.session.news
        if news.what:
            self.notices.doing(news.what)
        with self.state:
            self.state.percent = round(100 * news.share)
            if self.session.showNext():
                self.refresh()

    # What is shown

    def refresh(self) -> None:
        """Reads the nodules from the scene again, and chooses a new one if there is one."""
        for name in self.session.refresh()[-1:]:
            self.session.choose(name)
        self.state.undoable = self.session.undoable or ""
        places = self.session.places()
        self.state.nodules = [
            _row(one, places.get(one.name, "")) for one in self.session.summaries()
        ]
        self.reading.show_masks()
        self._show_chosen()

    def _show_chosen(self) -> None:
        chosen = self.session.chosen
        self.state.selected = None if chosen is None else chosen.name
        self.reading.show_calipers()
        self._show_answers()
        self._show_facts()

    def _show_answers(self) -> None:
        answers = self.session.answers
        self.state.update({f"patient_{name}": answers.get(name, "") for name in PATIENT})

    def _show_facts(self) -> None:
        facts = self.session.facts()
        self.state.facts = None if facts is None else _found(facts)
        if facts is not None and facts.notAdvised:
            self.notices.say(facts.notAdvised, is_error=True)

    def _on_patient(self) -> None:
        for name in PATIENT:
            self.session.answer(name, str(self.state[f"patient_{name}"] or ""))
        if self.session.chosen is not None:
            if self.state.is_error:  # of a value that was corrected
                self.notices.say("")
            self._show_facts()

    def _refresh_soon(self) -> None:
        """Many changes of the scene are shown at once."""
        if self._refreshing is None:
            self._refreshing = create_task(self._refresh_later())

    async def _refresh_later(self) -> None:
        await asyncio.sleep(POLL_S)
        self._refreshing = None
        with self.state:
            self.refresh()

    def end(self) -> None:
        """Ends the session at once; the front deletes what was uploaded."""
        os.kill(os.getpid(), signal.SIGTERM)


def plain(typed: object) -> str:
    """Coordinates as ``parse_point`` takes them, from what people type or paste, such as
    ``(−81.5; 192; 3)``, or with decimal commas ``−81,5; 192; 3``."""
    text = with_hyphens(str(typed))
    if ";" in text:
        text = text.replace(",", ".")
    return ",".join(re.sub(r"[\s,;()\[\]{}<>]+", " ", text).split())


def _row(summary: Summary, place: str) -> dict[str, Any]:
    """A nodule's line as the page lists it."""
    sizes = [
        _("{name} {size}").format(name=name, size=summary.sizes[name])
        for name in AT_A_GLANCE
        if name in summary.sizes
    ]
    count = len(summary.warnings)
    more = {
        "sizes": joined(", ", sizes),
        "place": place,
        "warned": ngettext("{count} warning", "{count} warnings", count).format(count=count)
        if count
        else "",
        "state": list(map(for_state, summary.state)),
        "answers": [asdict(one) | {"evidence_said": Text(one.evidence)} for one in summary.answers],
    }
    return asdict(summary) | more


def _found(facts: NoduleFacts) -> dict[str, Any] | None:
    """What was found in a nodule, and what became of it since earlier scans."""
    if facts.found is None:
        return None
    earlier = None if facts.earlier is None else asdict(facts.earlier)
    looks = joined(", ", facts.found.appearance)
    more = {"earlier": earlier, "over_time": facts.overTime, "looks": looks}
    return asdict(facts.found) | more
