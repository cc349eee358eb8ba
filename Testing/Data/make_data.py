"""Makes this folder's data again: ``PYTHONPATH=Testing python Testing/Data/make_data.py SHARED``,
where SHARED is the developers' folder that they are taken from.

Every value is copied or left out, none is computed anew, but for sums and the mean that halves the
chest crop; README.md says what each part is, where it comes from and under which licence.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from whole_ct import PLACES

HERE = Path(__file__).parent
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same bytes whenever they are made

OUTSIDE_HU = -1000
EMV_MM, DENSESHARP_MM = 62.5, 32.0
SPLINE_VOXELS = 16  # what lies farther off moves a cubic spline by less than 1e-9
BORDER_MM = {"A": (100, 6, 3), "B": (72, 6, 3)}  # x, y, z of the cubes recorded past the border
VIEW_STEPS = {40: 3, 60: 2, 80: 2}  # of the recorded 60 and 80, every third voxel was kept already
MASK_STEP = 2

PATIENTS = [4, 5, 6, 8, 10, 11, 13, 14]  # all their nodules, and the readers' files
READERS = [f"LIDC-IDRI-{number:04d}" for number in PATIENTS]
NODULES = {  # of others: sure and doubtful ones, solid and ground glass, of every part
    "LIDC-IDRI-0018_R_1",
    "LIDC-IDRI-0018_R_4",
    "LIDC-IDRI-0021_R_3",
    "LIDC-IDRI-0024_R_3",
    "LIDC-IDRI-0043_R_1",
    "LIDC-IDRI-0043_R_3",
    "LIDC-IDRI-0044_R_3",
    "LIDC-IDRI-0055_R_2",
    "LIDC-IDRI-0131_R_2",
}

NODULE_LPS_MM = np.array((-81, -192, -192))  # of the CPTAC CT
# Around it, as much as a cube of 62.5 mm takes
COLUMNS, ROWS, SLICES = slice(50, 170), slice(108, 228), slice(20, 45)
NO_NODULE_MM = 40.0  # the open set looks at 37.5 mm
JPEG2000_SLICES = 3


def main() -> None:
    shared = Path(sys.argv[1])
    networks(shared / "golden")
    preprocessing(shared / "golden")
    lidc(shared / "data" / "lidc")
    dicom(shared / "data" / "cptac_lscc_C3N-00247_chest_ct.zip")
    no_nodule(shared / "data" / "cptac_lscc_C3N-00247_chest_ct.zip")
    jpeg2000(shared / "data" / "dicom_jpeg2000_abdomen")
    chest(shared / "data" / "chest_crop_no_nodule_1p5mm.nii.gz")
    for file in sorted((shared / "cases").glob("*/*")):
        copy(file, HERE / "cases" / file.parent.name)
    copy(shared / "cases" / "README.md", HERE / "cases")


# --- What the authors' own code answered


def networks(golden: Path) -> None:
    """Layers and seeds of the weights, what the networks answered, and DenseSharp's inputs."""
    layers = json.loads((golden / "keras_layers.json").read_text())
    for network in layers.values():
        del network["prob"]  # nets.npz has it with more digits
    write_text(HERE / "golden" / "keras_layers.json", json.dumps(layers, separators=(",", ":")))
    with np.load(golden / "nets.npz") as recorded:
        kept = {name: recorded[name] for name in recorded if name.endswith("_prob")}
        kept["densesharp_mask_sub"] = recorded["densesharp_mask"][(slice(None), *every(MASK_STEP))]
        save(HERE / "golden" / "nets.npz", in_densesharp=recorded["in_densesharp"], **kept)


def preprocessing(golden: Path) -> None:
    """Two volumes, emptied where no recorded cube reaches, and samples of the cubes."""
    with np.load(golden / "preproc_small.npz") as arrays:
        recorded = dict(arrays)
    kept = {
        name: array
        for name, array in recorded.items()
        if name.endswith(("_spacing_zyx", "_centers_zyx", "_ds_crop32", "_ds_crop32_border"))
    }
    for volume in BORDER_MM:
        kept[f"{volume}_vol"] = emptied(recorded, volume)
        for views in (f"{volume}0_views", f"{volume}1_views"):
            kept |= samples(recorded, views)
    save(HERE / "golden" / "preproc.npz", **kept)


def emptied(recorded: dict[str, np.ndarray], volume: str) -> np.ndarray:
    hu, spacing = recorded[f"{volume}_vol"], recorded[f"{volume}_spacing_zyx"]
    reached = np.zeros(hu.shape, bool)
    for centre in recorded[f"{volume}_centers_zyx"]:
        reached[around(centre, np.ceil(EMV_MM / spacing / 2))] = True
    corner = np.array(BORDER_MM[volume][::-1]) / spacing
    reached[around(corner, DENSESHARP_MM / spacing / 2 + SPLINE_VOXELS)] = True
    return np.where(reached, hu, OUTSIDE_HU).astype(hu.dtype)


def around(centre: np.ndarray, half: np.ndarray) -> tuple[slice, ...]:
    low, high = np.floor(centre - half).clip(0).astype(int), np.ceil(centre + half).astype(int)
    return tuple(map(slice, low, high))


def samples(recorded: dict[str, np.ndarray], views: str) -> dict[str, np.ndarray]:
    whole = recorded[f"{views}40"]
    every_third = {size: recorded[f"{views}{size}_sub"] for size in (60, 80)}
    return {
        f"{views}{size}_sub": array[(slice(None), *every(VIEW_STEPS[size]))]
        for size, array in ({40: whole} | every_third).items()
    } | {
        f"{views}40_sum": whole.sum(axis=(1, 2, 3), dtype=float),
        **{f"{views}{size}_sum": recorded[f"{views}{size}_sum"] for size in (60, 80)},
    }


def every(step: int) -> tuple[slice, ...]:
    return (slice(None, None, step),) * 3


# --- LIDC-IDRI


def lidc(source: Path) -> None:
    """A handful of nodules in the layout of the whole, and the readers' own files."""
    chosen = [row for row in rows(source / "slices_to_image.csv") if wanted(row)]
    names = {row["voi"] for row in chosen}
    keys = {(row["patient"], row["nodule"]) for row in chosen}
    for table in ("slices_to_image.csv", "slices_nodules.csv"):
        keep_rows(source / table, lambda row: (row["patient"], row["nodule"]) in keys)
    keep_rows(source / "nodules.csv", lambda row: row["file"].split(".")[0] in names)
    with np.load(source / "slices.npz") as arrays:
        kept = np.array(
            [(f"LIDC-IDRI-{p:04d}", str(n)) in keys for p, n, _ in arrays["index"].tolist()]
        )
        save(HERE / "lidc" / "slices.npz", **{name: arrays[name][kept] for name in arrays})
    for patient in READERS:
        copy(source / "xml" / f"{patient}.xml", HERE / "lidc" / "xml")


def wanted(row: dict[str, str]) -> bool:
    return row["patient"] in READERS or row["voi"] in NODULES


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def keep_rows(path: Path, keep) -> None:
    kept = [row for row in rows(path) if keep(row)]
    text = io.StringIO()
    writer = csv.DictWriter(text, kept[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    write_text(HERE / "lidc" / path.name, text.getvalue())


# --- CTs


def dicom(source: Path) -> None:
    """A crop of some slices; every header element is kept but for size, place and identifier."""
    with zipfile.ZipFile(source) as archive:
        files = [name for name in archive.namelist() if name.endswith(".dcm")]
        slices = [dcmread(io.BytesIO(archive.read(name))) for name in files]
    slices.sort(key=lambda one: float(one.ImagePositionPatient[2]))
    contents = {}
    for number, one in enumerate(slices[SLICES]):
        crop(one).save_as(content := io.BytesIO())
        contents[f"series/{number:02d}.dcm"] = content.getvalue()
    write_zip(HERE / "cptac_lscc_C3N-00247_nodule.zip", contents, zipfile.ZIP_DEFLATED)


def crop(one: Dataset) -> Dataset:
    across, down = np.array(one.ImageOrientationPatient, float).reshape(2, 3)
    row_mm, column_mm = map(float, one.PixelSpacing)
    place = np.array(one.ImagePositionPatient, float)
    place += across * COLUMNS.start * column_mm + down * ROWS.start * row_mm
    pixels = np.ascontiguousarray(one.pixel_array[ROWS, COLUMNS])
    one.ImagePositionPatient = [f"{mm:.9g}" for mm in place]
    one.Rows, one.Columns = pixels.shape
    one.PixelData = pixels.tobytes()
    one.SOPInstanceUID = generate_uid(entropy_srcs=[one.SOPInstanceUID, "crop for tests"])
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    return one


def no_nodule(source: Path) -> None:
    """Crops around points where there is no nodule: half of those that slow tests choose."""
    ct, kept = read_ct(source), []
    for kind, points_in in PLACES.items():
        points = points_in(ct, NODULE_LPS_MM)
        kept += [(kind, *crop_around(ct, point), point) for point in points[: len(points) // 2]]
    names = ("kind", "hu", "origin_lps_mm", "point_lps_mm")
    arrays = {
        name: np.stack(parts) for name, parts in zip(names, zip(*kept, strict=True), strict=True)
    }
    save(HERE / "no_nodule.npz", spacing_mm=np.array(ct.spacing_mm), **arrays)


def crop_around(ct: CT, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """HU, by repeating the edge where the CT ends, and LPS mm of the first voxel."""
    half = np.ceil(NO_NODULE_MM / 2 / np.array(ct.spacing_mm)).astype(int)
    voxel = np.rint(ct.voxel_of(point)).astype(int)
    low, high = voxel - half, voxel + half
    indices = [
        np.arange(start, stop).clip(0, size - 1)
        for start, stop, size in zip(low[::-1], high[::-1], ct.hu.shape, strict=True)
    ]
    return ct.hu[np.ix_(*indices)], ct.point_of(low)


def jpeg2000(source: Path) -> None:
    for file in sorted(source.iterdir())[:JPEG2000_SLICES]:
        copy(file, HERE / source.name)


def chest(source: Path) -> None:
    """At half the resolution."""
    image = sitk.BinShrink(sitk.ReadImage(str(source)), [2, 2, 2])
    sitk.WriteImage(image, str(HERE / "chest_crop_no_nodule_3mm.nii.gz"))


# --- Files


def save(path: Path, **arrays: np.ndarray) -> None:
    """A file for ``np.load``, a third smaller than ``np.savez_compressed`` makes it."""
    contents = {}
    for name, array in arrays.items():
        np.save(content := io.BytesIO(), array)
        contents[f"{name}.npy"] = content.getvalue()
    write_zip(path, contents, zipfile.ZIP_BZIP2)


def write_zip(path: Path, contents: dict[str, bytes], compression: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), content, compression, 9)


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def copy(file: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / file.name)


if __name__ == "__main__":
    main()
