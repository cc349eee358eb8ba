"""Orthanc, an archive: the study is sent by STOW-RS, found by QIDO-RS and comes back by WADO-RS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from email.parser import BytesParser
from io import BytesIO
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from pydicom import Dataset, dcmread

from made_orthanc import orthanc

pytestmark = pytest.mark.needs("Orthanc")
BOUNDARY = "part"


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Iterator[str]:
    """The address of an empty archive that runs until the tests are done."""
    with orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server.address


def asked(url: str, accept: str = "application/dicom+json") -> bytes:
    with urlopen(Request(url, headers={"Accept": accept}), timeout=60) as answer:
        head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
        body = answer.read()
    return body if accept.endswith("json") else head + body


def stored(archive: str, files: list[Path]) -> None:
    parts = b"".join(
        f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        + file.read_bytes()
        + b"\r\n"
        for file in files
    )
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    request = Request(
        f"{archive}/studies",
        parts + f"--{BOUNDARY}--".encode(),
        {"Content-Type": kind, "Accept": "application/dicom+json"},
    )
    with urlopen(request, timeout=60) as answer:
        said = json.load(answer)
    assert len(said["00081199"]["Value"]) == len(files), said.get("00081198")


@pytest.fixture(scope="module")
def study(archive, written) -> str:
    """The address of our study in the archive."""
    stored(archive, [*written.images, written.report, written.masks])
    return f"{archive}/studies/{dcmread(written.report).StudyInstanceUID}"


def test_series_are_listed_with_their_descriptions(study):
    series = [Dataset.from_json(one) for one in json.loads(asked(f"{study}/series"))]
    listed = {one.Modality: one.get("SeriesDescription") for one in series}
    assert listed == {
        "CT": None,
        "SEG": "LungNoduleRisk masks, research use only",
        "SR": "LungNoduleRisk report, research use only",
    }


@pytest.mark.parametrize("name", ["report", "masks"])
def test_files_come_back_as_they_were_sent(study, written, name):
    sent = dcmread(getattr(written, name))
    url = f"{study}/series/{sent.SeriesInstanceUID}/instances/{sent.SOPInstanceUID}"
    kind = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    [part] = BytesParser().parsebytes(asked(url, kind)).get_payload()
    again = dcmread(BytesIO(part.get_payload(decode=True)))
    assert again == sent


def test_metadata_say_the_same_as_the_report(study, written):
    sent = dcmread(written.report)
    url = f"{study}/series/{sent.SeriesInstanceUID}/metadata"
    [said] = json.loads(asked(url))
    again = Dataset.from_json(said)
    assert again.ContentSequence == sent.ContentSequence
