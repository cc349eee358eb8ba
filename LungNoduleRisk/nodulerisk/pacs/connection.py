"""The HTTP connection to an archive: verified, never led elsewhere; what fails is refused in words
that quote neither the question nor the answer, which name patients."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import requests
from pydicom.errors import InvalidDicomError
from requests.auth import AuthBase
from requests.exceptions import (
    ChunkedEncodingError,
    ContentDecodingError,
    HTTPError,
    ReadTimeout,
    SSLError,
)

from nodulerisk.errors import PacsError
from nodulerisk.language.texts import _
from nodulerisk.pacs.access import CA_FILE, CREDENTIALS, EXAMPLE, Access

JSON, XML = "application/dicom+json", "application/dicom+xml"
KINDS = {JSON: JSON, "application/json": JSON, XML: XML, "application/xml": XML, "text/xml": XML}
NOT_DICOMWEB = _(
    "The archive at {host} does not answer as DICOMweb: check the address, whose"
    " path often ends in /dicom-web or /rs."
)
BROKEN_OFF = _("The archive at {host} broke off: nothing was kept. Try again.")
BUSY = _("The archive at {host} is busy: try again in a few minutes.")
REFUSED = _(
    "The archive at {host} does not accept the user and password, or they do not"
    " allow this: check {credentials}."
)
STATUS_WORDS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: REFUSED,
    HTTPStatus.FORBIDDEN: REFUSED,
    HTTPStatus.NOT_FOUND: _(
        "The archive at {host} has nothing of this name, or no DICOMweb service at"
        " this path, which is often like that of {example}."
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _("The archive at {host} finds this too large."),
    HTTPStatus.TOO_MANY_REQUESTS: BUSY,
    HTTPStatus.SERVICE_UNAVAILABLE: BUSY,
    HTTPStatus.GATEWAY_TIMEOUT: BUSY,
}

for chatty in ("dicomweb_client", "urllib3"):  # they log addresses that name patients
    logging.getLogger(chatty).setLevel(logging.CRITICAL)


class Connection(requests.Session):
    """A session whose requests and redirections stay with one archive."""

    def __init__(self, access: Access):
        super().__init__()
        self.auth = _Authorization(access.authorization)
        self.headers["Accept"] = JSON
        self._ca_file = access.ca_file

    def send(self, request: requests.PreparedRequest, **options) -> requests.Response:
        """As ``requests.Session`` does it; of a media type, dicomweb-client takes the bare name."""
        request.headers.pop("Host", None)  # dicomweb-client leaves out the port
        # Orthanc's plugin takes escaped wildcards for letters; in a query they need no escape
        request.url = (request.url or "").replace("%2A", "*").replace("%3F", "?")
        if self._ca_file is not None:  # a session's own setting would yield to REQUESTS_CA_BUNDLE
            options["verify"] = str(self._ca_file)
        answer = super().send(request, **options)
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind in KINDS:
            answer.headers["Content-Type"] = KINDS[kind]
        return answer

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where an answer leads.

        Raises:
            PacsError: to another server, which must not get the credentials.
        """
        target = super().get_redirect_target(resp)
        if target is not None and _origin(urljoin(resp.url, target)) != _origin(resp.url):
            words = _(
                "The archive sends on to {origin}: if you trust that server, give its address."
            )
            raise PacsError(words.format(origin=_origin(urljoin(resp.url, target))))
        return target


class _Authorization(AuthBase):
    """Puts the header in place, and keeps requests from looking for passwords in ~/.netrc."""

    def __init__(self, value: str):
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value:
            request.headers["Authorization"] = self._value
        return request


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@contextmanager
def refusals(access: Access) -> Iterator[None]:
    """Turns what the network and the archive bring into refusals, without what they quote.

    Raises:
        PacsError: whatever failed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote header values, such as the patient's name
            yield
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PacsError(_words(error, access.host)) from None
    except (EOFError, InvalidDicomError, NotImplementedError, struct.error):
        words = _("The archive at {host} sent something else than DICOM files: nothing was kept.")
        raise PacsError(words.format(host=access.host)) from None


def _words(error: Exception, host: str) -> str:
    if isinstance(error, HTTPError) and error.response is not None:
        status = error.response.status_code
        words = STATUS_WORDS.get(status) or _("The archive at {host} answers with error {status}.")
        return words.format(host=host, status=status, credentials=CREDENTIALS, example=EXAMPLE)
    if isinstance(error, SSLError):
        return _(
            "The certificate of {host} is not to be trusted: if the hospital has a"
            " certificate authority of its own, name its file (PEM) in {ca_file}."
        ).format(host=host, ca_file=CA_FILE)
    if isinstance(error, ChunkedEncodingError | ContentDecodingError | ReadTimeout):
        return BROKEN_OFF.format(host=host)
    if isinstance(error, requests.ConnectionError):
        return _(
            "The archive at {host} cannot be reached, or broke off: check the address and"
            " that it runs, and try again."
        ).format(host=host)
    return NOT_DICOMWEB.format(host=host)
