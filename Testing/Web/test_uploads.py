"""Uploads over a real server: what arrives is what was sent, and what must not arrive leaves
nothing behind."""

from __future__ import annotations

import asyncio
import gzip
import re
import resource
import tracemalloc
import warnings
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from LungNoduleRiskWeb.session import uploads
from LungNoduleRiskWeb.session.uploads import INCOMING, Limits, delete_unused, receive
from made_dicom import phantom, write_enhanced, write_series
from nodulerisk.ct.dicom.preview import slice_in
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.errors import CTError, NoduleRiskError

BOUNDARY = "----a-browsers-boundary"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
LIMITS = Limits()
END = f"--{BOUNDARY}--\r\n".encode()
IDENTITY = ["MUELLER^HANS 19500101.dcm", "../../../Mueller.dcm", "/etc/Mueller.dcm",
            "C:\\ct\\Mueller.nrrd", "..",
            "Müller.NII.GZ", "Mueller.dcm/../../x", "Mueller;1950;.dcm",
            'Mueller".dcm', "Mueller" + 300 * "x", "Mueller\t.dcm"]  # fmt: skip


class Refused(Exception):
    """The messages that the page was given."""


@pytest.fixture
def folder(tmp_path) -> Path:
    """The session's folder of uploads."""
    folder = tmp_path / "session"
    folder.mkdir()
    return folder


class Server(TestServer):
    """As trame's, a handler outlives the connection of its client; but what is refused is not
    waited for long."""

    async def _make_runner(self, **choices) -> web.AppRunner:
        return await super()._make_runner(
            **choices | {"handler_cancellation": False, "lingering_time": 0.2}
        )


@asynccontextmanager
async def server(
    folder: Path, limits: Limits = LIMITS, refusals: list[str] | None = None
) -> AsyncIterator[TestClient]:
    refusals = [] if refusals is None else refusals

    async def upload(request: web.Request) -> web.Response:
        try:
            return web.Response(text=str(await receive(request, folder, limits)))
        except NoduleRiskError as error:
            refusals.append(str(error))
            return web.Response(text=str(error), status=400)

    app = web.Application()
    app.router.add_post("/", upload)
    async with TestClient(Server(app)) as client:
        yield client


def upload(
    folder: Path, body, limits: Limits = LIMITS, headers: Mapping[str, str] = HEADERS
) -> Path:
    """The outcome of ``receive`` on a body: bytes, or an asynchronous generator, which is sent
    without its length."""

    async def main() -> Path:
        async with (
            server(folder, limits) as client,
            client.post("/", data=body, headers=headers) as response,
        ):
            return await answered(response)

    return asyncio.run(main())


async def answered(response: ClientResponse) -> Path:
    if response.status == 400:
        raise Refused(await response.text())
    assert response.status == 200
    return Path(await response.text())


def part(name: str, content: bytes) -> bytes:
    disposition = f'Content-Disposition: form-data; name="ct"; filename="{name}"'
    return (
        f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: x/y\r\n\r\n".encode() + content + b"\r\n"
    )


def parts(*files: Path) -> bytes:
    return b"".join(part(file.name, file.read_bytes()) for file in files) + END


async def pieces(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


def assert_same(one: CT, other: CT) -> None:
    np.testing.assert_array_equal(one.hu, other.hu)
    assert (one.spacing_mm, one.origin_lps_mm, one.checks) == (
        other.spacing_mm,
        other.origin_lps_mm,
        other.checks,
    )
    np.testing.assert_array_equal(one.direction, other.direction)


# --- What arrives


def test_a_folder_of_dicom_files(folder, tmp_path):
    files = write_series(tmp_path / "series", phantom())
    path = upload(folder, parts(*files))
    assert path.is_dir() and path.is_relative_to(folder)
    assert_same(read_ct(path), read_ct(tmp_path / "series"))


def as_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for file in write_series(path.with_suffix(""), phantom()):
            archive.write(file, file.name)


def as_image(path: Path) -> None:
    write_series(path.parent / "series", phantom())
    sitk.WriteImage(read_ct(path.parent / "series").to_sitk(), str(path))


def as_multi_frame(path: Path) -> None:
    write_enhanced(path, phantom())


@pytest.mark.parametrize(("name", "write"), [
    ("ct.zip", as_zip), ("CT.NRRD", as_image), ("ct.nii", as_image), ("ct.nii.gz", as_image),
    ("ct.mha", as_image),
    ("ct.dcm", as_multi_frame), ("IM_0001", as_multi_frame),
])  # fmt: skip
def test_one_file(folder, tmp_path, name, write):
    write(tmp_path / name)
    path = upload(folder, parts(tmp_path / name))
    assert path.read_bytes() == (tmp_path / name).read_bytes()
    assert_same(read_ct(path), read_ct(tmp_path / name))


def test_content_that_looks_like_a_boundary_arrives_as_it_is(folder):
    contents = [
        b"",
        b"\r\n",
        f"\r\n--{BOUNDARY[:-1]}\r\n".encode() * 9,
        b"-" * 70_000,
        bytes(range(256)) * 3000,
    ]
    path = upload(folder, b"".join(part("x", content) for content in contents) + END)
    assert [file.read_bytes() for file in sorted(path.iterdir())] == contents


def test_an_upload_of_unknown_length_arrives(folder):
    path = upload(folder, pieces(part("ct.nrrd", b"the"), part("2.nrrd", b"CT"), END))
    assert [file.name for file in sorted(path.iterdir())] == ["00001.nrrd", "00002.nrrd"]


def test_fault_45_46_no_name_of_a_file_is_kept(folder, tmp_path):
    before = set(tmp_path.rglob("*"))
    with warnings.catch_warnings(record=True) as warned:
        for name in IDENTITY:
            upload(folder, part(name, b"x") + END)
            delete_unused(folder, [])
        upload(folder, b"".join(part(name, b"x") for name in IDENTITY) + END)
    assert not warned
    left = {str(file.relative_to(tmp_path)) for file in set(tmp_path.rglob("*")) - before}
    assert len(left) == 1 + len(IDENTITY)
    assert all(
        re.fullmatch(r"session/[0-9a-f]{16}(/\d{5}(\.dcm|\.nrrd|\.nii\.gz)?)?", name)
        for name in left
    )


def test_a_slice_can_be_seen_of_each_image_and_of_nothing_else(tmp_path):
    file = write_series(tmp_path / "series", phantom())[0]
    seen = slice_in(file)
    assert seen is not None and seen.dtype == np.int16 and seen.ndim == 2
    (tmp_path / "notes.dcm").write_bytes(file.read_bytes()[:200])
    assert slice_in(tmp_path / "notes.dcm") is None


# --- What replaces what


def test_the_next_upload_leaves_the_last_until_that_is_unused(folder):
    first = upload(folder, part("1.nrrd", b"one") + END)
    with pytest.raises(Refused):
        upload(folder, part("2.nrrd", b"two"))
    second = upload(folder, part("3.nrrd", b"three") + END)
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"three")
    (folder / INCOMING).mkdir()  # another is under way
    delete_unused(folder, [second])
    assert [file for file in folder.rglob("*") if file.is_file()] == [second]
    assert (folder / INCOMING).is_dir()


def test_a_second_upload_at_once_is_refused_and_the_first_goes_on(folder):
    async def main() -> Path:
        under_way, go_on = asyncio.Event(), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield part("1.nrrd", bytes(1_000_000))
            under_way.set()
            await go_on.wait()
            yield END

        async with server(folder) as client:
            first = asyncio.create_task(client.post("/", data=slowly(), headers=HEADERS))
            await under_way.wait()
            await until(lambda: any(folder.iterdir()))
            with pytest.raises(Refused, match="under way"):
                await answered(
                    await client.post("/", data=part("2.nrrd", b"two") + END, headers=HEADERS)
                )
            go_on.set()
            return await answered(await first)

    assert asyncio.run(main()).read_bytes() == bytes(1_000_000)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not happened():
            await asyncio.sleep(0.01)


# --- What is refused


def assert_refused(
    folder: Path, words: str, body, limits: Limits = LIMITS, headers: Mapping[str, str] = HEADERS
) -> None:
    with pytest.raises(Refused, match=words) as refusal:
        upload(folder, body, limits, headers)
    assert "ueller" not in str(refusal.value)
    assert not list(folder.iterdir())


FILE = part("Mueller.dcm", bytes(700_000))


@pytest.mark.parametrize(
    "body", [FILE + FILE + END, pieces(FILE, FILE, END)], ids=["announced", "not announced"]
)
def test_fault_45_too_many_bytes(folder, body):
    assert_refused(folder, "larger than 0.001 GB", body, Limits(max_bytes=1_000_000))


def test_fault_45_too_many_files(folder):
    assert_refused(
        folder, "more than 2 files", 3 * part("Mueller.dcm", b"x") + END, Limits(max_files=2)
    )


def test_fault_45_what_is_packed_is_counted_unpacked(folder):
    body = gzip.compress(part("Mueller.dcm", bytes(20_000_000)) + END)
    assert len(body) < 100_000
    assert_refused(
        folder, "larger", body, Limits(max_bytes=1_000_000), HEADERS | {"Content-Encoding": "gzip"}
    )


@pytest.mark.parametrize(("body", "words"), [
    (b"", "cut off or damaged"),
    (END, "no files"),
    (part("", b"") + END, "no files"),
    (part("Mueller.dcm", b"") + END, "no files"),
    (part("Mueller.dcm", b"x").replace(b"; filename=", b"; nothing=") + END, "no files"),
    (part("Mueller.dcm", b"x").replace(b"x/y", b"multipart/mixed; boundary=b") + END, "no files"),
    (part("Mueller.dcm", b"x"), "cut off or damaged"),
    (FILE[:-1000], "cut off or damaged"),
    (FILE.replace(b"\r\n\r\n", b"\r\n" + 200 * b"X: y\r\n" + b"\r\n"), "cut off or damaged"),
    (FILE.replace(b"x/y", 100_000 * b"x"), "cut off or damaged"),
    (FILE.replace(b'"ct"', b'"_charset_"'), "cut off or damaged"),
])  # fmt: skip
def test_an_upload_that_is_empty_or_damaged(folder, body, words):
    assert_refused(folder, words, body)


@pytest.mark.parametrize(
    "kind",
    ["application/dicom", "multipart/form-data", "multipart/form-data; boundary=" + 80 * "b"],
)
def test_a_request_that_is_not_an_upload_is_refused(folder, kind):
    assert_refused(folder, "no files|damaged", FILE + END, headers={"Content-Type": kind})


def head(length: int) -> bytes:
    """The bytes of a request, for a client that does not do as it says."""
    headers = HEADERS | {"Host": "x", "Content-Length": length}
    lines = ["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "\r\n"]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(("limits", "words"), [
    (LIMITS, "larger than 4 GB"),
    (Limits(max_bytes=10**18), "no room"),
])  # fmt: skip
def test_fault_44_45_too_much_is_refused_before_it_is_sent(folder, limits, words):
    async def main() -> bytes:
        async with server(folder, limits) as client, asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(client.host, client.port)
            writer.write(head(10**16))
            answer = await reader.readuntil(b"smaller file." if "room" in words else b"CT series.")
            writer.close()
            return answer

    assert words.encode() in asyncio.run(main())


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_that_is_cut_leaves_nothing(folder, how):
    refusals: list[str] = []

    async def main() -> None:
        async with server(folder, refusals=refusals) as client:
            _, writer = await asyncio.open_connection(client.host, client.port)
            writer.write(head(9_999_999) + FILE + FILE)
            await until(lambda: any(folder.rglob("00002.dcm")))
            writer.transport.abort() if how == "reset" else writer.close()
            await until(lambda: not any(folder.iterdir()))
            async with client.post("/", data=FILE + END, headers=HEADERS) as response:
                assert (await answered(response)).stat().st_size == 700_000

    asyncio.run(main())
    assert ["cut off" in refusal for refusal in refusals] == [True]


def test_fault_44_no_room_on_the_disk(folder, monkeypatch):
    def free(_) -> SimpleNamespace:
        return SimpleNamespace(
            free=2_000_000 - sum(file.stat().st_size for file in folder.rglob("*.dcm"))
        )

    monkeypatch.setattr(uploads.shutil, "disk_usage", free)
    for body in (FILE + END, pieces(FILE, END)):
        assert_refused(folder, "no room", body, Limits(spare_bytes=1_500_000))
    upload(folder, FILE + END, Limits(spare_bytes=1_000_000))


@contextmanager
def files_can_grow_to(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_fault_44_a_disk_that_takes_no_more(folder):
    with files_can_grow_to(500_000):
        assert_refused(folder, "cannot store", FILE + END)


def test_fault_44_a_folder_that_is_gone(folder):
    folder.rmdir()
    with pytest.raises(Refused, match="cannot store") as refusal:
        upload(folder, FILE + END)
    assert str(folder) not in str(refusal.value)


def test_fault_45_memory_does_not_grow_with_the_upload(folder):
    block, times = bytes(1_000_000), 300

    async def large() -> AsyncIterator[bytes]:
        head, tail = part("ct.nrrd", b"|").split(b"|")
        yield head
        for _ in range(times):
            yield block
        yield tail + END

    tracemalloc.start()
    path = upload(folder, large())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = path.stat().st_size
    path.unlink()
    assert size == times * len(block)
    assert peak < 20_000_000


# --- What is unsafe inside is refused when it is read


@pytest.mark.parametrize("name", ["../../outside.dcm", "/etc/outside.dcm"])
def test_fault_45_zip_slip(folder, tmp_path, name):
    as_zip(tmp_path / "ct.zip")
    with zipfile.ZipFile(tmp_path / "ct.zip", "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(CTError, match="outside"):
        read_ct(upload(folder, parts(tmp_path / "ct.zip")))


def test_fault_45_zip_bomb(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.dcm", bytes(30_000_000))
    with pytest.raises(CTError, match="unpacks to far more"):
        read_ct(upload(folder, parts(tmp_path / "bomb.zip")))
