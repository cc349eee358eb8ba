"""Where the archive is, and what opens it: from the environment or a file, so that neither a page
nor a command line shows it."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from nodulerisk.errors import PacsError
from nodulerisk.language.texts import _

ADDRESS = "NODULERISK_PACS"
CREDENTIALS = "NODULERISK_PACS_CREDENTIALS"  # user:password, or Bearer TOKEN
CREDENTIALS_FILE = "NODULERISK_PACS_CREDENTIALS_FILE"  # the same in a file
CA_FILE = "NODULERISK_PACS_CA"  # PEM, of a hospital's own certificate authority
EXAMPLE = "https://pacs.example.org/dicom-web"


@dataclass(frozen=True)
class Access:
    """How to reach an archive.

    Attributes:
        address: of its DICOMweb service; shown to users, so that it holds no secrets.
        authorization: the value of the HTTP header; empty: none.
        ca_file: the authority to trust instead of the usual ones.
    """

    address: str
    authorization: str = field(default="", repr=False)
    ca_file: Path | None = None

    @property
    def host(self) -> str:
        """Its scheme, host and port, as refusals name it."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_readable_on_the_way(self) -> bool:
        """Whether others on the network can read what is sent."""
        parts = urlsplit(self.address)
        return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def access_to(address: str | None, environment: Mapping[str, str] = os.environ) -> Access:
    """Returns the access to the archive of this address; None: the one that the environment names.

    Raises:
        PacsError: no address, a wrong one, or credentials or certificates that cannot be read.
    """
    address = address or environment.get(ADDRESS)
    if not address:
        words = _("Say where the archive is: --pacs {example}, or the variable {address}.")
        raise PacsError(words.format(example=EXAMPLE, address=ADDRESS))
    return Access(_checked(address), _authorization(environment), _ca_file(environment))


def _checked(address: str) -> str:
    parts = _parts(address.strip())
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        words = _("This is not the address of a DICOMweb service: write {example}.")
        raise PacsError(words.format(example=EXAMPLE))
    if parts.username or parts.password:
        words = _(
            "Leave user and password out of the address, where others can read them: put them in"
            " the variable {credentials}, or in a file that {credentials_file} names."
        )
        raise PacsError(words.format(credentials=CREDENTIALS, credentials_file=CREDENTIALS_FILE))
    if parts.query or parts.fragment:
        raise PacsError(
            _("The address ends with its path, without ? or #: write {example}.").format(
                example=EXAMPLE
            )
        )
    return parts.geturl().rstrip("/")


def _parts(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises for one that is no number
    except ValueError:
        return None
    return parts


def _authorization(environment: Mapping[str, str]) -> str:
    """Returns the header's value (RFC 7617 in UTF-8, RFC 6750)."""
    given = environment.get(CREDENTIALS, "").strip() or _read(environment.get(CREDENTIALS_FILE))
    if not given or given.startswith("Bearer ") and given.isascii() and given.isprintable():
        return given
    if ":" not in given or not given.isprintable():
        words = _(
            "The archive's credentials are one line: user:password, or Bearer TOKEN ({credentials}"
            " or {credentials_file})."
        )
        raise PacsError(words.format(credentials=CREDENTIALS, credentials_file=CREDENTIALS_FILE))
    return f"Basic {b64encode(given.encode()).decode()}"


def _read(file: str | None) -> str:
    try:
        return Path(file).read_text(encoding="utf-8-sig").strip() if file else ""
    except (OSError, ValueError):
        words = _("The file that {credentials_file} names cannot be read.")
        raise PacsError(words.format(credentials_file=CREDENTIALS_FILE)) from None


def _ca_file(environment: Mapping[str, str]) -> Path | None:
    file = environment.get(CA_FILE)
    if file and not os.access(file, os.R_OK):
        raise PacsError(_("The file that {ca_file} names cannot be read.").format(ca_file=CA_FILE))
    return Path(file) if file else None


def is_loopback(name: str) -> bool:
    """Whether this host name or address is this machine's own, which no other machine reaches."""
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
