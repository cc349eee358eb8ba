"""Uploads of a session: streamed to its own folder, bounded, under names of our own.

A file's name may hold the patient's, or a path: nothing of it is kept but a known suffix.
"""

from __future__ import annotations

import asyncio
import shutil
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from aiohttp import BadContentDispositionHeader, BadContentDispositionParam, BodyPartReader
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import BaseRequest

from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _

SUFFIXES = (".dcm", ".zip", ".nrrd", ".nii", ".nii.gz", ".mha")
INCOMING = "incoming"  # name of the folder of an upload under way
CHUNK = 1 << 18  # bytes
NOTHING = _("The upload holds no files. Choose a DICOM folder or .zip, NRRD, NIfTI or MHA.")


class UploadError(NoduleRiskError):
    """The upload was refused; nothing of it is kept."""


@dataclass(frozen=True)
class Limits:
    """The limits of one upload.

    Attributes:
        max_bytes: in all.
        max_files: as many as ``read_ct`` takes.
        spare_bytes: that stay free on the disk.
    """

    max_bytes: int = 4_000_000_000
    max_files: int = 20_000
    spare_bytes: int = 1_000_000_000


async def receive(
    request: BaseRequest,
    folder: Path,
    limits: Limits = Limits(),
    on_file: Callable[[Path], None] = lambda file: None,
) -> Path:
    """Stores the files of a multipart/form-data request, all or none, beside earlier uploads.

    Args:
        request: nothing of its body was read yet.
        folder: of this session's uploads and nothing else.
        limits: beyond which it is refused.
        on_file: told of each file that is complete.

    Returns:
        What ``read_ct`` reads: the file, or the folder of several.

    Raises:
        UploadError: too large, cut off, empty, another is under way, or the disk is full; the
            folder is as it was.
    """
    with _refusals():
        announced = request.content_length or 0
        _refuse_excess(announced, announced, folder, limits)
        with _incoming(folder) as incoming:
            files = await _store(request, incoming, limits, on_file)
            complete = incoming.rename(folder / token_hex(8))
    return complete if files > 1 else next(complete.iterdir())


def delete_unused(folder: Path, used: Collection[Path]) -> None:
    """Deletes the complete uploads of a folder that none of these paths, which ``receive`` gave, is
    of."""
    for upload in folder.iterdir():
        if upload.name != INCOMING and not any(path.is_relative_to(upload) for path in used):
            shutil.rmtree(upload, ignore_errors=True)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turns what the network, the request or the disk brings into refusals, which quote nothing of
    the request."""
    try:
        yield
    except (ConnectionError, HttpProcessingError, ValueError, RuntimeError):
        raise UploadError(
            _("The upload was cut off or damaged on its way. Upload the CT again.")
        ) from None
    except OSError as error:
        words = _("The server cannot store the upload ({reason}). Tell whoever runs it.")
        raise UploadError(words.format(reason=error.strerror)) from None


@contextmanager
def _incoming(folder: Path) -> Iterator[Path]:
    """The one folder for an upload under way; what is in it at the end is deleted."""
    incoming = folder / INCOMING
    try:
        incoming.mkdir()
    except FileExistsError:
        raise UploadError(
            _("Another upload is under way. Wait until it has finished, or cancel it.")
        ) from None
    try:
        yield incoming
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


async def _store(
    request: BaseRequest, incoming: Path, limits: Limits, on_file: Callable[[Path], None]
) -> int:
    """Writes the request's files and counts them."""
    files = size = 0
    if request.content_type != "multipart/form-data":
        raise UploadError(NOTHING)
    for quoting_names in (BadContentDispositionHeader, BadContentDispositionParam):
        warnings.simplefilter("ignore", quoting_names)
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or not _file_name(part):
            raise UploadError(NOTHING)
        files += 1
        if files > limits.max_files:
            words = _("The upload holds more than {most} files. Choose a single CT series.")
            raise UploadError(words.format(most=limits.max_files))
        path = incoming / _neutral_name(files, _file_name(part))
        size = await _save(part, path, size, limits)
        on_file(path)
    if size == 0:
        raise UploadError(NOTHING)
    return files


async def _save(part: BodyPartReader, path: Path, size: int, limits: Limits) -> int:
    """Writes one file and adds its bytes to ``size``, those of the files before it."""
    with path.open("wb") as file:
        while not part.at_eof():
            chunk = await part.read_chunk(CHUNK)
            size += len(chunk)
            _refuse_excess(size, len(chunk), path.parent, limits)
            await asyncio.to_thread(file.write, chunk)
    return size


def _refuse_excess(size: int, coming: int, folder: Path, limits: Limits) -> None:
    """Raises UploadError for more bytes than are allowed in all, or for more to come than the disk
    has room for."""
    if size > limits.max_bytes:
        words = _(
            "The upload is larger than {most:.3g} GB. Choose a folder with a single CT series."
        )
        raise UploadError(words.format(most=limits.max_bytes / 1e9))
    if coming > shutil.disk_usage(folder).free - limits.spare_bytes:
        raise UploadError(
            _(
                "The server's disk has no room for the upload. Tell whoever runs it, or use a"
                " smaller file."
            )
        )


def _file_name(part: BodyPartReader) -> str:
    """All that follows ``filename=``: aiohttp's own reading fails on two semicolons. Empty where no
    file was chosen."""
    return part.headers.get("Content-Disposition", "").partition("filename")[2].strip('*= "')


def _neutral_name(number: int, name: str) -> str:
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return f"{number:05d}{suffix}"
