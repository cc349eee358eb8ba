"""A series on its way from an archive to the disk: whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection
from pathlib import Path

from pydicom import Dataset
from pydicom.pixels.utils import get_expected_length

from nodulerisk.errors import PacsError
from nodulerisk.language.texts import _

MOST_FILES = 20_000  # as many as ``read_ct`` takes
SPARE_BYTES = 1_000_000_000  # that stay free on the disk


def file_name(image_uid: str) -> str:
    """Returns the name of an image's file, the same each time it arrives: a UID may be looked up,
    or be no UID at all."""
    return f"{hashlib.sha256(image_uid.encode()).hexdigest()[:32]}.dcm"


def refuse_full_disk(folder: Path) -> None:
    """Raises PacsError if the disk has nothing to spare."""
    if shutil.disk_usage(folder).free < SPARE_BYTES:
        raise PacsError(_("The disk is nearly full: free some space, and try again."))


class Kept:
    """The images of a series that have arrived.

    Attributes:
        uids: theirs.
    """

    def __init__(self, folder: Path, series_uid: str, most_bytes: int | None):
        self.uids: set[str] = set()
        self._folder, self._series_uid, self._most_bytes = folder, series_uid, most_bytes
        self._bytes = 0

    def keep(self, image: Dataset) -> None:
        """Writes an image, once however often it is sent; those of other series are left out.

        Raises:
            PacsError: it was cut off, or there is no room.
        """
        if image.SeriesInstanceUID != self._series_uid:
            return
        _refuse_cut(image)
        path = self._folder / file_name(image.SOPInstanceUID)
        image.save_as(path)
        self.uids.add(str(image.SOPInstanceUID))
        self._bytes += path.stat().st_size
        self._refuse_excess()

    def refuse_missing(self, expected: Collection[str]) -> None:
        """Raises PacsError if images are missing that the archive has listed."""
        if missing := len(set(expected) - self.uids):
            words = _(
                "The archive sent {count} images and left out {missing} that it lists: nothing was"
                " kept. Try again."
            )
            raise PacsError(words.format(count=len(self.uids), missing=missing))

    def _refuse_excess(self) -> None:
        if self._most_bytes is not None and self._bytes > self._most_bytes:
            words = _("The series is larger than {most_bytes:.3g} GB.")
            raise PacsError(words.format(most_bytes=self._most_bytes / 1e9))
        if len(self.uids) > MOST_FILES:
            raise PacsError(
                _("The series has more than {most_files} images.").format(most_files=MOST_FILES)
            )
        refuse_full_disk(self._folder)


def _refuse_cut(image: Dataset) -> None:
    """Raises PacsError if pixels are missing; of compressed ones, reading would have failed."""
    pixels = image.get("PixelData") or b""
    is_plain = not image.file_meta.TransferSyntaxUID.is_compressed
    if not pixels or is_plain and len(pixels) < get_expected_length(image):
        raise PacsError(_("An image was cut off on its way: nothing was kept. Try again."))
