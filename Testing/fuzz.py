"""Mutated headers and point files against independent readers: ``make fuzz``.

Every file is read in a child process with bounded memory and time. What is read without an error,
but otherwise than the unchanged file, is compared with a reader that shares no code with ours:
nibabel for NIfTI, pynrrd for NRRD, SimpleITK for MetaImage and DICOM. Where both say the same, the
mutation has made another valid file. Where they differ, it is a silent difference: it must be
explained in `EXPLAINED`, or it is a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import random
import re
import resource
import select
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import SimpleITK as sitk
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "Core" / "made"), str(HERE.parent / "LungNoduleRisk")]

from made_dicom import phantom, write_series  # noqa: E402
from made_images import write_meta, write_nifti, write_nrrd  # noqa: E402
from nodulerisk.ct.points import read_points  # noqa: E402
from nodulerisk.ct.read import read_ct  # noqa: E402
from nodulerisk.ct.volume import CT  # noqa: E402
from nodulerisk.errors import NoduleRiskError  # noqa: E402

MEMORY = 1_500_000_000  # bytes beyond what the libraries take
SECONDS = 20  # for one file
WITHIN_MM = 0.02  # sform and pixdim may differ by their rounding
BIT = "bit flipped,"
OUTCOMES = (
    "same",
    "refused",
    "flagged",
    "as stated",
    "explained",
    "silent",
    "crash",
    "hang",
    "memory",
)
FAULTS = ("silent", "crash", "hang", "memory")
SPECIAL = ["0", "-1", "1", "nan", "inf", "-inf", "1e308", "1e-308", "2147483648", "99999999999",
           "0.1", "10", "700", "3", "", "none", "0x10", "1,5", "1 1 1"]  # fmt: skip
WORDS = ["LPS", "RAS", "LAS", "left-anterior-superior", "scanner-xyz", "raw", "gzip", "ascii",
         "hex", "bzip2", "int16", "uint16", "float", "little", "big", "True", "False", "LOCAL",
         "LIST", "MET_SHORT", "MET_USHORT", "MET_FLOAT", "RAI", "mm", "cm", '"m" "m" "m"',
         "defined", "undefined", "coordX", "l", "r", "lps", "ras"]  # fmt: skip
KEYS = ["space", "space units", "space directions", "space origin", "spacings", "sizes", "units",
        "data file", "byte skip", "line skip", "axis mins", "measurement frame", "Position",
        "Origin", "Orientation", "ElementSize", "DistanceUnits", "HeaderSize", "CompressedData",
        "ElementToIntensityFunctionOffset", "AnatomicalOrientation"]  # fmt: skip

# Differences from the other reader that are no fault: by the kind of file and what differs
EXPLAINED = {
    ("MetaImage, compressed", "values"): (
        "SimpleITK unpacks as much as CompressedDataSize says, and fills up; we unpack the stream"
        " to its own end, and only where the voxels are those of the unchanged file it counts here"
    ),
}


@dataclass(frozen=True)
class Case:
    """One mutated file and what came of it.

    Attributes:
        kind: of the file, as in `KINDS`.
        number: with the seed it gives the same file again.
        mutation: in words.
        outcome: one of `OUTCOMES`.
        words: the refusal, or the difference.
    """

    kind: str
    number: int
    mutation: str
    outcome: str
    words: str = ""


# --- Mutations


def mutate_text(content: bytes, end: int, rng: random.Random) -> tuple[bytes, str]:
    """Changes one or two places of a text header, which ends at ``end``."""
    header, said = content[:end].decode("latin-1"), []
    for _ in range(rng.choice((1, 1, 2))):
        change = rng.choice(TEXT_CHANGES)
        header, words = change(header, rng)
        said.append(words)
    return header.encode("utf-8", "replace") + content[end:], "; ".join(said)


def _number(header: str, rng: random.Random) -> tuple[str, str]:
    found = list(re.finditer(r"-?\d+\.?\d*(e-?\d+)?", header))
    return _replaced(header, found, rng, rng.choice(SPECIAL))


def _scaled(header: str, rng: random.Random) -> tuple[str, str]:
    found = list(re.finditer(r"-?\d+\.\d+", header))
    factor = rng.choice((-1, 0.1, 0.5, 2, 10, 1000))
    match = rng.choice(found) if found else None
    text = "" if match is None else repr(float(match[0]) * factor)
    return _replaced(header, [match] if match else [], rng, text)


def _word(header: str, rng: random.Random) -> tuple[str, str]:
    return _replaced(header, list(re.finditer(r"[A-Za-z][\w-]*", header)), rng, rng.choice(WORDS))


def _case(header: str, rng: random.Random) -> tuple[str, str]:
    found = list(re.finditer(r"[A-Za-z][\w-]*", header))
    match = rng.choice(found) if found else None
    return _replaced(header, [match] if match else [], rng, match[0].swapcase() if match else "")


def _replaced(header, found, rng, text: str) -> tuple[str, str]:
    if not found:
        return header, "nothing"
    match = rng.choice(found)
    changed = header[: match.start()] + text + header[match.end() :]
    return changed, f"{match[0]!r} became {text!r}"


def _line(header: str, rng: random.Random) -> tuple[str, str]:
    lines = header.split("\n")
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    how = rng.choice(("dropped", "repeated", "moved", "swapped"))
    said = f"line {lines[at][:40]!r} {how}"
    if how == "swapped":
        lines[at], lines[to] = lines[to], lines[at]
        return "\n".join(lines), said
    kept = lines[at]
    if how != "repeated":
        del lines[at]
    if how != "dropped":
        lines.insert(to, kept)
    return "\n".join(lines), said


def _added(header: str, rng: random.Random) -> tuple[str, str]:
    lines = header.split("\n")
    key, separator = rng.choice(KEYS), ": " if "NRRD" in header else " = "
    line = key + separator + rng.choice([*SPECIAL, *WORDS])
    lines.insert(rng.randrange(1, max(2, len(lines) - 2)), line)
    return "\n".join(lines), f"line {line!r} added"


def _byte(header: str, rng: random.Random) -> tuple[str, str]:
    if not header:
        return header, "nothing"
    at, value = rng.randrange(len(header)), rng.randrange(256)
    return header[:at] + chr(value) + header[at + 1 :], f"byte {at} became {value}"


TEXT_CHANGES: tuple[Callable[[str, random.Random], tuple[str, str]], ...] = (
    _number, _number, _scaled, _word, _case, _line, _added, _byte,
)  # fmt: skip


def mutate_binary(content: bytes, end: int, rng: random.Random) -> tuple[bytes, str]:
    """Writes one or two odd numbers anywhere into a binary header, or flips a bit."""
    changed, said = bytearray(content), []
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(0, end - 8)
        form, value = rng.choice(BINARY)
        if form == BIT:
            data = bytes([changed[at] ^ (1 << rng.randrange(8))])
        else:
            data = np.array([value]).astype(form).tobytes()
        changed[at : at + len(data)] = data
        said.append(f"{form} {value} at byte {at}")
    return bytes(changed), "; ".join(said)


BINARY: list[tuple[str, float]] = [
    *((form, value) for form in ("<f4", "<f8") for value in (0, -1, math.nan, math.inf, 1e30, 0.5)),
    *((form, value) for form in ("<i2", "<i4") for value in (0, 1, -1, 2, 4, 16, 512, 32767)),
    *(("u1", value) for value in (0, 1, 3, 127, 255)),
    *[(BIT, 0)] * 4,
]


def cut(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    length = rng.randrange(len(content))
    return content[:length], f"cut to {length} bytes"


# --- Kinds of files: how each is made, mutated, read, and read independently


def made_ct() -> CT:
    turn = np.reshape(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix(), (3, 3))
    return CT(phantom(), (0.7, 0.8, 1.25), (-10.0, 20.0, -300.0), turn)


def by_nibabel(path: Path) -> CT:
    image = nibabel.load(path)
    unit = {"meter": 1000, "micron": 1e-3}.get(image.header.get_xyzt_units()[0], 1)
    affine = np.diag([-1, -1, 1]) @ image.affine[:3] * unit
    values = np.asarray(image.dataobj)
    return _as_ct(values.reshape(values.shape[:3]).T, affine)


def by_pynrrd(path: Path) -> CT:
    values, header = nrrd.read(str(path))
    signs = {"r": -1, "a": -1}
    space = header.get("space", "left-posterior-superior")
    letters = space.lower() if len(space) <= 4 else "".join(w[0] for w in space.split("-"))
    turn = np.diag([signs.get(letter, 1) for letter in letters[:3]])
    unit = {"cm": 10.0, "m": 1000.0, "um": 1e-3}.get((header.get("space units") or ["mm"])[0], 1.0)
    axes = np.array(header["space directions"], float).T
    affine = turn @ np.column_stack([axes[:3, :3], header["space origin"][:3]]) * unit
    return _as_ct(values.reshape(values.shape[:3]).T, affine)


def by_pynrrd_or_teem(path: Path) -> CT:
    """pynrrd knows fields and words in lower case alone; teem, in SimpleITK, knows them in any."""
    fields = path.read_bytes().split(b"\n\n")[0].partition(b"\n")[2]
    return by_pynrrd(path) if fields == fields.lower() else by_simpleitk(path)


def by_simpleitk(path: Path) -> CT:
    return _of_image(sitk.ReadImage(str(path)))


def by_gdcm(folder: Path) -> CT:
    """Reads each file alone and stacks them along z, which they face."""
    slices = []
    for file in sorted(folder.iterdir()):
        with contextlib.suppress(RuntimeError):
            slices.append(sitk.ReadImage(str(file)))
    size = Counter(image.GetSize() for image in slices).most_common(1)[0][0]
    slices = [image for image in slices if image.GetSize() == size]
    slices.sort(key=lambda image: image.GetOrigin()[2])
    first, last = (np.array(image.GetOrigin()) for image in (slices[0], slices[-1]))
    affine = np.column_stack([np.eye(3) * slices[0].GetSpacing(), first])
    affine[:, 2] = (last - first) / (len(slices) - 1)
    return _as_ct(np.concatenate([sitk.GetArrayFromImage(image) for image in slices]), affine)


def _of_image(image: sitk.Image) -> CT:
    direction = np.reshape(image.GetDirection(), (3, 3))
    affine = np.column_stack([direction * image.GetSpacing(), image.GetOrigin()])
    return _as_ct(sitk.GetArrayFromImage(image), affine)


def _as_ct(values: np.ndarray, affine: np.ndarray) -> CT:
    spacing = np.linalg.norm(affine[:, :3], axis=0)
    hu = np.clip(np.rint(values), -1024, 32767).astype(np.int16)
    return CT(hu, tuple(spacing), tuple(affine[:, 3]), affine[:, :3] / spacing)


def differences(ct: CT, other: CT) -> str:
    """What of two CTs differs, in a word; empty: nothing."""
    if ct.hu.shape != other.hu.shape:
        return "size"
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in ct.hu.shape[::-1]])).reshape(3, -1).T
    if any(np.abs(ct.point_of(v) - other.point_of(v)).max() > WITHIN_MM for v in corners):
        return "place"
    return "" if np.array_equal(ct.hu, other.hu) else "values"


def numbers_in(path: Path) -> set[float]:
    text, tail = _text(path), r"\d*(?:[eE][-+]?\d+)?"
    found = [n for point in (r"\.", ",") for n in re.findall(rf"\d*{point}?{tail}", text) if n]
    plain = [n.replace(",", ".") for n in found]
    return {float(n) for n in plain if re.fullmatch(r"(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", n)}


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


FCSV = """# Markups fiducial file version = 5.8
# CoordinateSystem = LPS
# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
1,1.5,2.25,-3.75,0,0,0,1,1,1,0,F-1,,,2,0
2,9.5,8.25,7.75,0,0,0,1,1,1,0,F-2,,,0,0
"""
TABLE = "label,l,p,s,defined\nN1,-81.5,-192.25,-19.75,1\nN2,9.5,8.25,7.75,0\n"
MARKUPS = json.dumps({"markups": [{
    "type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm",
    "controlPoints": [
        {"label": "N1", "position": [-81.5, -192.25, -19.75], "positionStatus": "defined"},
        {"label": "N2", "position": [9.5, 8.25, 7.75], "positionStatus": "undefined"},
    ]}]}, indent=1)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: of the file that is mutated.
        make: writes the unchanged one, and returns how long its header is.
        mutate: changes the header.
        oracle: an independent reader of CTs; None: a point file.
        whole: what is read: the file, or its folder.
    """

    name: str
    make: Callable[[Path], int]
    mutate: Callable[[bytes, int, random.Random], tuple[bytes, str]]
    oracle: Callable[[Path], CT] | None = None
    whole: bool = False


def _nrrd(path: Path) -> int:
    return write_nrrd(path, made_ct()).read_bytes().index(b"\n\n")


def _gzipped_nrrd(path: Path) -> int:
    return write_nrrd(path, made_ct(), encoding="gzip").read_bytes().index(b"\n\n")


def _meta(path: Path) -> int:
    content = write_meta(path, made_ct(), AnatomicalOrientation="RAI").read_bytes()
    return content.index(b"ElementDataFile") + len(b"ElementDataFile = LOCAL")


def _compressed_meta(path: Path) -> int:
    sitk.WriteImage(made_ct().to_sitk(), str(path), useCompression=True)
    return path.read_bytes().index(b"ElementDataFile") + len(b"ElementDataFile = LOCAL")


def _nifti(version: int) -> Callable[[Path], int]:
    def make(path: Path) -> int:
        write_nifti(path, made_ct(), version=version)
        return 352 if version == 1 else 544

    return make


def _dicom(path: Path) -> int:
    files = write_series(path.parent, phantom())
    return files[3].read_bytes().index(b"\xe0\x7f\x10\x00")  # PixelData


def _written(content: str) -> Callable[[Path], int]:
    def make(path: Path) -> int:
        path.write_text(content, encoding="utf-8")
        return len(content)

    return make


KINDS = {
    "NRRD": Kind("ct.nrrd", _nrrd, mutate_text, by_pynrrd_or_teem),
    "NRRD, gzip": Kind("ct.nrrd", _gzipped_nrrd, mutate_text, by_pynrrd_or_teem),
    "MetaImage": Kind("ct.mha", _meta, mutate_text, by_simpleitk),
    "MetaImage, compressed": Kind("ct.mha", _compressed_meta, mutate_text, by_simpleitk),
    "NIfTI-1": Kind("ct.nii", _nifti(1), mutate_binary, by_nibabel),
    "NIfTI-2": Kind("ct.nii", _nifti(2), mutate_binary, by_nibabel),
    "DICOM": Kind("slice 003.dcm", _dicom, mutate_binary, by_gdcm, whole=True),
    "points, .fcsv": Kind("F.fcsv", _written(FCSV), mutate_text),
    "points, .mrk.json": Kind("F.mrk.json", _written(MARKUPS), mutate_text),
    "points, .csv": Kind("points.csv", _written(TABLE), mutate_text),
}


# --- The child, which reads


def read_all(first: int, count: int, seed: int) -> Iterator[Case]:
    """Reads the cases from ``first`` on; a case's kind and mutation follow from its number."""
    with tempfile.TemporaryDirectory() as folder:
        unchanged = {name: _unchanged(Path(folder) / str(n), kind)
                     for n, (name, kind) in enumerate(KINDS.items())}  # fmt: skip
        for number in range(first, count):
            name = list(KINDS)[number % len(KINDS)]
            yield _case_of(name, number, seed, *unchanged[name])


def _unchanged(folder: Path, kind: Kind) -> tuple[Path, bytes, int, object]:
    folder.mkdir()
    end = kind.make(folder / kind.name)
    path = folder / kind.name
    return path, path.read_bytes(), end, _read(kind, path)


def _read(kind: Kind, path: Path) -> object:
    return read_points(path) if kind.oracle is None else read_ct(_whole(kind, path))


def _whole(kind: Kind, path: Path) -> Path:
    return path.parent if kind.whole else path


def _case_of(name: str, number: int, seed: int, path: Path, content, end, before) -> Case:
    kind, rng = KINDS[name], random.Random(f"{seed} {number}")
    changed, mutation = cut(content, rng) if rng.random() < 0.03 else kind.mutate(content, end, rng)
    print(json.dumps([name, number, mutation]), flush=True)  # for whoever finds us dead
    path.write_bytes(changed)
    try:
        after = _read(kind, path)
    except NoduleRiskError as error:
        return Case(name, number, mutation, "refused", str(error))
    except MemoryError:
        return Case(name, number, mutation, "memory")
    except Exception as error:
        return Case(name, number, mutation, "crash", repr(error)[:200])
    if kind.oracle is None:
        return _points_case(name, number, mutation, path, before, after)
    return _ct_case(name, number, mutation, path, before, after)


def _points_case(name, number, mutation, path, before, after) -> Case:
    """Points may change only into numbers that the file states."""
    if after == before:
        return Case(name, number, mutation, "same")
    stated = numbers_in(path)
    told = all(abs(v) in stated for point in after for v in point.lps_mm)
    outcome = "as stated" if told else "silent"
    return Case(name, number, mutation, outcome, "" if told else str(after)[:200])


def _ct_case(name, number, mutation, path, before: CT, after: CT) -> Case:
    if not (changed := differences(after, before)):
        return Case(name, number, mutation, "same")
    codes = [{check.code for check in ct.checks} for ct in (before, after)]
    if codes[1] - codes[0]:
        return Case(name, number, mutation, "flagged", ", ".join(codes[1] - codes[0]))
    kind = KINDS[name]
    try:
        with contextlib.redirect_stderr(None):
            differs = differences(after, kind.oracle(_whole(kind, path)))
    except Exception as error:
        differs = f"{changed}; the other reader: {type(error).__name__}"
    if not differs:
        return Case(name, number, mutation, "as stated", changed)
    kept = np.array_equal(after.hu, before.hu)
    outcome = "explained" if kept and (name, differs) in EXPLAINED else "silent"
    return Case(name, number, mutation, outcome, differs)


def child(first: int, count: int, seed: int) -> None:
    warnings.simplefilter("ignore")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    for case in read_all(first, count, seed):
        print(json.dumps(asdict(case)), flush=True)


# --- The parent, which watches


def run(count: int, seed: int = 18) -> list[Case]:
    """Reads this many mutated files; a case that ends the child, or takes too long, is recorded and
    the next child goes on after it."""
    cases: list[Case] = []
    while len(cases) < count:
        cases += _until_death(len(cases), count, seed)
    return cases


def _until_death(first: int, count: int, seed: int) -> list[Case]:
    command = [sys.executable, __file__, "--child", str(first), "--seed", str(seed), "-n"]
    process = subprocess.Popen(
        [*command, str(count)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    cases, begun, outcome = [], ["?", first, "?"], "crash"
    try:
        for line in _lines(process):
            said = json.loads(line)
            if isinstance(said, list):
                begun = said
            else:
                cases.append(Case(**said))
    except TimeoutError:
        outcome = "hang"
    finally:
        process.kill()
        process.wait()
    if first + len(cases) < count:
        cases.append(Case(*begun, outcome))
    return cases


def _lines(process: subprocess.Popen) -> Iterator[bytes]:
    """Yields the child's lines as they come.

    Raises:
        TimeoutError: none came for `SECONDS` (the first may take longer: libraries are loaded).
    """
    buffer, patience = b"", 10 * SECONDS
    while True:
        if not select.select([process.stdout], [], [], patience)[0]:
            raise TimeoutError
        part = process.stdout.read1()  # type: ignore[union-attr]
        if not part:
            return
        *lines, buffer = (buffer + part).split(b"\n")
        patience = SECONDS
        yield from lines


def summary(cases: list[Case]) -> Table:
    table = Table("files", "mutated", *OUTCOMES)
    for name in KINDS:
        counts = Counter(case.outcome for case in cases if case.kind == name)
        table.add_row(name, str(sum(counts.values())), *(str(counts[o]) for o in OUTCOMES))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=2000, help="how many files")
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child is not None:
        child(asked.child, asked.n, asked.seed)
        return
    start = time.monotonic()
    cases = run(asked.n, asked.seed)
    console = Console(width=140)
    console.print(summary(cases))
    for case in cases:
        if case.outcome in FAULTS:
            console.print(f"[red]{case.outcome}[/red] {case.kind} {case.number}:", markup=True)
            console.print(f"  {case.mutation}\n  {case.words}", markup=False)
    for (kind, differs), why in EXPLAINED.items():
        console.print(f"explained: {kind}, {differs}: {why}")
    console.print(f"{len(cases)} files in {time.monotonic() - start:.0f} s, seed {asked.seed}")
    sys.exit(any(case.outcome in FAULTS for case in cases))


if __name__ == "__main__":
    main()
