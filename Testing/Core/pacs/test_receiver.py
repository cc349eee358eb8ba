"""The C-STORE receiver, and the command that runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import DataElement, Dataset, dcmread
from pydicom.uid import CTImageStorage, MRImageStorage
from pynetdicom import AE, Association
from typer.testing import CliRunner

from made_dicom import phantom, write_series
from nodulerisk.cli import app
from nodulerisk.ct.read import read_ct
from nodulerisk.errors import PacsError
from nodulerisk.pacs.received import received
from nodulerisk.pacs.receiver import NO_ROOM, NOT_UNDERSTOOD, Receiver

SENDER, OURS = "SCANNER", "NODULERISK"
NAMES = ("Grün", "GR", "P1234")
PATIENCE_S = 60


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> list[Dataset]:
    said = {"PatientName": "Grün^Jörg", "PatientID": "P1234", "StudyInstanceUID": "1.2.3"}
    said |= {"StudyDate": "20240301", "SpecificCharacterSet": "ISO_IR 192"}
    files = write_series(tmp_path_factory.mktemp("ct"), phantom((24, 40, 40)), **said)
    return [dcmread(file) for file in files]


@contextmanager
def receiving(folder: Path, most_bytes: int = 10**9) -> Iterator[tuple[int, list[str]]]:
    said: list[str] = []
    with Receiver(folder, OURS, [SENDER], most_bytes, said.append).listening(
        "127.0.0.1", 0
    ) as port:
        yield port, said


@contextmanager
def sending(port: int, title: str = SENDER, called: str = OURS, kind=CTImageStorage):
    entity = AE(ae_title=title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = PATIENCE_S
    entity.add_requested_context(kind)
    association = entity.associate("127.0.0.1", port, ae_title=called)
    try:
        yield association
    finally:
        association.release() if association.is_established else association.kill()


def sent(association: Association, *images: Dataset) -> list[int]:
    return [association.send_c_store(image).Status for image in images]


def wait_for(condition) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_series_that_is_sent_is_kept_whole_and_without_names(images, tmp_path):
    with receiving(tmp_path / "got") as (port, said):
        with sending(port) as association:
            assert set(sent(association, *images, images[0])) == {0}
        wait_for(lambda: said)
    [one] = received(tmp_path / "got")
    assert (one.series.images, one.study.date, one.study.shown_name) == (
        24,
        "2024-03-01",
        "Grün, Jörg",
    )
    assert read_ct(one.folder).hu.shape == (24, 40, 40)
    assert said == ["25 images received from SCANNER."]
    paths = " ".join(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert not [name for name in NAMES if name.lower() in paths.lower()]
    assert str(images[0].SOPInstanceUID) not in paths


@pytest.mark.parametrize("titles", [("OTHER", OURS), (SENDER, "OTHER")])
def test_who_is_not_asked_for_or_calls_another_is_refused(titles, tmp_path):
    with receiving(tmp_path / "got") as (port, _), sending(port, *titles) as association:
        assert not association.is_established
    assert received(tmp_path / "got") == []


def test_other_kinds_than_ct_are_not_taken(tmp_path):
    with receiving(tmp_path) as (port, _), sending(port, kind=MRImageStorage) as association:
        assert not association.accepted_contexts


def test_images_beyond_the_bound_are_refused(images, tmp_path):
    size = len(images[0].PixelData)
    with receiving(tmp_path / "got", most_bytes=int(5.5 * size)) as (port, said):
        with sending(port) as association:
            assert sent(association, *images[:8]).count(NO_ROOM) >= 3
        wait_for(lambda: said)
    assert "the folder is full" in said[0]
    kept = sum(file.stat().st_size for file in (tmp_path / "got").rglob("*.dcm"))
    assert 0 < kept <= 5.5 * size
    with receiving(tmp_path / "got", most_bytes=kept) as (port, _), sending(port) as association:
        assert sent(association, images[9]) == [NO_ROOM]  # what lay there counts, too
        next((tmp_path / "got").rglob("*.dcm")).unlink()
        assert sent(association, images[9]) == [0]


def test_what_a_sender_makes_up_is_refused(images, tmp_path):
    nameless, hostile = (dcmread(image.filename) for image in images[:2])
    del nameless.SeriesInstanceUID
    hostile["SeriesInstanceUID"] = DataElement(
        "SeriesInstanceUID", "UI", "../../1.2", already_converted=True
    )
    with receiving(tmp_path / "got") as (port, _), sending(port) as association:
        assert sent(association, nameless) == [NOT_UNDERSTOOD]
        assert sent(association, hostile) == [0]
    assert all((tmp_path / "got") in path.parents for path in tmp_path.rglob("*.dcm"))


def test_a_title_or_port_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(PacsError, match="AE title"):
        Receiver(tmp_path, "LONGER THAN SIXTEEN", [], 1, print)
    other = Receiver(tmp_path, OURS, [], 1, print)
    with receiving(tmp_path) as (port, _), pytest.raises(PacsError, match="Port"):
        other.listening("127.0.0.1", port).__enter__()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_when_asked_and_leaves_only_whole_images(number, images, tmp_path):
    """Also as a shell starts it in the background: with Ctrl-C ignored."""
    command = [
        sys.executable,
        "-m",
        "nodulerisk.cli",
        "listen",
        str(tmp_path / "got"),
        "--port",
        "0",
    ]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as process:
        line = next(line for line in process.stdout if "port" in line)
        port = int(line.split("port ")[1].split(".")[0])
        with sending(port, title="ANYONE") as association:
            assert sent(association, *images) == [0] * 24
            process.send_signal(number)
            printed, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0 and "Ended." in printed and errors == ""
    assert not [name for name in NAMES if name in printed]
    assert received(tmp_path / "got")[0].series.images == 24
    assert not list((tmp_path / "got").rglob(".partial*"))


def test_other_machines_need_a_list_of_senders(tmp_path):
    done = CliRunner().invoke(app, ["listen", str(tmp_path), "--host", "0.0.0.0"])
    assert done.exit_code == 2 and "--from" in done.stderr
