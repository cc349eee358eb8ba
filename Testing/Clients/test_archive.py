"""Orthanc as the hospital's archive: what is found there is assessed, and sent back to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid
from typer.testing import CliRunner

from made_dicom import write_series
from made_orthanc import SAMPLE, Orthanc, orthanc, sample_study
from nodulerisk.cli import app
from nodulerisk.errors import PacsError
from nodulerisk.outputs.style import SEG_NAME, SR_NAME
from nodulerisk.pacs.access import ADDRESS, CREDENTIALS, access_to
from nodulerisk.pacs.archive import Archive
from nodulerisk.pacs.query import Wanted

pytestmark = pytest.mark.needs("Orthanc")
USERS = {"reader": "a password; with ü", "other": "secret:2"}
STUDIES = {"20240301": "Grün^Jörg", "20220301": "Grün^Jörg", "20240302": "Rot^Eva"}
LARGE_BYTES = 2_000_000_000
MOST_GROWTH_BYTES = 300_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Orthanc]:
    folder = tmp_path_factory.mktemp("studies")
    with orthanc(tmp_path_factory.mktemp("orthanc"), USERS) as server:
        for date, name in STUDIES.items():
            files = sample_study(folder / date, date, name)
            archive_of(server).store({file.name: file for file in files})
        yield server


def archive_of(server: Orthanc, user: str = "reader") -> Archive:
    return Archive(access_to(server.address, {CREDENTIALS: f"{user}:{USERS[user]}"}))


@pytest.fixture
def terminal(server, monkeypatch):
    """Runs a command as someone who has set the variables."""
    monkeypatch.setenv(ADDRESS, server.address)
    monkeypatch.setenv(CREDENTIALS, f"reader:{USERS['reader']}")

    def run(*arguments, fails: bool = False) -> str:
        done = CliRunner().invoke(app, [str(one) for one in arguments], terminal_width=500)
        assert (done.exit_code != 0) is fails, done.output
        assert USERS["reader"] not in done.output
        return done.output

    return run


def test_a_ct_is_found_assessed_sent_and_found_again(terminal, server, tmp_path):
    found = terminal("find", "--name", "jörg grün", "--date", "2024-01-01 -").splitlines()
    assert found[0].startswith("2024-03-01, Grün, Jörg, GRU") and len(found) == 2
    address, _, words = found[1].strip().partition("  ")
    assert "3 mm, 56 images" in words
    point = ("--points", SAMPLE / "demo-point.mrk.json")
    printed = terminal("assess", address, *point, "--dicom", "--out", tmp_path / "out")
    earlier = archive_of(server).find(Wanted(date="2022-03-01"))[0][0]
    assert f"nodulerisk follow-up dicomweb://{earlier.uid}/" in " ".join(printed.split())
    report = dcmread(tmp_path / "out" / SR_NAME)
    assert address.startswith(f"dicomweb://{report.StudyInstanceUID}/")

    assert server.address in terminal("push", tmp_path / "out")
    study = archive_of(server, "other").study(report.StudyInstanceUID)
    assert set(study.modalities) == {"CT", "SEG", "SR"}
    for name in (SEG_NAME, SR_NAME):
        sent = dcmread(tmp_path / "out" / name)
        uids = sent.StudyInstanceUID, sent.SeriesInstanceUID
        [again] = archive_of(server)._images(*uids)
        assert again == sent.SOPInstanceUID


def test_a_wrong_password_is_said_and_nothing_is_written(terminal, monkeypatch, tmp_path):
    monkeypatch.setenv(CREDENTIALS, "reader:wrong")
    assert "user and password" in terminal("find", fails=True)
    point = ("--point", "0,0,0", "--out", tmp_path / "out")
    assert "user and password" in terminal("assess", "dicomweb://1.2/1.3", *point, fails=True)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_dicom_results_is_not_sent(terminal, tmp_path):
    assert "--dicom" in terminal("push", tmp_path, fails=True)


def test_a_series_that_is_not_there_is_refused(terminal, tmp_path):
    point = ("--point", "0,0,0", "--out", tmp_path / "out")
    assert "no images" in terminal("assess", "dicomweb://1.2/1.3", *point, fails=True)
    assert "find" in terminal("assess", "dicomweb://1.2", *point, fails=True)
    assert "one CT" in terminal("follow-up", "dicomweb://1.2/1.3", "--out", tmp_path, fails=True)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_study_of_2_gb_passes_in_little_memory_and_survives_the_archives_end(tmp_path):
    with orthanc(tmp_path, USERS) as server:
        study, series = sent_large(server, tmp_path / "slices")
        grown = subprocess.run(
            [sys.executable, "-c", RETRIEVE, server.address, study, series, str(tmp_path / "got")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert int(grown.stdout) < MOST_GROWTH_BYTES
        size = sum(file.stat().st_size for file in (tmp_path / "got").iterdir())
        assert size > LARGE_BYTES

        def end(done: int, total: int) -> None:
            if done == 10:
                server.process.kill()

        with pytest.raises(PacsError):
            archive_of(server).retrieve(study, series, tmp_path / "half", end)
    assert not (tmp_path / "half").exists() and not list(tmp_path.glob(".partial*"))


RETRIEVE = f"""
import resource, sys
from pathlib import Path
from nodulerisk.pacs.access import CREDENTIALS, access_to
from nodulerisk.pacs.archive import Archive
address, study, series, folder = sys.argv[1:]
archive = Archive(access_to(address, {{CREDENTIALS: {"reader:" + USERS["reader"]!r}}}))
archive.study(study)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
archive.retrieve(study, series, Path(folder))
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


def sent_large(server: Orthanc, folder: Path) -> tuple[str, str]:
    """A series of more than 2 GB, sent a hundred images at a time: UIDs of study and series."""
    slab = np.random.default_rng(3).integers(-1000, 100, (100, 512, 512)).astype(np.int16)
    study, series = generate_uid(), generate_uid()
    for _ in range(LARGE_BYTES // slab.nbytes + 1):
        files = write_series(folder, slab, StudyInstanceUID=study, SeriesInstanceUID=series)
        archive_of(server).store({file.name: file for file in files})
    return study, series
