"""What archives answer that do not keep to the standard, and what is made of it."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from made_archive import JSON, MadeArchive, listed_study, made_archive, own_certificate
from made_dicom import item, phantom, write_series
from nodulerisk.errors import PacsError
from nodulerisk.pacs.access import CA_FILE, CREDENTIALS, CREDENTIALS_FILE, access_to
from nodulerisk.pacs.archive import MOST_STUDIES, Archive
from nodulerisk.pacs.listing import Series, proposed, uids_of
from nodulerisk.pacs.query import Wanted
from nodulerisk.pacs.retrieval import SPARE_BYTES

STUDY = "1.2.3"
SECRET = "s3cret"
IMAGES = 6


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("study")
    return write_series(
        folder, phantom((IMAGES, 16, 18)), PatientName="Grün^Jörg", StudyInstanceUID=STUDY
    )


@pytest.fixture(scope="module")
def series_uid(files) -> str:
    return dcmread(files[0]).SeriesInstanceUID


def archive_of(made: MadeArchive, **environment: str) -> Archive:
    return Archive(access_to(made.address, environment))


def refusal_of(action, *arguments) -> str:
    with pytest.raises(PacsError) as caught:
        action(*arguments)
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told and "Grün" not in told and "Gruen" not in told and "Gr%" not in told
    return str(caught.value)


# Search


def names(archive: Archive, **wanted: str) -> list[str]:
    return [study.shown_name for study in archive.find(Wanted(**wanted))[0]]


def test_an_archive_that_ignores_the_query_and_the_limit_shows_no_others(files):
    listed = [listed_study(f"1.{n}", f"Grün^Jörg{n}", PatientID=f"P{n}") for n in range(300)]
    with made_archive(studies=[*listed, listed[0]]) as made:
        archive = archive_of(made)
        assert names(archive, patient_id="P7") == ["Grün, Jörg7"]
        assert names(archive, name="jorg29 GRUN")[0] == "Grün, Jörg29"
        assert len(names(archive, name="jorg29 GRUN")) == 11  # 29, and 290 to 299
        found, has_more = archive.find(Wanted())
        assert len(found) == MOST_STUDIES and has_more
        assert archive.study("1.299").patient_id == "P299" and archive.study("1.300") is None


def test_one_study_listed_twice_is_one():
    with made_archive(studies=[listed_study("1.1", "A")] * 2) as made:
        assert names(archive_of(made)) == ["A"]


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("Grün", "*Gr*n*"),
        ("jörg grünwald", "*gr*nwald*"),
        ("GRÜN^J*", "GR*N*J*"),
        ("山田", "*%E5%B1%B1%E7%94%B0*"),
        ("O'Brien", "*O*Brien*"),
    ],
)
def test_a_name_is_asked_for_as_every_archive_understands_it(typed, asked):
    with made_archive() as made:
        assert names(archive_of(made), name=typed) == []
        assert f"PatientName={asked}&" in made.asked[0][1]


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("2024-03-01", "20240301"),
        ("20240301-20240331", "20240301-20240331"),
        ("2024-03-01 - 2024-03-31", "20240301-20240331"),
        ("2024-03-01 -", "20240301-"),
        ("-2024-03-01", "-20240301"),
    ],
)
def test_days_and_ranges_are_asked_for_as_dicom_writes_them(typed, asked):
    assert Wanted(date=typed).queries[0]["StudyDate"] == asked


@pytest.mark.parametrize(
    "typed",
    ["yesterday", "2024-13-01", "2024-02-30 -", "-", "2024-03-02-2024-03-01"],
)
def test_other_dates_are_refused(typed):
    with pytest.raises(PacsError):
        _ = Wanted(date=typed).queries


def test_chest_cts_come_first_and_the_newest_first():
    said = {"1.1": ("CT Abdomen", "20240105"), "1.2": ("CT Thorax", "20240101")}
    said |= {"1.3": ("LUNG SCREENING", "20240103"), "1.4": ("", "20240104")}
    listed = [
        listed_study(uid, "A", StudyDescription=words, StudyDate=day)
        for uid, (words, day) in said.items()
    ]
    listed[1]["00080061"]["Value"] = ["SR", "CT"]
    listed += [listed_study("1.5", "A", ModalitiesInStudy="MR")]
    with made_archive(studies=listed) as made:
        found, _ = archive_of(made).find(Wanted())
    assert [study.uid for study in found] == ["1.3", "1.2", "1.1", "1.4"]


def test_earlier_cts_are_of_the_same_patient():
    said = {"PatientID": "7", "PatientBirthDate": "19600101"}
    born_later = said | {"PatientBirthDate": "19700101"}
    now = listed_study("1.1", "Grün^Jörg", StudyDate="20240101", **said)
    before = listed_study("1.2", "GRUN^JORG", StudyDate="20220101", **said)
    long_before = listed_study("1.3", "Grün^Jörg", StudyDate="20200101", PatientID="7")
    others = [
        listed_study("1.4", "Rot^Eva", StudyDate="20220101", PatientID="7"),
        listed_study("1.5", "Grün^Jörg", StudyDate="20220101", PatientID="8"),
        listed_study("1.6", "Grün^Jörg", StudyDate="20220101", **born_later),
        listed_study("1.7", "Grün^Jörg", StudyDate="20250101", **said),
        listed_study("1.8", "Grün^Jörg", StudyDate="20220101"),
    ]
    with made_archive(studies=[now, long_before, before, *others]) as made:
        archive = archive_of(made)
        found = archive.earlier(archive.study("1.1"))
    assert [study.uid for study in found] == ["1.2", "1.3"]


def test_the_thinnest_series_of_the_lungs_is_proposed_first():
    def series(uid, images, thickness_mm, is_localizer=False):
        return Series(STUDY, uid, "", "", images, thickness_mm, is_localizer)

    listed = [
        series("1", 60, 5.0),
        series("2", 2, 0.5),
        series("3", None, 0.6, is_localizer=True),
        series("4", 300, 1.0),
        series("5", None, 1.0),
        series("6", 600, None),
    ]
    assert [one.uid for one in proposed(listed)][:4] == ["4", "5", "1", "6"]


def test_counts_and_thickness_are_asked_for_where_the_list_has_none(files):
    with made_archive(files=files, names_counts=False, lists=4) as made:
        [series] = archive_of(made).series(STUDY)
    assert (series.images, series.thickness_mm) == (IMAGES, 1.0)


@pytest.mark.parametrize(
    "address", ["dicomweb://", "dicomweb://1.2", "dicomweb://1.2/../3", "dicomweb://a/b"]
)
def test_an_address_without_two_uids_is_refused(address):
    with pytest.raises(PacsError, match="find"):
        uids_of(address)


# Retrieval


def test_every_image_arrives_as_the_archive_has_it(files, series_uid, tmp_path):
    noise = [b'Content-Type: application/json\r\n\r\n{"not": "an image"}']
    told: list[tuple[int, int]] = []
    with made_archive(files=[*files, files[0]], lists=2) as made:
        folder = archive_of(made).retrieve(
            STUDY, series_uid, tmp_path / "got", lambda *steps: told.append(steps)
        )
        assert told[-1] == (IMAGES, IMAGES)
        made.parts_besides = noise
        words = refusal_of(archive_of(made).retrieve, STUDY, series_uid, tmp_path / "more")
    assert "else than DICOM" in words
    assert {path.read_bytes() for path in folder.iterdir()} == {f.read_bytes() for f in files}
    assert [path.name for path in tmp_path.iterdir()] == ["got"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_an_answer_that_is_cut_off_leaves_nothing_and_can_be_asked_for_again(
    files, series_uid, tmp_path, share
):
    with made_archive(files=files) as made:
        whole = len(made.answer("/studies/1/series/1", {})[2])
        made.cut = int(share * whole)
        archive = archive_of(made)
        refusal_of(archive.retrieve, STUDY, series_uid, tmp_path / "got")
        assert not list(tmp_path.iterdir())
        made.cut = None
        assert len(list(archive.retrieve(STUDY, series_uid, tmp_path / "got").iterdir())) == IMAGES


def test_images_that_are_listed_but_not_sent_are_missed(files, series_uid, tmp_path):
    with made_archive(files=files) as made:
        every = made.answer("/instances", {})
        made.files = files[:-1]
        made.answers["/instances"] = every
        archive = archive_of(made)
        archive._some_images = lambda *_, offset=None, **__: (
            set()
            if offset
            else {  # one page
                item["00080018"]["Value"][0] for item in json.loads(every[2])
            }
        )
        words = refusal_of(archive.retrieve, STUDY, series_uid, tmp_path / "got")
    assert "left out 1" in words and not list(tmp_path.iterdir())


def test_a_series_without_room_is_refused(files, series_uid, tmp_path, monkeypatch):
    with made_archive(files=files) as made:
        retrieve = archive_of(made).retrieve
        words = refusal_of(retrieve, STUDY, series_uid, tmp_path / "got", lambda *_: None, 3000)
        assert "larger than" in words
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("", (), {"free": SPARE_BYTES - 1}))
        assert "disk" in refusal_of(retrieve, STUDY, series_uid, tmp_path / "got")
    assert not list(tmp_path.iterdir())


# What is refused


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, "text/html", b"<html>Please log in, Gruen"), "does not answer as DICOMweb"),
        ((200, JSON, b'{"error": "Gruen"}'), "does not answer as DICOMweb"),
        ((200, JSON, b'["Gr\xc3\xbcn"]'), "does not answer as DICOMweb"),
        ((200, JSON, b"null"), "does not answer as DICOMweb"),
        ((404, "text/html", b"Gruen"), "no DICOMweb service"),
        ((403, "text/html", b"Gruen"), "user and password"),
        ((500, "text/html", b"Gruen"), "error 500"),
        ((503, "text/html", b"Gruen"), "busy"),
    ],
)
def test_what_is_no_answer_is_refused_in_words(answer, words):
    with made_archive(answers={"/studies": answer}) as made:
        assert words in refusal_of(archive_of(made).find, Wanted(name="Grün"))
    assert len(made.asked) == 1  # nor asked again behind the user's back


@pytest.mark.parametrize("answer", [(204, JSON, b""), (200, JSON, b""), (200, JSON, b"[]")])
def test_an_empty_answer_is_no_study(answer):
    with made_archive(answers={"/studies": answer}) as made:
        assert archive_of(made).find(Wanted()) == ([], False)


def test_a_series_without_images_is_refused(tmp_path):
    with made_archive(answers={"/instances": (200, JSON, b"[]")}) as made:
        assert "no images" in refusal_of(archive_of(made).retrieve, "1.2", "1.3", tmp_path / "got")


def test_a_server_that_is_gone_is_named():
    with made_archive() as made:
        archive = archive_of(made)
    words = refusal_of(archive.find, Wanted(name="Grün"))
    assert made.address.removesuffix("/rs") in words and "cannot be reached" in words


# Credentials


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (f"jörg:{SECRET}:ü", "Basic asO2cmc6czNjcmV0OsO8"),
        (f"Bearer {SECRET}", f"Bearer {SECRET}"),
    ],
)
def test_credentials_come_from_the_environment_or_a_file(given, sent, tmp_path):
    (tmp_path / "key").write_text(f"{given}\n", encoding="utf-8")
    for environment in ({CREDENTIALS: given}, {CREDENTIALS_FILE: str(tmp_path / "key")}):
        with made_archive(authorization=sent) as made:
            archive = archive_of(made, **environment)
            assert archive.find(Wanted()) == ([], False)
            assert SECRET not in repr(archive.access)
            made.authorization = "another"
            assert "user and password" in refusal_of(archive.find, Wanted())


@pytest.mark.parametrize("given", ["only-a-user", f"Bearer {SECRET}\nX: y", f"a:{SECRET}\r\nX: y"])
def test_other_credentials_are_refused(given):
    assert CREDENTIALS in refusal_of(access_to, "https://a/rs", {CREDENTIALS: given})


@pytest.mark.parametrize(
    "address",
    ["", "pacs", "ftp://pacs/rs", "https://", "https://pacs:port/rs", f"https://me:{SECRET}@pacs/rs",
     f"https://pacs/rs?token={SECRET}"],
)  # fmt: skip
def test_other_addresses_are_refused(address):
    refusal_of(access_to, address, {})


def test_missing_files_are_refused():
    for name in (CREDENTIALS_FILE, CA_FILE):
        assert name in refusal_of(access_to, "https://a/rs", {name: "/not/there"})


def test_passwords_of_netrc_stay_at_home(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login me password {SECRET}")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with made_archive() as made:
        archive_of(made).find(Wanted())
    assert "Authorization" not in made.asked[0][2]


def test_redirections_do_not_leave_the_archive():
    away = {"/studies": (307, "text/html", b"")}
    with made_archive() as other, made_archive(answers=away) as made:
        archive = archive_of(made, **{CREDENTIALS: f"me:{SECRET}"})
        made.location = f"{other.address}/studies"
        words = refusal_of(archive.find, Wanted(name="Grün"))
        assert other.address.removesuffix("/rs") in words and not other.asked
        made.location = "/rs/here"
        made.answers["/here"] = (200, JSON, b"[]")
        assert archive.find(Wanted()) == ([], False)


def test_only_a_certificate_of_a_trusted_authority_is_taken(tmp_path, monkeypatch):
    certificate, other = (own_certificate(tmp_path / name) for name in ("own", "other"))
    with made_archive(certificate=certificate) as made:
        for environment in ({}, {CA_FILE: str(other)}):
            words = refusal_of(archive_of(made, **environment).find, Wanted(name="Grün"))
            assert CA_FILE in words and "not to be trusted" in words
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
        assert archive_of(made, **{CA_FILE: str(certificate)}).find(Wanted()) == ([], False)


# Storing


def stored(*uids: str, failed: dict[str, int] | None = None) -> bytes:
    answer = Dataset()
    answer.ReferencedSOPSequence = [item(ReferencedSOPInstanceUID=uid) for uid in uids]
    answer.FailedSOPSequence = [
        item(ReferencedSOPInstanceUID=uid, FailureReason=code)
        for uid, code in (failed or {}).items()
    ]
    return answer.to_json().encode()


@pytest.mark.parametrize("status", [202, 409])
def test_what_an_archive_does_not_store_is_said_by_name(files, status):
    first, second = (str(dcmread(file).SOPInstanceUID) for file in files[:2])
    sent = {"masks": files[0], "report": files[1]}
    with made_archive() as made:
        store = archive_of(made).store

        def says(body: bytes, status: int = 200) -> None:
            # the search before has the same address
            made.answer = lambda *_: (
                (status, f"{JSON};charset=utf-8", body)
                if made.asked[-1][0] == "POST"
                else (200, JSON, b"[]")
            )

        says(stored(first, second))
        store(sent)
        says(stored(first, failed={second: 0xA700}), status)
        assert "store report: it has no room left. The others" in refusal_of(store, sent)
        says(stored(first))
        assert "report: it does not say that it did" in refusal_of(store, sent)
        says(b"")
        assert "masks: it does not say" in refusal_of(store, sent)
        says(b"<html>", 413)
        assert "too large" in refusal_of(store, sent)


def test_a_file_that_is_not_dicom_is_named(tmp_path):
    (tmp_path / "masks").write_bytes(b"not DICOM")
    with made_archive() as made:
        refused = refusal_of(archive_of(made).store, {"masks": tmp_path / "masks"})
    assert "masks" in refused and not made.asked


def test_nothing_is_sent_with_a_wrong_password(files):
    with made_archive(authorization="other") as made:
        assert "user and password" in refusal_of(archive_of(made).store, {"masks": files[0]})
    assert [method for method, *_ in made.asked] == ["GET"]
