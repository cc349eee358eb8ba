"""An archive that answers as real ones do that do not keep to the standard, on this machine."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pydicom import Dataset, dcmread

JSON = "application/dicom+json"
BOUNDARY = "a part"
OF_SERIES = ("Modality", "SeriesInstanceUID", "SeriesDescription", "SeriesNumber")


@dataclass
class MadeArchive:
    """What it holds, and how it misbehaves.

    Attributes:
        studies: as it lists them, whatever it is asked for.
        files: of its images.
        lists: at most so many images at a time, by itself.
        names_counts: how many images a series has.
        cut: the bytes after which it breaks off.
        parts_besides: what stands between the images of an answer.
        answers: (status, media type, body) instead of its own, for addresses that end so.
        authorization: what it demands.
        certificate: its certificate and key in one file; None: no TLS.
        asked: every request: method, address, headers.
    """

    studies: Sequence[dict] = ()
    files: Sequence[Path] = ()
    lists: int | None = None
    names_counts: bool = True
    cut: int | None = None
    parts_besides: Sequence[bytes] = ()
    answers: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    authorization: str | None = None
    certificate: Path | None = None
    location: str = ""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    address: str = ""

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, str, bytes]:
        """Status, media type and body."""
        for end, answer in self.answers.items():
            if path.endswith(end):
                return answer
        *_, last = path.split("/")
        if last == "studies":
            return self._json(self.studies)
        if last == "series":
            return self._json(self._series())
        if last == "instances":
            first = int(query.get("offset", ["0"])[0])
            every = [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in self._uids()]
            most = self.lists or len(every)
            return self._json(every[first : first + most])
        if last == "metadata":
            image = dcmread(self.files[0], stop_before_pixels=True)
            return self._json([image.to_json_dict()])
        kind = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'
        return 200, kind, multipart([*self.parts_besides, *map(as_part, self.files)])

    def _uids(self) -> list[str]:
        return list(dict.fromkeys(str(dcmread(file).SOPInstanceUID) for file in self.files))

    def _series(self) -> list[dict]:
        image = dcmread(self.files[0], stop_before_pixels=True)
        listed = Dataset()
        for name in OF_SERIES:
            if name in image:
                listed[name] = image[name]
        if self.names_counts:
            listed.NumberOfSeriesRelatedInstances = len(self._uids())
        return [listed.to_json_dict()]

    @staticmethod
    def _json(items: Sequence[dict]) -> tuple[int, str, bytes]:
        return 200, f"{JSON}; charset=UTF-8", json.dumps(list(items)).encode()


def as_part(file: Path) -> bytes:
    return b"Content-Type: application/dicom\r\n\r\n" + file.read_bytes()


def multipart(parts: Sequence[bytes]) -> bytes:
    mark = f"--{BOUNDARY}".encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def listed_study(uid: str, name: str = "", **more: str) -> dict:
    """A study as archives list it."""
    study = Dataset()
    study.StudyInstanceUID, study.PatientName, study.ModalitiesInStudy = uid, name, "CT"
    for keyword, value in more.items():
        setattr(study, keyword, value)
    return study.to_json_dict()


@contextmanager
def made_archive(**how) -> Iterator[MadeArchive]:
    """Runs while the block does."""
    made = MadeArchive(**how)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            made.asked.append((self.command, self.path, dict(self.headers)))
            status, kind, body = made.answer(parts.path, parse_qs(parts.query))
            if made.authorization and self.headers.get("Authorization") != made.authorization:
                status, kind, body = 401, "text/plain", b"who are you?"
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if status in (301, 302, 307):
                self.send_header("Location", made.location)
            self.end_headers()  # HTTP/1.0: the end of the connection is that of the answer
            self.wfile.write(body[: made.cut] if kind.startswith("multipart") else body)

        do_POST = do_GET

        def log_message(self, *_) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if made.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(made.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https" if made.certificate else "http"
    made.address = f"{scheme}://127.0.0.1:{server.server_address[1]}/rs"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def own_certificate(file: Path) -> Path:
    """Writes the certificate of an authority that nobody knows, and its key."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    command += " -subj /CN=pacs -addext subjectAltName=IP:127.0.0.1 -out - -keyout -"
    file.write_bytes(subprocess.run(command.split(), check=True, capture_output=True).stdout)
    return file
