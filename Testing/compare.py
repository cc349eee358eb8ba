"""Shows that two checkouts do the same: ``python Testing/compare.py OLD_CHECKOUT NEW_CHECKOUT``.

Runs the same commands in both, on the bundled CT and on CTs made here, and compares every file that
they write: JSON, CSV and text by value, masks voxel by voxel, pictures pixel by pixel, DICOM
element by element. Times, dates, identifiers made anew and the package's own path may differ,
nothing else. Prints one line per file; the exit code is 1 where anything differs.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from PIL import Image
from pydicom.uid import generate_uid

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "Core" / "made"))

from made_dicom import write_enhanced, write_series  # noqa: E402

TUMOUR = "-81,-192,-192"  # in the bundled CT, LPS mm
CASES = {
    "one point": f"assess demo.zip --point {TUMOUR} --dicom --stability --out out"
    " --patient age=62 --patient sex=female --patient nodules=1 --patient status=baseline",
    "several points": f"assess demo.zip --point {TUMOUR} --point -67,-224,-171 --point 900,0,0"
    " --cascade --threshold malignancy=0.3 --patient age=62 --dicom --out out",
    "points file": "assess tilted.nrrd --points points.csv --lps --out out",
    "RAS points": "assess tilted.nrrd --ras --point 10,-5,20 --out out",
    "DICOM series": "assess series --point 0,0,0 --threshold malignancy=0.9 --dicom --out out",
    "tilted DICOM series": "assess tilted-series --point 0,0,0 --cascade --dicom --out out",
    "enhanced DICOM": "assess enhanced --point 11,44,-276 --dicom --out out",
    "missing slice": "assess gap --point 0,0,0 --point 0,0,-40 --dicom --out out",
    "explain": f"explain demo.zip --point {TUMOUR} --out out",
    "follow-up": "follow-up before.nrrd after.nrrd --points-before before.csv"
    " --points-after after.csv --days 90 --yes --out out",
    "cohort": "cohort cohort.csv --masks --workers 1 --dashboard 127.0.0.1:0 --out out",
    "evaluate": "evaluate open dataset --clicks 1 --out out",
    "simulate": "simulate dataset out --count 2",
    "list-weights": "list-weights",
    "show-weights": "show-weights open",
    "version": "--version",
    "no CT": "assess nowhere --point 1,2,3 --out out",
    "no point": "assess demo.zip --out out",
    "no number": "assess demo.zip --point 1,2 --out out",
    "no task": "assess demo.zip --point 1,2,3 --threshold cancer=0.3 --out out",
    "no dataset": "evaluate open nowhere --out out",
    "no table": "cohort series --out out",
}
SECONDS = {"seconds", "Seconds"}  # JSON keys and CSV columns that hold times
FRESH = (  # what may differ in a text
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",  # plotly's names
    r"\d{4}-\d\d-\d\d(T| )?\d*(:\d\d)*(\.\d+)?(\+\d\d:\d\d)?",
    r"\b\d+(\.\d+)? ?(s|seconds|min|minutes)\b",
    r"127\.0\.0\.1:\d+",
    r"nonce[-=]\"?[\w-]{43}",  # of a page's scripts
)
FRESH_NAME = r"-[0-9a-f]{12}(?=\.parquet)"  # the hash of a file that holds seconds
DICOM_FRESH = {"DA", "TM", "DT"}
STANDARD_UID = "1.2.840.10008."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--only", help="run the cases whose name contains this")
    parser.add_argument(
        "--keep", type=Path, help="folder for inputs and results; the old ones there are used again"
    )
    asked = parser.parse_args()
    cases = {name: command for name, command in CASES.items() if (asked.only or "") in name}
    with tempfile.TemporaryDirectory() as temporary:
        work = (asked.keep or Path(temporary)).resolve()
        if not (work / "inputs").exists():
            write_inputs(work / "inputs", asked.old)
        shutil.rmtree(work / "new", ignore_errors=True)
        with ThreadPoolExecutor(2) as both:
            checkouts = asked.old.resolve(), asked.new.resolve()
            old, new = both.map(run_all, checkouts, (work / "old", work / "new"), [cases] * 2)
        return verdict(old, new, known_uids(work / "inputs"))


# --- The inputs


def write_inputs(folder: Path, checkout: Path) -> None:
    folder.mkdir(parents=True)
    demo = checkout / "Resources" / "SampleData" / "demo-chest-ct.zip"
    (folder / "demo.zip").write_bytes(demo.read_bytes())
    ball = chest((80, 90, 100), radius_mm=7)
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])
    sitk.WriteImage(image_of(ball, (0.8, 0.8, 1.25), turn), str(folder / "tilted.nrrd"))
    (folder / "points.csv").write_text("name,x,y,z\nupper,0,0,0\n../evil,4,-3,2\nout,0,0,900\n")
    step, middle = np.array((0.8, 0.8, 1.25)), np.array((99, 89, 79)) / 2
    header = {"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()}
    header |= {"PatientSex": "F", "StudyDate": "20200304", "StudyTime": "101112"}
    missing = np.delete(np.arange(81), 5) * step[2]
    for name, axes, heights in (
        ("series", np.eye(3), None),
        ("tilted-series", turn, None),
        ("gap", np.eye(3), missing),
    ):
        write_series(
            folder / name,
            ball,
            spacing_mm=tuple(step),
            origin_lps_mm=-axes @ (middle * step),
            direction=axes,
            heights_mm=heights,
            **header,
        )
    (folder / "enhanced").mkdir()
    small = chest((40, 60, 60), radius_mm=6)
    write_enhanced(folder / "enhanced" / "ct.dcm", small, **header)
    write_scans(folder)
    write_dataset(folder / "dataset")
    write_cohort(folder)


def chest(shape: tuple[int, int, int], radius_mm: float) -> np.ndarray:
    """Noisy lung, a wall, and a ball in the middle: int16 HU (z, y, x)."""
    hu = np.random.default_rng(3).normal(-850, 25, shape)
    hu[:, -shape[1] // 6 :] = 45
    z, y, x = np.indices(shape)
    middle = (np.array(shape) - 1) / 2
    offsets = (z - middle[0]) * 1.25, (y - middle[1]) * 0.8, (x - middle[2]) * 0.8
    hu[np.sqrt(sum(offset**2 for offset in offsets)) <= radius_mm] = 30
    return hu.astype(np.int16)


def image_of(hu: np.ndarray, spacing_mm: tuple, direction: np.ndarray) -> sitk.Image:
    """The middle lies at 0."""
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(spacing_mm)
    image.SetDirection(direction.ravel())
    middle = (np.array(hu.shape[::-1]) - 1) / 2
    image.SetOrigin((-direction @ (middle * spacing_mm)).tolist())
    return image


def write_scans(folder: Path) -> None:
    """The bundled CT at 1.5 mm with a ball in its lung, and the same moved, with a larger one."""
    with zipfile.ZipFile(folder / "demo.zip") as archive:
        archive.extractall(folder / "demo")
    reader = sitk.ImageSeriesReader()
    files = max((f for f in map(reader.GetGDCMSeriesFileNames, series_folders(folder))), key=len)
    reader.SetFileNames(files)
    thick = sitk.Cast(reader.Execute(), sitk.sitkInt16)
    fine = [round(n * s / 1.5) for n, s in zip(thick.GetSize(), thick.GetSpacing(), strict=True)]
    scan = sitk.Resample(
        thick, fine, sitk.Transform(), sitk.sitkLinear,
        thick.GetOrigin(), (1.5,) * 3, thick.GetDirection(),
    )  # fmt: skip
    for name, radius_mm, shift_mm in (("before", 5, 0), ("after", 7, 3)):
        image = with_ball(scan, (-67.0, -224.0, -171.0), radius_mm)
        image.SetOrigin([o + shift_mm for o in image.GetOrigin()])
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"))
        places = (-67 + shift_mm, -224 + shift_mm, -171 + shift_mm), (-81, -192, -192)
        rows = (f"P{n},{x},{y},{z}\n" for n, (x, y, z) in enumerate(places))
        (folder / f"{name}.csv").write_text("name,x,y,z\n" + "".join(rows))


def series_folders(folder: Path) -> list[str]:
    return sorted({str(path.parent) for path in (folder / "demo").rglob("*") if path.is_file()})


def with_ball(image: sitk.Image, centre_lps_mm: tuple, radius_mm: float) -> sitk.Image:
    hu = sitk.GetArrayFromImage(image)
    voxel = np.array(image.TransformPhysicalPointToContinuousIndex(centre_lps_mm))[::-1]
    distance = np.linalg.norm(np.moveaxis(np.indices(hu.shape), 0, -1) - voxel, axis=-1)
    hu[distance * 1.5 <= radius_mm] = 30
    made = sitk.GetImageFromArray(hu)
    made.CopyInformation(image)
    return made


def write_dataset(folder: Path) -> None:
    """Six nodules in DenseSharp's format."""
    folder.mkdir()
    table = ["name,diagnosis,subset"]
    for number, diagnosis in enumerate(("AIS", "MIA", "IA") * 2):
        hu = np.random.default_rng(number).normal(-850, 25, (80, 80, 80))
        z, y, x = np.indices(hu.shape) - 40
        seg = z**2 + y**2 + x**2 <= (4 + number) ** 2
        hu[seg] = 30 - 60 * (number % 3)
        np.savez(folder / f"n{number}.npz", voxel=hu.astype(np.int16), seg=seg)
        table.append(f"n{number},{diagnosis},{number % 2}")
    (folder / "info.csv").write_text("\n".join(table) + "\n")


def write_cohort(folder: Path) -> None:
    """An assessed, a followed, a refused and a failed nodule."""
    (folder / "broken.nii.gz").write_bytes(b"no CT")
    rows = [
        "case,ct,nodule,x,y,z,earlier,days,age",
        "first,before.nrrd,N1,-67,-224,-171,,,62",
        "first,before.nrrd,N2,-81,-192,-192,,,62",
        "second,after.nrrd,N1,-64,-221,-168,first,90,62",
        "outside,series,N1,900,0,0,,,",
        "broken,broken.nii.gz,N1,0,0,0,,,",
        "tilted,tilted-series,N1,0,0,0,,,",
    ]
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")


# --- The runs


def run_all(checkout: Path, folder: Path, cases: dict[str, str]) -> dict[str, Path]:
    """Runs the commands that were not run yet, each in a folder of its own beside the inputs.

    Returns:
        The written files by case and name, what was printed and the exit code among them.
    """
    for name, command in cases.items():
        here = folder / name
        if here.exists():
            continue
        here.mkdir(parents=True)
        for path in (folder.parent / "inputs").iterdir():
            (here / path.name).symlink_to(path)
        done = subprocess.run(
            [sys.executable, "-m", "nodulerisk.cli", *command.split()],
            cwd=here,
            env=os.environ | {"PYTHONPATH": str(checkout / "LungNoduleRisk"), "COLUMNS": "100"},
            capture_output=True,
            text=True,
        )
        written = here / "out"
        written.mkdir(exist_ok=True)
        (written / "exit code.txt").write_text(str(done.returncode))
        for stream in ("stdout", "stderr"):
            text = getattr(done, stream).replace(str(checkout), "CHECKOUT")
            (written / f"{stream}.txt").write_text(text.replace(str(folder), "WORK"))
    return {
        f"{name}/{re.sub(FRESH_NAME, '', str(path.relative_to(folder / name / 'out')))}": path
        for name in cases
        for path in sorted((folder / name / "out").rglob("*"))
        if path.is_file()
    }


# --- The comparison


def verdict(old: dict[str, Path], new: dict[str, Path], known: set[str]) -> int:
    """Prints one line per file and the verdict; returns the exit code."""
    different = 0
    for name in sorted(old.keys() | new.keys()):
        why = "only of the old" if name not in new else "only of the new" if name not in old else ""
        why = why or first_difference(old[name], new[name], known)
        different += bool(why)
        print(f"{'DIFFERS  ' if why else 'identical'}  {name}{f': {why}' if why else ''}")
    print(f"{different} of {len(old.keys() | new.keys())} files differ.")
    return int(different > 0)


def first_difference(old: Path, new: Path, known: set[str]) -> str:
    """Where two files first differ; empty: nowhere."""
    parts: Callable[[Path], Iterator[tuple[str, Any]]]
    if old.suffix == ".dcm":
        parts = lambda path: dicom_parts(pydicom.dcmread(path), known)  # noqa: E731
    else:
        parts = PARTS.get(old.suffix, bytes_parts)
    before, after = dict(parts(old)), dict(parts(new))
    for name in {**before, **after}:
        if not same(before.get(name), after.get(name)):
            values = (str(side.get(name)).replace("\n", " ")[:80] for side in (before, after))
            return f"{name}: {' | '.join(values)}"
    return ""


def same(one: Any, other: Any) -> bool:
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other


def json_parts(path: Path) -> Iterator[tuple[str, Any]]:
    yield from leaves(json.loads(path.read_text(encoding="utf-8")), "")


def leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The numbers and texts within JSON, by their path."""
    if isinstance(value, dict):
        yield name, sorted(value)
        for key, inner in value.items():
            if key not in SECONDS:
                yield from leaves(inner, f"{name}.{key}")
    elif isinstance(value, list):
        yield name, len(value)
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{name}[{index}]")
    else:
        yield name, value


def csv_parts(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        for number, row in enumerate(csv.DictReader(file)):
            yield f"row {number}", list(row)
            yield from ((f"row {number} {k}", v) for k, v in row.items() if k not in SECONDS)


def text_parts(path: Path) -> Iterator[tuple[str, Any]]:
    text = re.sub("|".join(FRESH), "FRESH", path.read_text(encoding="utf-8"))
    yield from ((f"line {number}", line) for number, line in enumerate(text.splitlines()))


def lines_of_json_parts(path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        yield from leaves(json.loads(line), f"line {number} ")


def image_parts(path: Path) -> Iterator[tuple[str, Any]]:
    image = sitk.ReadImage(str(path))
    yield "grid", (image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    yield "fields", {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    yield "voxels", sitk.GetArrayFromImage(image)


def picture_parts(path: Path) -> Iterator[tuple[str, Any]]:
    yield "pixels", np.asarray(Image.open(path))


def arrays_parts(path: Path) -> Iterator[tuple[str, Any]]:
    with np.load(path) as arrays:
        yield from ((name, arrays[name]) for name in arrays.files)


def parquet_parts(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow.parquet as pq

    for number, row in enumerate(pq.read_table(path).to_pylist()):
        yield from ((f"row {number} {k}", json_or(v)) for k, v in row.items() if k not in SECONDS)


def json_or(value: Any) -> Any:
    """JSON in a cell by its leaves, anything else as it is."""
    if isinstance(value, str) and value.startswith("{"):
        return list(leaves(json.loads(value), ""))
    return value


def bytes_parts(path: Path) -> Iterator[tuple[str, Any]]:
    yield "bytes", path.read_bytes()


PARTS = {
    ".json": json_parts,
    ".jsonl": lines_of_json_parts,
    ".csv": csv_parts,
    ".txt": text_parts,
    ".md": text_parts,
    ".html": text_parts,
    ".nrrd": image_parts,
    ".gz": image_parts,
    ".png": picture_parts,
    ".npz": arrays_parts,
    ".parquet": parquet_parts,
}


def dicom_parts(dataset: pydicom.Dataset, known: set[str]) -> Iterator[tuple[str, Any]]:
    """Every element; a UID made anew counts by its first place in the file."""
    seen: dict[str, str] = {}

    def named(uid: str) -> str:
        fresh = uid not in known and not uid.startswith(STANDARD_UID)
        return seen.setdefault(uid, f"UID {len(seen)}") if fresh else uid

    def within(level: pydicom.Dataset, where: str) -> Iterator[tuple[str, Any]]:
        for element in level:
            name = f"{where}/{element.keyword or element.tag}"
            if element.VR == "SQ":
                yield name, len(element.value)
                for index, item in enumerate(element.value):
                    yield from within(item, f"{name}[{index}]")
            elif element.VR == "UI":
                many = element.value if element.VM > 1 else [element.value]
                yield name, [named(str(uid)) for uid in many]
            elif element.VR not in DICOM_FRESH and element.tag.element != 0:  # no lengths
                yield name, element.value

    yield from within(dataset.file_meta, "meta")
    yield from within(dataset, "")


def known_uids(folder: Path) -> set[str]:
    """The UIDs of the input files."""
    files = (path for path in folder.rglob("*") if path.is_file())
    datasets = (
        pydicom.dcmread(path, stop_before_pixels=True)
        for path in files
        if pydicom.misc.is_dicom(path)
    )
    return {
        str(element.value)
        for dataset in datasets
        for element in dataset.iterall()
        if element.VR == "UI"
    }


if __name__ == "__main__":
    sys.exit(main())
