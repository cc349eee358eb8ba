"""The receiver of CTs that an archive or a scanner sends by C-STORE, for sites without DICOMweb."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Lock

from pydicom import dcmread
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, Association, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

from nodulerisk.errors import OutputError, PacsError
from nodulerisk.files import PARTIAL, written_whole
from nodulerisk.language.texts import _
from nodulerisk.pacs.received import series_folder
from nodulerisk.pacs.retrieval import SPARE_BYTES, file_name

KINDS = (CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)
SUCCESS, NO_ROOM, NOT_ITS_KIND, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xA900, 0xC000  # PS3.4 B.2.3
MOST_IMAGE_BYTES = 2 << 30  # of one image, which is kept in memory until it is whole
MOST_SENDERS = 8  # at a time

Say = Callable[[str], None]

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # it prints what it cannot handle


class Receiver:
    """Keeps what arrives, a folder per series, under names of its own.

    Args:
        folder: where; made if needed, for its owner alone.
        title: our own AE title, which senders must call.
        senders: AE titles that may send; none: any.
        most_bytes: in the folder; beyond, images are refused.
        say: told, in a line without identity, what a sender has sent once it is through.
    """

    def __init__(self, folder: Path, title: str, senders: Iterable[str], most_bytes: int, say: Say):
        self._folder, self._most_bytes, self._say = folder, most_bytes, say
        self._counts: dict[Association, Counter[int]] = {}
        self._coming: Counter[Association] = Counter()  # bytes of an image on its way
        self._entity = _entity(title, senders)
        self._writing = Lock()  # two senders may send the same image
        _make(folder)
        for half in folder.rglob(f"{PARTIAL}*"):  # of a receiver that was killed
            half.unlink()
        self._bytes = _size(folder)

    @contextmanager
    def listening(self, host: str, port: int) -> Iterator[int]:
        """Receives for as long as the block runs; gives the port, where 0 asks for any free one.

        Raises:
            PacsError: the host or port cannot be used.
        """
        handlers: list[EventHandlerType] = [
            (evt.EVT_C_STORE, self._keep),
            (evt.EVT_DATA_RECV, self._bound),
            (evt.EVT_CONN_CLOSE, self._count),
        ]
        try:
            server = self._entity.start_server((host, port), block=False, evt_handlers=handlers)
        except (OSError, OverflowError):
            words = _("Port {port} of {host} cannot be used: choose another.")
            raise PacsError(words.format(port=port, host=host)) from None
        assert isinstance(server, ThreadedAssociationServer)
        try:
            yield server.server_address[1]
        finally:
            self._entity.shutdown()

    def _keep(self, event: Event) -> int:
        """Writes an image that has arrived, and answers with a status."""
        self._coming.pop(event.assoc, None)
        status = self._status(event)
        self._counts.setdefault(event.assoc, Counter())[status] += 1
        return status

    def _status(self, event: Event) -> int:
        content = event.encoded_dataset()
        try:
            image_uid, series_uid = _uids(content)
        except Exception:  # whatever a sender sends must not end the receiver
            return NOT_UNDERSTOOD
        assert isinstance(event.request, C_STORE)
        if image_uid != event.request.AffectedSOPInstanceUID:
            return NOT_ITS_KIND
        path = series_folder(self._folder, series_uid) / file_name(image_uid)
        with self._writing:
            return self._write(content, path)

    def _write(self, content: bytes, path: Path) -> int:
        before = path.stat().st_size if path.exists() else 0
        if not self._has_room(len(content) - before):
            return NO_ROOM
        try:
            _make(path.parent)
            with written_whole(path) as partial:
                partial.write_bytes(content)
        except OutputError:
            return NO_ROOM
        self._bytes += len(content) - before
        return SUCCESS

    def _has_room(self, size: int) -> bool:
        if self._bytes + size > self._most_bytes:
            self._bytes = _size(self._folder)  # someone may have deleted what is not needed
        free = shutil.disk_usage(self._folder).free - SPARE_BYTES
        return size <= min(free, self._most_bytes - self._bytes)

    def _bound(self, event: Event) -> None:
        """Breaks off an image without end."""
        self._coming[event.assoc] += len(event.data)
        if self._coming[event.assoc] > MOST_IMAGE_BYTES:
            event.assoc.abort()

    def _count(self, event: Event) -> None:
        """Says what a sender has sent."""
        self._coming.pop(event.assoc, None)
        counts = self._counts.pop(event.assoc, None)
        if counts is None:
            return
        title = "".join(c for c in event.assoc.requestor.ae_title if c.isprintable())
        refused = counts.total() - counts[SUCCESS]
        more = _(", {refused} refused").format(refused=refused) if refused else ""
        why = _(" (the folder is full)") if counts[NO_ROOM] else ""
        self._say(
            _("{counts} images received from {title}{more}{why}.").format(
                counts=counts[SUCCESS], title=title, more=more, why=why
            )
        )


def _entity(title: str, senders: Iterable[str]) -> AE:
    try:
        entity = AE(ae_title=title)
        entity.require_calling_aet = list(senders)
    except ValueError:
        raise PacsError(_("An AE title has 1 to 16 plain characters.")) from None
    entity.require_called_aet = True
    entity.maximum_associations = MOST_SENDERS
    entity.add_supported_context(Verification)
    for kind in KINDS:
        entity.add_supported_context(kind, ALL_TRANSFER_SYNTAXES)
    return entity


def _uids(content: bytes) -> tuple[str, str]:
    """Returns the UIDs of an image and its series."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote header values
        header = dcmread(BytesIO(content), stop_before_pixels=True)
    return str(header.SOPInstanceUID), str(header.SeriesInstanceUID)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.dcm"))


def _make(folder: Path) -> None:
    """Raises OutputError if the folder cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            _("{folder} cannot be made ({reason}).").format(folder=folder, reason=error.strerror)
        ) from None
