"""Image files of a CT, written without ITK: NRRD and MetaImage as text and raw voxels, NIfTI by
nibabel. What they state is known, and any field can be changed."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np

from nodulerisk.ct.volume import CT

LPS_TO_LPS = np.eye(3)
LPS_TO_RAS = np.diag([-1.0, -1, 1])


def vector(values) -> str:
    return f"({','.join(repr(float(value)) for value in values)})"


def numbers(values) -> str:
    return " ".join(repr(float(value)) for value in np.ravel(values))


def write_nrrd(path: Path, ct: CT, *, to_space=LPS_TO_LPS, unit_mm: float = 1, **changes) -> Path:
    """Writes a NRRD; ``changes`` set fields (underscores stand for blanks), None leaves one out.

    ``to_space`` turns LPS into the space that is stated.
    """
    axes = (to_space @ ct.direction * ct.spacing_mm).T / unit_mm
    fields: dict[str, str | None] = {
        "type": "int16",
        "dimension": "3",
        "space": "left-posterior-superior",
        "space dimension": None,
        "sizes": " ".join(map(str, ct.hu.shape[::-1])),
        "space directions": " ".join(map(vector, axes)),
        "kinds": "domain domain domain",
        "endian": "little",
        "encoding": "raw",
        "space origin": vector(to_space @ ct.origin_lps_mm / unit_mm),
    }
    fields |= {name.replace("_", " "): text for name, text in changes.items()}
    lines = [f"{name}: {text}" for name, text in fields.items() if text is not None]
    voxels = ct.hu.astype("<i2").tobytes()
    if fields["encoding"] == "gzip":
        voxels = gzip.compress(voxels)
    path.write_bytes("\n".join(["NRRD0005", *lines, "", ""]).encode() + voxels)
    return path


def write_meta(path: Path, ct: CT, *, unit_mm: float = 1, **changes) -> Path:
    """Writes a MetaImage; ``changes`` set keys, None leaves one out; the data come last."""
    keys = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": numbers(ct.direction.T),
        "Offset": numbers(np.divide(ct.origin_lps_mm, unit_mm)),
        "ElementSpacing": numbers(np.divide(ct.spacing_mm, unit_mm)),
        "DimSize": " ".join(map(str, ct.hu.shape[::-1])),
        "ElementType": "MET_SHORT",
        **changes,
        "ElementDataFile": "LOCAL",
    }
    lines = [f"{key} = {text}" for key, text in keys.items() if text is not None]
    path.write_bytes("\n".join([*lines, ""]).encode() + ct.hu.astype("<i2").tobytes())
    return path


def write_nifti(
    path: Path,
    ct: CT,
    *,
    qform: int = 1,
    sform: int = 1,
    unit: str = "mm",
    unit_mm: float = 1,
    version: int = 1,
    decimals: int | None = None,
    slope: tuple[float, float] | None = None,
) -> Path:
    """Writes a NIfTI; ``decimals`` rounds the sform, ``slope`` is slope and intercept."""
    affine = np.eye(4)
    affine[:3] = LPS_TO_RAS @ np.column_stack([ct.direction * ct.spacing_mm, ct.origin_lps_mm])
    affine[:3] /= unit_mm
    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    stored = ct.hu if slope is None else (ct.hu - slope[1]) / slope[0]
    image = kind(np.rint(stored).astype(np.int16).T, affine)
    image.header.set_xyzt_units(unit)
    image.set_qform(affine, qform)
    image.set_sform(affine if decimals is None else affine.round(decimals), sform)
    if slope is not None:
        image.header.set_slope_inter(*slope)
    nibabel.save(image, path)
    return path
