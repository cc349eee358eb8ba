"""What the page can do: a CT is opened, points are placed, nodules assessed, results read. Its
state is the page's."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

from trame_server import Server
from trame_server.utils.asynchronous import create_task

from LungNoduleRiskLib import scene
from LungNoduleRiskLib.logic import Nodule, NoduleLogic, Run
from LungNoduleRiskLib.sample import loadSample
from LungNoduleRiskWeb.session.facts import Facts, ct_facts, nodule_facts, nodule_row
from LungNoduleRiskWeb.session.notices import Notices
from LungNoduleRiskWeb.session.viewer import LAYOUTS, WINDOWS_HU, Viewer
from nodulerisk.assessment import Assessment
from nodulerisk.clinical.advice import NO_ADVICE, Advice, advise
from nodulerisk.clinical.patient import OF_THE_NODULE, Patient, patient_from
from nodulerisk.ct.points import Point, Position, parse_point
from nodulerisk.ct.read import read_ct
from nodulerisk.engine.worker import RemoteNetworks
from nodulerisk.errors import NoduleRiskError, SeveralSeriesError

SYSTEMS = ("LPS", "RAS", "voxel")  # of typed coordinates: mm, mm, and voxels x, y, z counted from 0
PATIENT = tuple(get_type_hints(Patient))
POLL_S = 0.1
CT_NAME = "CT"  # of the volume node: no file's name, which may be a patient's

STATE: dict[str, Any] = {
    "ct": None,  # what is said of it
    "series": [],  # to choose from, where a folder held several
    "nodules": [],  # rows of the list
    "selected": None,  # name of a nodule
    "facts": None,  # of the selected nodule
    "running": False,  # an assessment, which can be cancelled
    "percent": 0,  # of it
    "placing": False,
    "crosshair": True,
    "layout_name": next(iter(LAYOUTS)),
    "window_name": next(iter(WINDOWS_HU)),
    "system": SYSTEMS[0],
    "coordinates": "",
    "cascade": False,
    "stability": False,
    "dark": True,
    "report_url": "",  # shown over the page
} | {f"patient_{name}": "" for name in PATIENT}


class Controller:
    """The page's actions. The scene is touched on the event loop only; what takes long runs on
    other threads."""

    def __init__(
        self,
        server: Server,
        viewer: Viewer,
        make_networks: Callable[..., RemoteNetworks],
        weights: str,
        device: str,
    ):
        """``make_networks``: as ``SharedNetworks``, once it knows its queue."""
        self.viewer = viewer
        self.logic = NoduleLogic(partial(make_networks, on_waiting=self._on_waiting))
        self.volume_node = self.points_node = None
        self.upload: Path | None = None  # what the CT was read from; None: it is the sample
        self.series_uid: str | None = None
        self.pending: Path | None = (
            None  # an upload that is being read, or whose series is yet to be chosen
        )
        self.refusals: dict[str, str] = {}  # of the last run, by the point's name
        self.notices = Notices(server.state)
        self._state = server.state
        self._weights, self._device = weights, device
        self._assessed: dict[str, Assessment] = {}  # as the networks drew them, by name
        self._names: list[
            str
        ] = []  # in the list; not as the page has them: a page can be made to say anything
        self._said_of: dict[str, dict[str, str]] = {}  # for guidelines, of single nodules, by name
        self._news = (
            "",
            0.0,
        )  # what the run under way does, and the share done; written by its thread
        self._refreshing: asyncio.Task | None = None
        self._state.update(STATE)
        self._listen()

    def _listen(self) -> None:
        self._state.change("layout_name")(
            lambda layout_name, **_: self.viewer.show_layout(layout_name)
        )
        self._state.change("crosshair")(
            lambda crosshair, **_: self.viewer.show_crosshair(crosshair)
        )
        self._state.change("window_name")(lambda **_: self._show_window())
        self._state.change("placing")(lambda **_: self._place())
        self._state.change(*(f"patient_{name}" for name in PATIENT))(lambda **_: self._on_patient())

    # The CT

    async def open(self, upload: Path, series_uid: str | None = None) -> None:
        """Reads a CT and shows it in place of the one before.

        Raises:
            NoduleRiskError: see ``read_ct``, and while something else is done; what was open stays
                open.
        """
        with self.notices.busy("Reading the CT…"):
            self.notices.say("")
            self.pending, self._state.series = upload, []
            try:
                ct = await asyncio.to_thread(read_ct, upload, series_uid=series_uid)
            except SeveralSeriesError as error:
                self._state.series = [
                    {"uid": uid, "text": text} for uid, text in error.series.items()
                ]
                raise NoduleRiskError("This folder holds several CT series: choose one.") from error
            except NoduleRiskError:
                self.pending = None
                raise
            self._close()
            self.pending, self.upload, self.series_uid = None, upload, ct.acquisition.series_uid
            self._show(scene.addCt(ct, CT_NAME), scene.addPointsNode())
            self._state.ct = ct_facts(ct)

    def open_series(self, uid: str) -> None:
        """Reads one series of an upload that holds several."""
        create_task(self._open_series(uid))

    async def _open_series(self, uid: str) -> None:
        with self.notices.refusals_said():
            if self.pending is not None:
                await self.open(self.pending, uid)

    def open_sample(self) -> None:
        """Shows the demonstration CT and its point."""
        with self.notices.refusals_said():
            self.notices.refuse_busy()
            self.notices.say("")
            self._close()
            self._show(*loadSample())
            self._state.ct = ct_facts(scene.ctFromNode(self.volume_node)) | {
                "dicom": False
            }  # there are no files of it
            self._jump()

    def _close(self) -> None:
        self.viewer.clear()
        self.viewer.show_crosshair(self._state.crosshair)
        self.volume_node = self.points_node = self.upload = self.series_uid = None
        self._assessed, self.refusals, self._said_of, self._names = {}, {}, {}, []
        shown: Facts = {
            "selected": None,
            "placing": False,
            "nodules": [],
            "facts": None,
            "ct": None,
            "report_url": "",
        }
        self._state.update(
            shown | {f"patient_{name}": "" for name in PATIENT}
        )  # the next CT may be another patient's

    def _show(self, volume_node, points_node) -> None:
        self.volume_node, self.points_node = volume_node, points_node
        self.viewer.show_ct(volume_node)
        self._show_window()
        self.viewer.on_points_changed(points_node, self._refresh_soon)
        self.refresh()

    def _show_window(self) -> None:
        if self.volume_node is not None:
            self.viewer.show_window(self.volume_node, self._state.window_name)

    # Points

    def _place(self) -> None:
        if self.points_node is not None:
            self.viewer.place(self.points_node, self._state.placing)

    def add_typed_point(self) -> None:
        """Adds the point whose coordinates were typed."""
        with self.notices.refusals_said():
            self._add_point(self._typed_point())
            self._state.coordinates = ""
            self.notices.say("")

    def add_point_where_slices_meet(self) -> None:
        """Adds a point without a mouse: the slices are moved by their sliders."""
        self._add_point(scene.lpsOf(self.viewer.where_slices_meet()))

    def _add_point(self, lps_mm) -> None:
        scene.addPoint(self.points_node, Point("", tuple(lps_mm)))
        self.refresh()
        self._jump()

    def _typed_point(self) -> Position:
        """LPS mm.

        Raises:
            PointError: not three numbers.
        """
        text, system = (
            ",".join(self._state.coordinates.replace(",", " ").split()),
            self._state.system,
        )
        if system == "voxel":
            return scene.lpsOfVoxel(parse_point(text), self.volume_node)
        return parse_point(text, "ras" if system == "RAS" else "lps")

    def select(self, name: str) -> None:
        """Chooses a nodule and shows it in the views."""
        with self.notices.refusals_said():
            self._choose(self._nodule(name).name)
            self._jump()

    def _jump(self) -> None:
        if self._state.selected is not None:
            self.viewer.jump(self._place_of(self._nodule(self._state.selected)))

    def step(self, by: int) -> None:
        """Chooses the next (1) or the previous (-1) nodule; after the last comes the first."""
        if self._names:
            at = (
                self._names.index(self._state.selected)
                if self._state.selected in self._names
                else -by
            )
            self.select(self._names[(at + by) % len(self._names)])

    def delete(self, name: str) -> None:
        """Removes a nodule's point and its results."""
        with self.notices.refusals_said():
            self.notices.refuse_busy()  # a run under way would bring its results back
            self.logic.delete(self._nodule(name), self.volume_node, self.points_node)
            self._assessed.pop(name, None)
            self.refresh()

    # A run

    def assess(self) -> None:
        """Assesses every point; each nodule is shown as soon as it is assessed."""
        create_task(
            self._assess()
        )  # trame hears nothing more of the page, such as a cancel, before a call has ended

    async def _assess(self) -> None:
        with self.notices.refusals_said():
            with self.notices.busy("Waiting for the networks…"):
                self.notices.say("")
                run = self._prepared()
                self._state.update({"running": True, "percent": 0})
                try:
                    await self._follow(run)
                finally:
                    self._state.running = False
                    self.refusals = dict(run.refusals)
                    self.refresh()
                    self._jump()
            self.notices.say(f"{run.shown} of {len(run.points)} nodules assessed.")

    def cancel(self) -> None:
        """Ends the run under way; what was assessed stays."""
        self.logic.cancel()

    def _prepared(self) -> Run:
        chosen = {"cascade": self._state.cascade, "stability": self._state.stability}
        run = self.logic.prepare(
            self.volume_node, self.points_node, self._weights, self._device, **chosen
        )
        for point in run.points:
            self._assessed.pop(point.name, None)
        self._news = ("", 0.0)
        self.refresh()
        return run

    async def _follow(self, run: Run) -> None:
        """Computes on another thread, and shows here how far it is, and what was found."""
        work = asyncio.create_task(asyncio.to_thread(self.logic.compute, run, self._on_progress))
        try:
            while not work.done():
                await asyncio.wait([work], timeout=POLL_S)
                self._show_news(run)
        finally:
            if (
                not work.done()
            ):  # what it found cannot be shown; the next run must not ask the networks beside it
                self.logic.cancel()
                await asyncio.wait([work])
        while self.logic.showNext(run):
            self._on_shown(run)
        work.result()

    def _on_waiting(self, before: int) -> None:
        """Told, on any thread, how many requests the networks answer before ours."""
        if before:
            self._news = (f"Others are using the networks: {before} before you…", self._news[1])

    def _on_progress(self, what: str, share: float) -> None:
        self._news = (what, share)

    def _show_news(self, run: Run) -> None:
        what, share = self._news
        if what:
            self.notices.doing(what)
        with self._state:
            self._state.percent = round(100 * share)
            if self.logic.showNext(run):
                self._on_shown(run)

    def _on_shown(self, run: Run) -> None:
        assessment = run.assessments[run.shown - 1]
        self._assessed[assessment.name] = assessment
        self.refresh()

    # What is shown

    def refresh(self) -> None:
        """Reads the nodules from the scene anew; a new one is chosen."""
        rows = [nodule_row(nodule, self.refusals.get(nodule.name)) for nodule in self.nodules()]
        names, before = [row["name"] for row in rows], self._names
        for said in (
            self.refusals,
            self._said_of,
        ):  # a new nodule may get the name of one that is gone
            for gone in said.keys() - names:
                del said[gone]
        self._state.nodules, self._names = rows, names
        news = [name for name in names if name not in before]
        kept = [name for name in names if name == self._state.selected]
        self._choose(next(iter([*reversed(news), *kept, *names]), None))

    def nodules(self) -> list[Nodule]:
        """Of the CT, in the order of the list."""
        return (
            []
            if self.volume_node is None
            else self.logic.nodules(self.volume_node, self.points_node)
        )

    def assessments(self) -> list[Assessment]:
        """As the networks made them, with their masks, in the order of the list."""
        return [
            self._assessed[nodule.name]
            for nodule in self.nodules()
            if nodule.name in self._assessed
        ]

    def patient_with(self, nodule: str) -> Patient:
        """The patient, and what was filled in of one of the nodules.

        Raises:
            NoduleRiskError: a number that is none, or that no one has.
        """
        of_all = {
            name: self._state[f"patient_{name}"] for name in PATIENT if name not in OF_THE_NODULE
        }
        texts = of_all | self._said_of.get(nodule, {})
        return patient_from(f"{name}={text}" for name, text in texts.items() if text)

    def points(self) -> list[Point]:
        """LPS mm, in the order of the list."""
        return scene.pointsLps(self.points_node) if scene.placed(self.points_node) else []

    def advice(self, assessment: Assessment) -> Advice:
        """What scores and guidelines say of a nodule, by what was filled in.

        Raises:
            NoduleRiskError: see ``patient_with``.
        """
        patient = self.patient_with(assessment.name)
        return advise(assessment, patient, len(self.nodules()))

    def _choose(self, name: str | None) -> None:
        said = self._said_of.get(name or "", {})
        self._state.update(
            {f"patient_{field}": said.get(field, "") for field in OF_THE_NODULE}
            | {"selected": name}
        )
        self._show_facts()

    def _show_facts(self) -> None:
        assessment = self._assessed.get(self._state.selected or "")
        advice = NO_ADVICE
        if assessment is not None:
            with self.notices.refusals_said():
                advice = self.advice(assessment)
        self._state.facts = None if assessment is None else nodule_facts(assessment, advice)

    def _on_patient(self) -> None:
        selected = self._state.selected
        if selected is not None:
            self._said_of[selected] = {
                name: self._state[f"patient_{name}"] for name in OF_THE_NODULE
            }
            if self._state.is_error:  # of a value that was corrected
                self.notices.say("")
            self._show_facts()

    def _refresh_soon(self) -> None:
        """Many changes of the scene are shown at once."""
        if self._refreshing is None:
            self._refreshing = create_task(self._refresh_later())

    async def _refresh_later(self) -> None:
        await asyncio.sleep(POLL_S)
        self._refreshing = None
        with self._state:
            self.refresh()

    def _nodule(self, name: str) -> Nodule:
        found = next((nodule for nodule in self.nodules() if nodule.name == name), None)
        if found is None:
            raise NoduleRiskError("This nodule is no longer there.")
        return found

    def _place_of(self, nodule: Nodule):
        """LPS mm: of the nodule's point, else of what was assessed."""
        if nodule.index is None and nodule.assessment is not None:
            return nodule.assessment.centre_lps_mm
        return next(point.lps_mm for point in self.points() if point.name == nodule.name)

    def end(self) -> None:
        """Ends the session at once; the front deletes what was uploaded."""
        os.kill(os.getpid(), signal.SIGTERM)
