"""The hospital's archive in the page: find a CT and open it, send masks and report there.

What is listed names patients, as lists of archives do; it leaves the page with its dialog.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from trame_server.utils.asynchronous import create_task

from LungNoduleRiskWeb.session.controller import Controller
from LungNoduleRiskWeb.session.downloads import dicom_writer
from LungNoduleRiskWeb.session.uploads import Limits, delete_unused
from nodulerisk.ct.dicom.identity import identity_in
from nodulerisk.errors import NoduleRiskError, PacsError
from nodulerisk.language.texts import _, joined
from nodulerisk.pacs.access import Access

if TYPE_CHECKING:
    from nodulerisk.pacs.archive import Archive
    from nodulerisk.pacs.listing import Study
    from nodulerisk.pacs.received import ReceivedSeries

T = TypeVar("T")
POLL_S = 0.1


@dataclass(frozen=True)
class ArchivingState:
    """The initial state, by the names in the page.

    Attributes:
        archive: its address; empty: there is none.
        receives: whether there is a folder of received CTs.
        finding: the dialog of studies is shown.
        find_name, find_id, find_from, find_to, find_accession: what is looked for.
        studies: what was found: ``uid`` and what the list shows.
        study: UID of the one whose series are listed.
        study_series: of it, the most suitable first: ``uid`` and ``text``.
        received: lines of what has arrived by C-STORE.
        earlier_studies: of the patient whose CT was retrieved last: ``uid`` and ``text``.
        retrieved: percent of the series that arrives.
        sending: what is about to be sent and where to, in lines; empty: nothing is.
    """

    archive: str = ""
    receives: bool = False
    finding: bool = False
    find_name: str = ""
    find_id: str = ""
    find_from: str = ""
    find_to: str = ""
    find_accession: str = ""
    studies: list[dict[str, str]] = field(default_factory=list)
    study: str = ""
    study_series: list[dict[str, str]] = field(default_factory=list)
    received: list[str] = field(default_factory=list)
    earlier_studies: list[dict[str, str]] = field(default_factory=list)
    retrieved: int = 0
    sending: list[str] = field(default_factory=list)


LISTED = ("studies", "study", "study_series", "received")  # with the dialog


class Archiving:
    """Searches, retrieves and sends; an archive is asked nothing before its user asks."""

    def __init__(
        self,
        controller: Controller,
        access: Access | None,
        received_in: Path | None,
        folder: Path,
        limits: Limits,
    ):
        """``received_in``: the receiver's folder, if there is one; ``folder``: for what is
        retrieved, beside uploads."""
        self._page, self._state, self._notices = controller, controller.state, controller.notices
        self._access, self._received_in = access, received_in
        self._folder, self._limits = folder, limits
        self._archive: Archive | None = None
        self._received: list[ReceivedSeries] = []
        self._is_cancelled, self._arrived = False, (0, 0)
        self._state.update(asdict(ArchivingState()))
        self._state.archive = access.address if access else ""
        self._state.receives = received_in is not None

    # Finding

    def show(self) -> None:
        """Shows the dialog, with what has been received."""
        self._notices.say("")
        self._state.finding = True
        if self._received_in is not None:
            create_task(self._list_received(self._received_in))

    async def _list_received(self, folder: Path) -> None:
        from nodulerisk.pacs.received import received

        with self._notices.refusals_said(), self._notices.busy(_("Looking for received CTs…")):
            self._received = await asyncio.to_thread(received, folder)
            self._state.received = [_received_words(one) for one in self._received]

    def hide(self) -> None:
        """Takes the dialog away with all that it lists; ends a retrieval."""
        self.cancel()
        initial = asdict(ArchivingState())
        self._state.update({name: initial[name] for name in LISTED} | {"finding": False})

    def search(self) -> None:
        """Lists the studies that are as typed."""
        create_task(self._search())

    async def _search(self) -> None:
        from nodulerisk.pacs.query import Wanted

        days = [self._typed("from"), self._typed("to")]
        date = " - ".join(days) if any(days) else ""
        wanted = Wanted(self._typed("name"), self._typed("id"), date, self._typed("accession"))
        with self._notices.refusals_said(), self._notices.busy(_("Searching the archive…")):
            self._notices.say("")
            self._state.update({"studies": [], "study": "", "study_series": []})
            found, has_more = await self._ask(lambda archive: archive.find(wanted))
            if not self._state.finding:
                return
            self._state.studies = [_row(study) for study in found]
            if not found:
                self._notices.say(_("The archive has no such CT."))
            elif has_more:
                self._notices.say(_("There are more: narrow the search."))

    def _typed(self, what: str) -> str:
        return str(self._state[f"find_{what}"] or "")

    def choose(self, study_uid: str) -> None:
        """Lists the series of a study."""
        create_task(self._choose(str(study_uid)))

    async def _choose(self, study_uid: str) -> None:
        with self._notices.refusals_said(), self._notices.busy(_("Reading the series…")):
            self._notices.say("")
            self._state.update({"study": study_uid, "study_series": []})
            found = await self._ask(lambda archive: archive.series(study_uid))
            if not self._state.finding:
                return
            self._state.study_series = [{"uid": one.uid, "text": one.words} for one in found]
            if not found:
                self._notices.say(_("This study has no CT series."))

    # Opening

    def retrieve(self, study_uid: str, series_uid: str) -> None:
        """Retrieves a series and opens it."""
        create_task(self._retrieve(str(study_uid), str(series_uid)))

    async def _retrieve(self, study_uid: str, series_uid: str | None) -> None:
        """``series_uid``: None: the most suitable."""
        with self._notices.refusals_said():
            with self._notices.busy(_("Retrieving the CT…")):
                self._notices.say("")
                path = await self._ask(partial(self._retrieved, study_uid, series_uid))
            await self._open(path)
            with self._notices.busy(_("Looking for earlier CTs…")):
                found = await self._ask(partial(_earlier, study_uid))
                self._state.earlier_studies = [
                    {"uid": one.uid, "text": f"{one.date} {one.description}"} for one in found
                ]

    def _retrieved(self, study_uid: str, series_uid: str | None, archive: Archive) -> Path:
        if series_uid is None:
            series_uid = next((one.uid for one in archive.series(study_uid)), "")
        folder = self._folder / token_hex(8)
        return archive.retrieve(study_uid, series_uid, folder, self._tell, self._limits.max_bytes)

    def _tell(self, done: int, total: int) -> None:
        """Told, on another thread, how many images have arrived."""
        if self._is_cancelled:
            raise PacsError(_("The retrieval was cancelled: nothing was kept."))
        self._arrived = done, total

    def cancel(self) -> None:
        """Ends a retrieval; nothing of it is left."""
        self._is_cancelled = True

    def retrieve_earlier(self, study_uid: str) -> None:
        """Retrieves the most suitable series of an earlier study, and opens it."""
        create_task(self._retrieve(str(study_uid), None))

    def open_received(self, index: int) -> None:
        """Opens a series that has arrived by C-STORE."""
        if isinstance(index, int) and 0 <= index < len(self._received):
            create_task(self._open_received(self._received[index].folder))

    async def _open_received(self, folder: Path) -> None:
        with self._notices.refusals_said():
            await self._open(folder)

    async def _open(self, path: Path) -> None:
        with self._state:
            self.hide()
            self._state.earlier_studies = []
        try:
            await self._page.open(path, ask=True)
        finally:
            delete_unused(self._folder, self._page.scans.uploads())

    # Sending

    def ask_to_send(self) -> None:
        """Shows what would be sent, where to, and whose it is."""
        create_task(self._ask_to_send())

    async def _ask_to_send(self) -> None:
        page = self._page
        with self._notices.refusals_said(), self._notices.busy(_("Reading whose CT this is…")):
            self._notices.say("")
            if page.upload is None or self._access is None:
                raise PacsError(_("Only results of a DICOM series can be sent to the archive."))
            reader = partial(identity_in, [page.upload], page.series_uid)
            who = await asyncio.to_thread(reader)
            nodules = joined(", ", [one.name for one in page.session.drawn])
            self._state.sending = [
                _("To: {archive}").format(archive=self._access.address),
                _("Masks (SEG) and report (SR) of {nodules}").format(nodules=nodules),
                *(joined(": ", one) for one in who.items()),
            ]

    def keep(self) -> None:
        """Sends nothing."""
        self._state.sending = []

    def send(self) -> None:
        """Sends what was shown."""
        create_task(self._send())

    async def _send(self) -> None:
        with self._notices.refusals_said():
            with self._notices.busy(_("Sending to the archive…")), TemporaryDirectory() as folder:
                self._notices.say("")
                await asyncio.to_thread(dicom_writer(self._page, Path(folder)))
                files = {path.name: path for path in sorted(Path(folder).iterdir())}
                await self._ask(lambda archive: archive.store(files))
            with self._state:
                self._state.sending = []
            self._notices.say(_("The archive has stored the masks and the report."))

    # Asking

    async def _ask(self, question: Callable[[Archive], T]) -> T:
        """The archive's answer, asked for on another thread; shows meanwhile what has arrived."""
        self._is_cancelled, self._arrived = False, (0, 0)
        work = asyncio.create_task(asyncio.to_thread(self._answer, question))
        while not work.done():
            await asyncio.wait([work], timeout=POLL_S)
            self._show_arrived()
        return work.result()

    def _answer(self, question: Callable[[Archive], T]) -> T:
        from nodulerisk.pacs.archive import Archive

        if self._access is None:
            raise PacsError(_("No archive is known here: tell whoever runs this server."))
        self._archive = self._archive or Archive(self._access)
        return question(self._archive)

    def _show_arrived(self) -> None:
        done, total = self._arrived
        if total:
            words = _("Retrieving image {done} of {total}…")
            self._notices.doing(words.format(done=done, total=total))
        with self._state:
            self._state.retrieved = round(100 * done / total) if total else 0


def _earlier(study_uid: str, archive: Archive) -> list[Study]:
    """The patient's earlier studies; none where they cannot be looked for, as the CT is open."""
    try:
        study = archive.study(study_uid)
        return archive.earlier(study) if study else []
    except NoduleRiskError:
        return []


def _row(study: Study) -> dict[str, str]:
    return {
        "uid": study.uid,
        "date": study.date,
        "name": study.shown_name,
        "id": study.patient_id,
        "description": study.description,
        "accession": study.accession,
    }


def _received_words(one: ReceivedSeries) -> str:
    said = (one.study.date, one.study.shown_name, one.study.patient_id, one.series.words)
    arrived = _("arrived {when}").format(when=one.arrived)
    return joined(", ", filter(None, (*said, arrived)))
