"""Members of a zip, and of zips inside it, read in memory; nothing is written to disk."""

from __future__ import annotations

import re
import stat
import zipfile
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO

from nodulerisk.errors import CTError
from nodulerisk.language.texts import _

MAX_UNPACKED_BYTES = 4_000_000_000
MAX_INNER_BYTES = 1_000_000_000  # of a zip inside a zip, which is held in memory
MAX_DEPTH = 3
MAX_RATIO = 200  # a slice compresses 1.3 to 5 times; deflate reaches 1032
READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
METHODS = {9: "Deflate64", 93: "Zstandard", 95: "XZ", 98: "PPMd"}  # APPNOTE 4.4.5
TOO_MUCH = _("The .zip unpacks to too much. Zip only the folder of the one CT series.")

Member = tuple[zipfile.ZipFile, zipfile.ZipInfo]


def zip_members(stack: ExitStack, path: Path, max_files: int) -> list[Member]:
    """Returns the files of a zip, at most so many, to be read while the stack is open.

    Raises:
        CTError: not a zip, encrypted, packed in a way that Python cannot unpack (fault 59), or
            crafted to fill the memory or to escape its folder (fault 45).
    """
    found: list[Member] = []
    with path.open("rb") as file:
        refuse_long_directory(file, max_files)
    _unpack(stack, path, found, max_files, 1)
    return found


def is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def _unpack(
    stack: ExitStack, source: Path | IO[bytes], found: list[Member], max_files: int, depth: int
) -> None:
    """Adds the files of a zip and of the zips in it to those found."""
    try:
        archive = stack.enter_context(zipfile.ZipFile(source))
    except (zipfile.BadZipFile, OSError) as error:
        if "multiple disks" in str(error):
            raise CTError(
                _("The .zip is split over several files. Unpack it and open the folder.")
            ) from None
        raise CTError(_("The .zip is damaged or cut short. Create it again.")) from None
    members = [member for member in archive.infolist() if not member.is_dir()]
    found += [(archive, member) for member in members if not is_zip(member.filename)]
    inner = [member for member in members if is_zip(member.filename)]
    unpacked = sum(member.file_size for _, member in found) + sum(zip.file_size for zip in inner)
    if max(len(found), len(archive.infolist())) > max_files:
        raise CTError(TOO_MUCH)
    if unpacked > MAX_UNPACKED_BYTES or (inner and depth == MAX_DEPTH):
        raise CTError(TOO_MUCH)
    for member in archive.infolist():
        refuse_unsafe_member(member)
    for member in inner:
        file = _held(archive, member)
        refuse_long_directory(file, max_files)
        _unpack(stack, file, found, max_files, depth + 1)


def _held(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> BytesIO:
    """Returns a zip inside a zip, in memory."""
    if member.file_size > MAX_INNER_BYTES:
        raise CTError(
            _("The .zip holds a large .zip. Unpack the outer one and open the inner one.")
        )
    return BytesIO(archive.read(member))


def refuse_long_directory(file: IO[bytes], max_files: int) -> None:
    """Checks the stated length of the list of members first, because ``ZipFile`` reads the whole
    list (fault 45)."""
    record = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if record and record[zipfile._ECD_SIZE] > max_files * 500:  # type: ignore[attr-defined]
        raise CTError(TOO_MUCH)


def refuse_unsafe_member(member: zipfile.ZipInfo) -> None:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    outside = name.is_absolute() or ".." in name.parts or re.match(r"[A-Za-z]:", member.filename)
    if outside or stat.S_ISLNK(member.external_attr >> 16):
        raise CTError(
            _(
                "The .zip holds links or names that lead outside its folder. Zip the CT's"
                " folder again."
            )
        )
    if member.file_size > 16_000_000 and member.file_size > MAX_RATIO * member.compress_size:
        raise CTError(
            _(
                "The .zip holds a file that unpacks to far more than a CT would. Zip the CT's"
                " folder again."
            )
        )
    if member.flag_bits & 1:
        raise CTError(_("The .zip is encrypted. Unpack it and open the folder."))
    if member.compress_type not in READABLE:
        method = METHODS.get(
            member.compress_type,
            _("method {compress_type}").format(compress_type=member.compress_type),
        )
        words = _(
            "The .zip is packed with {method}, which Python cannot unpack. Unpack it with the"
            " program that made it and open the folder."
        )
        raise CTError(words.format(method=method))
