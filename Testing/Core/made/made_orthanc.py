"""A real archive: Orthanc with its DICOMweb plugin, on this machine."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from needs import program

PLUGINS = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
PATIENCE_S = 60
SAMPLE = Path(__file__).parents[3] / "Resources" / "SampleData"


@dataclass(frozen=True)
class Orthanc:
    """One that runs.

    Attributes:
        address: of its DICOMweb service.
        log: what it says.
    """

    address: str
    process: subprocess.Popen
    log: Path


@contextmanager
def orthanc(
    folder: Path, users: Mapping[str, str] | None = None, port: int = 0
) -> Iterator[Orthanc]:
    """An archive that keeps its studies in a folder; ``users``: passwords by name, if it asks."""
    port = port or free_port()
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "DicomServerEnabled": False,
        "AuthenticationEnabled": bool(users),
        "RegisteredUsers": dict(users or {}),
        "Plugins": [PLUGINS],
    }
    found = program("Orthanc")
    assert found is not None
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([found, folder / "orthanc.json"], stdout=log, stderr=log)
        try:
            server = Orthanc(f"http://127.0.0.1:{port}/dicom-web", process, folder / "log")
            wait_for(server)
            yield server
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(server: Orthanc) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and server.process.poll() is None:
        try:
            urlopen(f"{server.address}/studies", timeout=5)
            return
        except HTTPError:  # it wants a password
            return
        except URLError:
            time.sleep(0.2)
    pytest.fail(f"Orthanc does not answer:\n{server.log.read_text()}")


def sample_study(folder: Path, date: str, name: str) -> list[Path]:
    """Writes the sample's images as a study of a patient of this name, with an ID of its first
    letters."""
    folder.mkdir()
    study, series = generate_uid(), generate_uid()
    files = []
    with zipfile.ZipFile(SAMPLE / "demo-chest-ct.zip") as sample:
        for one in [one for one in sample.namelist() if one.endswith(".dcm")]:
            image = dcmread(BytesIO(sample.read(one)))
            image.SpecificCharacterSet, image.PatientName = "ISO_IR 192", name
            image.PatientID = name[:3].upper().replace("Ü", "U")
            image.StudyInstanceUID, image.SeriesInstanceUID = study, series
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            image.StudyDate = image.AcquisitionDate = date
            files.append(folder / f"{len(files)}.dcm")
            image.save_as(files[-1])
    return files
