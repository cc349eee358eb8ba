"""The raw headers of NRRD and MetaImage files, read without ITK.

ITK silently repairs what should be refused: it ignores units, a MetaImage's keys in another case
and a missing position, and some of its versions mirror the space of a NRRD. What it used is
therefore compared with what the header says (faults 51 and 53).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nodulerisk.ct.volume import SINGLE_SLICE, refuse_no_length
from nodulerisk.errors import CTError
from nodulerisk.language.texts import _

MAX_TEXT_HEADER = 65536  # bytes
UNITS_MM = {  # an empty name says nothing: mm
    "": 1.0,
    "?": 1.0,
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1.0),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 10.0),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1000.0),
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer", "micrometers"), 1e-3),
    **dict.fromkeys(("micrometre", "micrometres"), 1e-3),
}

# NRRD, https://teem.sourceforge.net/nrrd/format.html: the signs that turn a space into LPS
TO_LPS = {
    **dict.fromkeys(("leftposteriorsuperior", "lps"), (1, 1, 1)),
    **dict.fromkeys(("rightanteriorsuperior", "ras"), (-1, -1, 1)),
    **dict.fromkeys(("leftanteriorsuperior", "las"), (1, -1, 1)),
}
RAW, GZIP, TEXT = ("raw",), ("gzip", "gz"), ("ascii", "text", "txt")
FROM_THE_END = -1  # as a number of bytes to skip

# MetaImage, https://itk.org/Wiki/ITK/MetaIO/Documentation
POSITION = ("Offset", "Position", "Origin")
MATRIX = ("TransformMatrix", "Rotation", "Orientation")
SPACING = ("ElementSpacing", "ElementSize")  # the first counts
META_KEYS = (
    *POSITION, *MATRIX, *SPACING, "ObjectType", "NDims", "BinaryData", "BinaryDataByteOrderMSB",
    "ElementByteOrderMSB", "CompressedData", "CompressedDataSize", "AnatomicalOrientation",
    "DistanceUnits", "DimSize", "HeaderSize", "Modality", "ElementType",
    "ElementNumberOfChannels", "ElementToIntensityFunctionSlope",
    "ElementToIntensityFunctionOffset", "ElementDataFile",
)  # fmt: skip
BY_LOWER_CASE = {key.lower(): key for key in META_KEYS}
COMES_FROM = ("RL", "AP", "IS")  # where an axis that runs along +L, +P, +S begins, and along -
CLEARLY = 0.75  # cosine to one of the patient's axes, above which an axis has one name


@dataclass(frozen=True, eq=False)
class ImageHeader:
    """What a header says about where its voxels lie.

    Attributes:
        size: voxels along x, y, z.
        axes_mm: 3x3, columns: the LPS step along array axis x, y, z.
        origin_lps_mm: LPS position of voxel (0, 0, 0), mm.
        unit_mm: one unit of length of the file; axes and origin are already converted.
        oriented: whether it says how the patient lies.
        names: its own names of size, axes and origin.
        data_file: with the voxels, beside the header; None: they follow the header.
        encoding: ``raw``, ``compressed`` or ``text``.
        start: bytes before the voxels in their file; `FROM_THE_END`: all that the voxels leave.
        big_endian: the byte order of raw voxels.
        modality: as MetaImage names it; empty: not said.
    """

    size: tuple[int, ...]
    axes_mm: np.ndarray
    origin_lps_mm: np.ndarray
    unit_mm: float
    oriented: bool
    names: tuple[str, str, str]
    data_file: str | None
    encoding: str
    start: int
    big_endian: bool
    modality: str = ""

    @property
    def spacing_mm(self) -> np.ndarray:
        return np.linalg.norm(self.axes_mm, axis=0)

    def data_path(self, path: Path) -> Path:
        """The file with the voxels; ``path`` is the header's."""
        return path if self.data_file is None else path.parent / self.data_file


def read_nrrd_header(path: Path) -> ImageHeader:
    """Reads a NRRD header.

    Raises:
        CTError: not NRRD, its spacing, position or data are missing, elsewhere or in an unknown
            unit, or a field is there twice.
        ValueError, LookupError: damaged otherwise.
    """
    lines, length = _lines(path, lambda line: not line)
    if not re.fullmatch(r"NRRD000\d", next(lines, "")):
        raise CTError(_("This is not a NRRD file, whatever its name says."))
    fields = _nrrd_fields(lines)
    _refuse_nrrd_data(fields)
    sizes = tuple(map(int, fields["sizes"].split()))
    space = re.sub(r"[\W_]|time", "", fields.get("space", "").lower())
    of_patient = TO_LPS.get(space) or TO_LPS.get(space.removesuffix("t"))
    signs = np.array(of_patient or (1, 1, 1))
    axes, origin, unit = _nrrd_place(fields)
    if len(sizes) < 3 or axes.shape != (3, 3):
        raise CTError(SINGLE_SLICE)
    return ImageHeader(
        size=sizes[:3],
        axes_mm=np.diag(signs) @ axes * unit,
        origin_lps_mm=signs * origin * unit,
        unit_mm=unit,
        oriented=of_patient is not None and "spacedirections" in fields,
        names=("sizes", "space directions or space", "space origin"),
        data_file=fields.get("datafile"),
        encoding=_encoding(fields["encoding"]),
        start=_start(int(fields.get("byteskip", 0)), 0 if "datafile" in fields else length),
        big_endian=fields.get("endian", "").lower() == "big",
    )


def _encoding(word: str) -> str:
    for name, words in {"raw": RAW, "compressed": GZIP, "text": TEXT}.items():
        if word.lower() in words:
            return name
    raise CTError(
        _("The NRRD file's encoding '{word}' is not read. Save it with gzip.").format(
            word=word[:20]
        )
    )


def _start(skip: int, length: int) -> int:
    """Returns where voxels begin: after a header in the same file, and what is to be skipped.

    Raises:
        ValueError: no such number of bytes.
    """
    if skip < FROM_THE_END:
        raise ValueError
    return skip if skip == FROM_THE_END else skip + length


def _nrrd_fields(lines: Iterator[str]) -> dict[str, str]:
    """Returns text by a field's name without blanks, in lower case; key/value pairs are none."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith("#"):
            continue
        name, separator, text = re.split(r"(: |:=|$)", line, maxsplit=1)
        name = name.replace(" ", "").lower()
        if separator == ":=":
            continue
        if separator != ": " or name in fields:
            words = _("The NRRD header has a line that cannot be read near '{name}'.")
            raise CTError(words.format(name=name[:20]))
        fields[name] = text.strip()
    return fields


def _refuse_nrrd_data(fields: dict[str, str]) -> None:
    refuse_data_elsewhere(fields.get("datafile", ""))
    raw = fields["encoding"].lower() in RAW
    if "lineskip" in fields or ("byteskip" in fields and not raw):
        raise CTError(
            _(
                "The NRRD file skips lines, or a part of its compressed voxels, which may take"
                " forever. Save the CT again."
            )
        )
    given = fields.get("spacedirections", fields.get("spacings", ""))
    _refuse_missing_spacing(given, none_allowed=fields["dimension"] != "3")
    for name in ("axismins", "axismaxs"):
        if name in fields:
            words = _("The NRRD file says its place by '{name}'. Save it with a space origin.")
            raise CTError(words.format(name=name))


def _nrrd_place(fields: dict[str, str]) -> tuple[np.ndarray, np.ndarray, float]:
    """Returns the axes as columns, the origin, and the unit in mm; in the file's own space."""
    if "spacedirections" not in fields:
        spacing = _numbers(fields["spacings"], int(fields["dimension"]))[:3]
        refuse_no_length(spacing)
        return np.diag(spacing), np.zeros(3), _unit(_quoted(fields.get("units", "")), "units")
    vectors = re.findall(r"\([^)]*\)|none", fields["spacedirections"].lower())
    if len(vectors) != int(fields["dimension"]):
        raise ValueError
    axes = [_vector(vector) for vector in vectors if vector != "none"]
    if "spaceorigin" not in fields:
        raise CTError(_no_position("NRRD", "space origin"))
    origin = _vector(fields["spaceorigin"])
    if {len(axis) for axis in axes} != {len(origin)}:
        raise ValueError
    return (
        np.column_stack([axis[:3] for axis in axes[:3]]),
        origin[:3],
        _unit(_quoted(fields.get("spaceunits", "")), "space units"),
    )


def _vector(text: str) -> np.ndarray:
    """Returns the numbers of ``(a,b,c)``.

    Raises:
        ValueError: anything else.
    """
    if not (text.startswith("(") and text.endswith(")")):
        raise ValueError
    return np.array([float(number) for number in text[1:-1].split(",")])


def _quoted(text: str) -> list[str]:
    return re.findall(r'"([^"]*)"', text) or text.split()


def read_meta_header(path: Path) -> ImageHeader:
    """Reads a MetaImage header.

    Raises:
        CTError: not a MetaImage, its spacing, position or data are missing, elsewhere or in an
            unknown unit, or keys are in another case, or contradict each other.
        ValueError, LookupError: damaged otherwise.
    """
    lines, length = _lines(path, lambda line: line.lower().startswith("elementdatafile"))
    fields = _meta_fields(lines)
    data_file = fields["ElementDataFile"]
    refuse_data_elsewhere("" if data_file.upper() == "LOCAL" else data_file)
    dimensions = int(fields["NDims"])
    given = _one_of(fields, SPACING[:1]) or _one_of(fields, SPACING[1:])
    _refuse_missing_spacing(given)
    spacing = _numbers(given, dimensions)
    refuse_no_length(spacing)
    _refuse_intensity_function(fields)
    unit = _unit([fields.get("DistanceUnits", "")], "DistanceUnits")
    position, matrix = _one_of(fields, POSITION), _one_of(fields, MATRIX)
    if not position:
        raise CTError(_no_position("MetaImage", "Offset"))
    directions = _matrix(matrix, dimensions) if matrix else np.eye(3)
    _refuse_other_orientation(fields.get("AnatomicalOrientation", ""), directions)
    skip = int(fields.get("HeaderSize", 0))
    return ImageHeader(
        size=tuple(map(int, fields["DimSize"].split()))[:3],
        axes_mm=directions * spacing[:3] * unit,
        origin_lps_mm=_numbers(position, dimensions)[:3] * unit,
        unit_mm=unit,
        oriented=bool(matrix),
        names=("DimSize", "ElementSpacing or TransformMatrix", "Offset"),
        data_file=None if data_file.upper() == "LOCAL" else data_file,
        encoding=_meta_encoding(fields),
        start=_start(skip, length if data_file.upper() == "LOCAL" and not skip else 0),
        big_endian=_is_true(fields, "BinaryDataByteOrderMSB", "ElementByteOrderMSB"),
        modality=fields.get("Modality", ""),
    )


def _matrix(text: str, dimensions: int) -> np.ndarray:
    """Returns the directions, 3x3, columns: MetaImage writes one axis after the other."""
    return _numbers(text, dimensions**2).reshape(dimensions, dimensions)[:3, :3].T


def _meta_encoding(fields: dict[str, str]) -> str:
    if not _is_true(fields, "BinaryData"):
        return "text"
    return "compressed" if _is_true(fields, "CompressedData") else "raw"


def _is_true(fields: dict[str, str], *keys: str) -> bool:
    return any(fields.get(key, "")[:1].lower() in ("t", "1", "y") for key in keys)


def _meta_fields(lines: Iterator[str]) -> dict[str, str]:
    """Returns text by key; ITK ignores a key in another case, and takes one of two that differ."""
    fields: dict[str, str] = {}
    for line in filter(None, lines):
        match = re.fullmatch(r"([^\s=:]+)\s*[=:]\s*(.*)", line)
        if not match:
            raise CTError(
                _("The MetaImage header has a line that cannot be read. Save the CT again.")
            )
        key, text = match.groups()
        proper = BY_LOWER_CASE.get(key.lower(), key)
        if key != proper:
            words = _("The MetaImage file spells '{proper}' as '{key}'. Correct its header.")
            raise CTError(words.format(proper=proper, key=key))
        if fields.setdefault(key, text) != text:
            raise CTError(
                _("The MetaImage file states '{key}' twice. Correct its header.").format(key=key)
            )
    return fields


def _one_of(fields: dict[str, str], keys: Sequence[str]) -> str:
    """Returns the text of those keys, which mean the same; empty: there is none."""
    given = [key for key in keys if key in fields]
    if len({tuple(map(float, fields[key].split())) for key in given}) > 1:
        words = _("The MetaImage file's {given} differ. Correct its header.")
        raise CTError(words.format(given=" and ".join(given)))
    return fields[given[0]] if given else ""


def _refuse_intensity_function(fields: dict[str, str]) -> None:
    for key, neutral in (
        ("ElementToIntensityFunctionSlope", 1.0),
        ("ElementToIntensityFunctionOffset", 0.0),
    ):
        if float(fields.get(key, neutral)) != neutral:
            raise CTError(
                _("The MetaImage file's {key} is not applied. Save the CT in HU.").format(key=key)
            )


def _refuse_other_orientation(text: str, directions: np.ndarray) -> None:
    """Refuses an AnatomicalOrientation, such as RAI, that contradicts the matrix."""
    for letter, axis in zip(text.upper(), directions.T, strict=False):
        side = int(np.argmax(np.abs(axis)))
        begins = COMES_FROM[side][int(axis[side] < 0)]
        if abs(axis[side]) > CLEARLY and letter not in ("?", begins):
            raise CTError(
                _(
                    "The MetaImage file's AnatomicalOrientation contradicts its TransformMatrix."
                    " Export the CT again."
                )
            )


def _no_position(form: str, name: str) -> str:
    return _(
        "The {form} file does not say where it lies in the patient ('{name}' is"
        " missing), so that no point could be trusted. Export the CT again."
    ).format(form=form, name=name)


def _unit(names: Sequence[str], field: str) -> float:
    """Returns millimetres to one unit.

    Raises:
        CTError: an unknown unit, or several.
    """
    lengths = {UNITS_MM.get(name.strip().lower()) for name in names[:3]} or {1.0}
    length = lengths.pop()
    if length is None or lengths:
        raise CTError(
            _("The unit in '{field}' is not known. Export the CT in mm.").format(field=field)
        )
    return length


def _numbers(text: str, count: int) -> np.ndarray:
    """Returns that many numbers.

    Raises:
        ValueError: there are others.
    """
    numbers = np.array([float(number) for number in text.split()])
    if len(numbers) != count:
        raise ValueError
    return numbers


def _refuse_missing_spacing(text: str, none_allowed: bool = False) -> None:
    numbers = re.findall(r"[^\s,()]+", text.lower())
    if none_allowed:
        numbers = [number for number in numbers if number != "none"]
    try:
        known = bool(numbers) and all(math.isfinite(float(number)) for number in numbers)
    except ValueError:
        known = False
    if not known:
        raise CTError(
            _("The voxel spacing is missing or not a number. Export the CT again with its spacing.")
        )


def refuse_data_elsewhere(data_file: str) -> None:
    """Refuses a header whose voxels are in another file, unless it lies beside it (fault 45)."""
    data_file = data_file.removeprefix("./")
    if (
        Path(data_file).name != data_file
        or "\\" in data_file
        or data_file.upper().startswith("LIST")
        or "%" in data_file
    ):
        raise CTError(
            _(
                "The header points to voxels in another folder or in many files. Save the CT"
                " as one file."
            )
        )


def _lines(path: Path, is_last: Callable[[str], bool]) -> tuple[Iterator[str], int]:
    """Returns the header's lines, up to the last one, and its length in bytes."""
    with path.open("rb") as file:
        start = file.read(MAX_TEXT_HEADER)
    lines, length = [], 0
    for line in start.split(b"\n"):
        lines.append(line.decode("utf-8", "replace").strip())
        length += len(line) + 1
        if is_last(lines[-1]):
            return iter(lines if lines[-1] else lines[:-1]), length
    if len(start) == MAX_TEXT_HEADER:  # the rest was not checked
        raise CTError(_("The image file's header is too long. Save the CT again."))
    return iter(lines), length
