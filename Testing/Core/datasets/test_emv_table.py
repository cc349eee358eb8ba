"""Data as for EMV-3D-CNN: a table of nodules on whole CTs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_ct, positions_of
from made_dicom import write_series
from nodulerisk.ct.cubes import emv_block
from nodulerisk.ct.volume import CT, with_geometry
from nodulerisk.datasets.emv import table as emv_table
from nodulerisk.datasets.emv.blocks import write_blocks
from nodulerisk.datasets.emv.table import read_emv_table
from nodulerisk.datasets.nodules import CROP_MM, NoduleDataset, box_around, cropped, split_of
from nodulerisk.datasets.pathology import PATHOLOGIES, labels_of
from nodulerisk.datasets.read import said_of
from nodulerisk.datasets.rows import class_index
from nodulerisk.errors import NoduleRiskError, OutputError

X, Y, Z = CENTRE_LPS_MM
OBLIQUE = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])


def save(ct: CT, path: Path) -> Path:
    sitk.WriteImage(ct.to_sitk(), str(path))
    return path


def save_mask(mask: np.ndarray, ct: CT, path: Path) -> None:
    sitk.WriteImage(with_geometry(sitk.GetImageFromArray(mask.astype(np.uint8)), ct), str(path))


def save_dicom(ct: CT, folder: Path, **header) -> None:
    write_series(folder, ct.hu, spacing_mm=ct.spacing_mm, origin_lps_mm=ct.origin_lps_mm, **header)


def table_of(folder: Path, text: str, name: str = "nodules.csv") -> NoduleDataset:
    (folder / name).write_text(text, encoding="utf-8")
    return read_emv_table(folder / name)


def reasons(dataset: NoduleDataset) -> dict[str, str]:
    return {case.name: case.reason for case in dataset.broken}


@pytest.fixture
def scan(tmp_path, ct) -> Path:
    """A folder with ``ct.nrrd``."""
    save(ct, tmp_path / "ct.nrrd")
    return tmp_path


# --- Pathology


@pytest.mark.parametrize(
    ("pathology", "labels"),
    [
        ("benign", {"malignancy": 0}),
        ("AAH", {"malignancy": 1, "invasiveness": 0, "subtype": 0}),
        ("ais", {"malignancy": 1, "invasiveness": 0, "subtype": 0}),
        ("Adenocarcinoma in situ", {"malignancy": 1, "invasiveness": 0, "subtype": 0}),
        ("Minimally-Invasive Adenocarcinoma", {"malignancy": 1, "invasiveness": 0, "subtype": 1}),
        ("Preinvasive", {"malignancy": 1, "invasiveness": 0}),
        ("invasive adenocarcinoma", {"malignancy": 1, "invasiveness": 1, "subtype": 2}),
        (
            "Invasive adenocarcinoma grade 1",
            {"malignancy": 1, "invasiveness": 1, "subtype": 2, "grade": 0},
        ),
        (
            "invasive_adenocarcinoma_grade_2",
            {"malignancy": 1, "invasiveness": 1, "subtype": 2, "grade": 1},
        ),
        ("IA (Grade III)", {"malignancy": 1, "invasiveness": 1, "subtype": 2, "grade": 2}),
        ("IAC, G2", {"malignancy": 1, "invasiveness": 1, "subtype": 2, "grade": 1}),
        ("grade 3", {"malignancy": 1, "invasiveness": 1, "subtype": 2, "grade": 2}),
        ("Other-malignant", {"malignancy": 1}),
        ("squamous cell carcinoma", {"malignancy": 1}),
        ("metastasis (GI)", {"malignancy": 1}),
        ("malignant: lymphoma", {"malignancy": 1}),
        ("adenocarcinoma", {"malignancy": 1}),
        ("", {}),
    ],
)
def test_pathology(pathology, labels):
    assert labels_of(pathology) == labels


@given(
    word=st.sampled_from(sorted(PATHOLOGIES)),
    upper=st.booleans(),
    separator=st.sampled_from([" ", "-", "_", "  ", ""]),
)
def test_pathology_is_read_in_any_spelling(word, upper, separator):
    spelled = (
        (word.upper() if upper else word.lower()).replace(" ", separator).replace("-", separator)
    )
    assert labels_of(spelled) == PATHOLOGIES[word]


@pytest.mark.parametrize(
    "pathology", ["cancer", "IA grade 4", "benign or malignant", "-", "grade", "not malignant"]
)
def test_unknown_pathology_names_the_known(pathology):
    with pytest.raises(NoduleRiskError, match="benign.*AAH.*MIA.*grade 1, 2, 3"):
        labels_of(pathology)


def test_a_question_mark_is_not_accepted_as_pathology():
    with pytest.raises(NoduleRiskError, match="question mark"):
        labels_of("malignant?")


@pytest.mark.parametrize(
    "cells", ["MIA grade 1,", "benign,1", "squamous cell carcinoma G2,", "AIS,2"]
)
def test_a_grade_goes_with_invasive_adenocarcinoma_alone(scan, cells):
    dataset = table_of(scan, f"name,ct,x,y,z,pathology,grade\nbad,ct.nrrd,{X},{Y},{Z},{cells}\n")
    assert "only invasive adenocarcinoma" in reasons(dataset)["bad"]


# --- Reading


def test_rows_of_every_kind(scan, ct):
    save_dicom(ct, scan / "dicom")
    save(ct, scan / "other.nrrd")
    dataset = table_of(
        scan,
        "Name,CT path,X,Y,Z,Size (mm),Pathology,Patient ID,Split,Evidence\n"
        f"a,ct.nrrd,{X},{Y},{Z},12.5,Benign,p1,test,\n"
        f"b,dicom,{X + 4},{Y},{Z},,IA grade 2,p2,train,reader\n"
        f"c,ct.nrrd,{X},{Y - 5},{Z + 6},8,MIA,p1,test,simulated\n"
        f"d,{scan / 'other.nrrd'},{X},{Y},{Z},8,,p3,,\n",
    )
    assert dataset.broken == () and dataset.name == "nodules"
    a, b, c, d = dataset.nodules
    assert [n.name for n in (a, b, c, d)] == ["a", "b", "c", "d"]
    assert [n.patient for n in (a, b, c, d)] == ["p1", "p2", "p1", "p3"]
    assert [n.split for n in (a, b, c, d)] == ["test", "train", "test", split_of("p3")]
    assert [n.evidence for n in (a, b, c, d)] == ["pathology", "reader", "simulated", "pathology"]
    assert [n.diameter_mm for n in (a, b, c, d)] == [12.5, None, 8, 8]
    assert (
        b.labels == {"malignancy": 1, "invasiveness": 1, "subtype": 2, "grade": 1}
        and d.labels == {}
    )
    assert [n.pathology for n in (a, b, c, d)] == ["Benign", "IA grade 2", "MIA", ""]
    assert b.centre_lps_mm == (X + 4, Y, Z)
    for nodule in dataset.nodules:
        voxel = np.rint(nodule.ct.voxel_of(CENTRE_LPS_MM)).astype(int)[::-1]
        assert nodule.ct.hu[tuple(voxel)] == 30
        assert nodule.marked is None


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("x,y,z", "{lps}"),
        ("X (mm),Y (mm),Z (mm)", "{lps}"),
        ("x_lps,y_lps,z_lps", "{lps}"),
        ("x_ras,y_ras,z_ras", "{ras}"),
        ("i,j,k", "{ijk}"),
        ("x,y,z,coordinates", "{lps},LPS"),
        ("x,y,z,coordinates", "{ras},RAS"),
        ("x,y,z,coordinates", "{ijk},voxel"),
    ],
)
def test_centres_are_read_in_every_coordinate_system(tmp_path, header, cells):
    ct = made_ct(OBLIQUE)
    save(ct, tmp_path / "ct.nii.gz")
    places = {
        "lps": f"{X},{Y},{Z}",
        "ras": f"{-X},{-Y},{Z}",
        "ijk": ",".join(f"{v:.6f}" for v in ct.voxel_of(CENTRE_LPS_MM)),
    }
    (nodule,) = table_of(tmp_path, f"ct,{header}\nct.nii.gz,{cells.format(**places)}\n").nodules
    assert nodule.centre_lps_mm == pytest.approx(CENTRE_LPS_MM, abs=1e-3)


def test_semicolons_tabs_and_backslashes(scan, ct):
    (scan / "scans").mkdir()
    save(ct, scan / "scans" / "ct.mha")
    for separator, name in ((";", "a.csv"), ("\t", "b.tsv")):
        cells = ("ct", "x", "y", "z"), ("scans\\ct.mha", str(X), str(Y), str(Z))
        dataset = table_of(scan, "\n".join(separator.join(row) for row in cells), name)
        assert len(dataset.nodules) == 1 and dataset.broken == ()


def test_each_ct_is_read_once(scan, monkeypatch):
    read: list[Path] = []
    whole = emv_table.read_ct
    monkeypatch.setattr(
        emv_table, "read_ct", lambda path, **kw: read.append(path) or whole(path, **kw)
    )
    cts = ["gone.nrrd", "ct.nrrd"] * 3
    rows = "".join(f"n{i},{path},{X + i},{Y},{Z}\n" for i, path in enumerate(cts))
    dataset = table_of(scan, "name,ct,x,y,z\n" + rows)
    assert sorted(path.name for path in read) == ["ct.nrrd", "gone.nrrd"]
    assert [n.name for n in dataset.nodules] == ["n1", "n3", "n5"]
    assert [case.name for case in dataset.broken] == ["n0", "n2", "n4"]
    assert "no file" in dataset.broken[0].reason


def test_fault_90_a_row_that_cannot_be_used_is_reported_and_the_rest_is_read(scan):
    (scan / "damaged.nii.gz").write_bytes(b"\x1f\x8b nothing")
    centre = f"{X},{Y},{Z}"
    dataset = table_of(
        scan,
        "name,ct,x,y,z,pathology,size,mask,split,coordinates\n"
        f"good,ct.nrrd,{centre},MIA,,,,\n"
        f"damaged,damaged.nii.gz,{centre},MIA,,,,\n"
        f"no ct,,{centre},MIA,,,,\n"
        f"word,ct.nrrd,{centre},strange,,,,\n"
        f"outside,ct.nrrd,{-X},{-Y},{Z},MIA,,,,\n"
        "no centre,ct.nrrd,1,,3,MIA,,,,\n"
        'comma,ct.nrrd,"1,5",2,3,MIA,,,,\n'
        "nan,ct.nrrd,nan,2,3,MIA,,,,\n"
        f"size,ct.nrrd,{centre},MIA,-3,,,\n"
        f"mask,ct.nrrd,{centre},MIA,,gone.nrrd,,\n"
        f"split,ct.nrrd,{centre},MIA,,,later,\n"
        f"system,ct.nrrd,{centre},MIA,,,,MNI\n"
        f"twice,ct.nrrd,{centre},MIA,,,,\n"
        f"twice,ct.nrrd,{centre},benign,,,,\n",
    )
    assert [n.name for n in dataset.nodules] == ["good"]
    found = reasons(dataset)
    assert len(dataset.broken) == 13
    expected = {
        "damaged": "damaged", "no ct": "no path", "word": "unknown pathology",
        "outside": "outside the CT",
        "no centre": "no centre", "comma": "decimal point", "nan": "not a number",
        "size": "not positive",
        "mask": "cannot be read", "split": "unknown split", "system": "LPS, RAS or voxel",
        "twice": "several rows",
    }  # fmt: skip
    for name, reason in expected.items():
        assert reason in found[name]


def test_a_real_ct_in_a_zip_is_read(tmp_path):
    archive = Path(__file__).parents[3] / "Resources" / "SampleData" / "demo-chest-ct.zip"
    rows = f"near,{archive},-81,-192,-192,squamous cell carcinoma\nfar,{archive},500,0,0,benign\n"
    dataset = table_of(tmp_path, "name,ct,x,y,z,pathology\n" + rows)
    (nodule,) = dataset.nodules
    assert nodule.labels == {"malignancy": 1} and "outside the CT" in reasons(dataset)["far"]
    x, y, z = np.rint(nodule.ct.voxel_of(nodule.centre_lps_mm)).astype(int)
    assert nodule.ct.hu[z, y - 2 : y + 3, x - 2 : x + 3].mean() > -100  # its middle
    assert nodule.ct.hu.nbytes < 4e6  # of 7 MB


def test_series_are_told_apart(tmp_path, ct):
    for uid in ("1.2.3", "1.2.4"):
        save_dicom(ct, tmp_path / "study" / uid, SeriesInstanceUID=uid)
    rows = f"a,study,1.2.4,{X},{Y},{Z}\nb,study,,{X},{Y},{Z}\n"
    dataset = table_of(tmp_path, "name,ct,series_uid,x,y,z\n" + rows)
    assert [n.ct.acquisition.series_uid for n in dataset.nodules] == ["1.2.4"]
    assert "several CT series" in reasons(dataset)["b"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ct,x,y,z\n", "no rows"),
        ("scanner,x,y,z\na,1,2,3\n", "no column 'ct'"),
        ("ct,x,y\na,1,2\n", "no columns with the nodules' centres"),
    ],
)
def test_a_table_without_what_it_needs_is_refused(tmp_path, text, problem):
    with pytest.raises(NoduleRiskError, match=problem):
        table_of(tmp_path, text)


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(NoduleRiskError, match="check the path"):
        read_emv_table(tmp_path / "gone.csv")


def test_a_patient_in_two_splits_is_refused(scan):
    rows = f"ct.nrrd,{X},{Y},{Z},p,train\nct.nrrd,{X},{Y},{Z},p,test\n"
    with pytest.raises(NoduleRiskError, match="Patient p is in both train and test"):
        table_of(scan, "ct,x,y,z,patient,split\n" + rows)


def test_without_a_patient_column_paths_with_names_stay_out(scan, ct):
    save(ct, scan / "Doe_John.nrrd")
    (nodule,) = table_of(scan, f"ct,x,y,z\nDoe_John.nrrd,{X},{Y},{Z}\n").nodules
    assert nodule.name == "line 2" and nodule.patient.startswith("ct-")
    assert "doe" not in (nodule.name + nodule.patient).lower()


# --- Masks


def test_the_masks_part_at_the_centre_is_the_nodule(scan, ct):
    positions = positions_of(ct)
    nodule = np.linalg.norm(positions - CENTRE_LPS_MM, axis=-1) <= RADIUS_MM
    other = np.linalg.norm(positions - (X + 20, Y, Z), axis=-1) <= 3
    save_mask(nodule | other, ct, scan / "mask.nrrd")
    places = ((X, Y, Z), (X + 20, Y, Z), (X, Y + 25, Z))
    rows = "".join(f"ct.nrrd,{x},{y},{z},mask.nrrd\n" for x, y, z in places)
    dataset = table_of(scan, "ct,x,y,z,mask\n" + rows)
    first, second = dataset.nodules
    assert first.mask.sum() == nodule.sum() and second.mask.sum() == other.sum()
    assert first.diameter_mm == pytest.approx(2 * RADIUS_MM, rel=0.03)
    assert "mm from the centre" in reasons(dataset)["line 4"]


def test_a_mask_off_the_grid_or_empty_is_refused(scan, ct):
    wide = np.zeros(ct.hu.shape, bool)
    save_mask(wide, ct, scan / "empty.nrrd")
    save_mask(wide[1:], ct, scan / "short.nrrd")
    shifted = CT(ct.hu, ct.spacing_mm, (0.0, 0.0, 0.0))
    save_mask(wide, shifted, scan / "shifted.nrrd")
    masks = ("empty", "short", "shifted")
    rows = "".join(f"{mask},ct.nrrd,{X},{Y},{Z},{mask}.nrrd\n" for mask in masks)
    found = reasons(table_of(scan, "name,ct,x,y,z,mask\n" + rows))
    assert "empty" in found["empty"]
    assert all("not on the CT's grid" in found[mask] for mask in masks[1:])


# --- Crops


@pytest.mark.parametrize("direction", [np.eye(3), OBLIQUE, OBLIQUE[::-1] * (1, -1, 1)])
def test_a_crop_holds_its_cube_where_it_was(direction):
    ct = made_ct(direction)
    box = box_around(ct, CENTRE_LPS_MM, 30.0)
    part = cropped(ct, box)
    assert part.hu.size < ct.hu.size / 5
    positions = positions_of(part)
    assert np.allclose(positions, positions_of(ct)[box])
    assert np.array_equal(part.hu, ct.hu[box])
    corners = np.array(np.meshgrid(*[[-15, 15]] * 3)).reshape(3, -1).T + CENTRE_LPS_MM
    assert all(part.contains(corner) for corner in corners)


def test_a_crop_frees_the_ct(scan):
    (nodule,) = table_of(scan, f"ct,x,y,z\nct.nrrd,{X},{Y},{Z}\n").nodules
    assert nodule.ct.hu.base is None
    assert max(np.array(nodule.ct.hu.shape[::-1]) * nodule.ct.spacing_mm) <= CROP_MM + 5


# --- LUNA16 and LUNA25 (fault 65)


def test_fault_65_a_luna_table_is_read_with_the_cts_at_hand(tmp_path, ct):
    (tmp_path / "subset0").mkdir()
    save(ct, tmp_path / "subset0" / "1.2.3.mhd")
    rows = [f"1.2.9,{X},{Y},{Z},5", f"1.2.3,{X},{Y},{Z},12"]
    text = "\n".join(["seriesuid,coordX,coordY,coordZ,diameter_mm", *rows])
    (nodule,) = table_of(tmp_path, text, "annotations.csv").nodules
    assert nodule.centre_lps_mm == (X, Y, Z) and nodule.diameter_mm == 12
    assert nodule.labels == {}


def test_fault_65_the_label_of_a_luna25_table_is_malignancy(tmp_path, ct):
    header = "SeriesInstanceUID,PatientID,StudyDate,CoordX,CoordY,CoordZ,LesionID,label"
    save_dicom(ct, tmp_path / "1.2.3")
    rows = [f"1.2.3,P1,19990102,{X + label},{Y},{Z},{label},{label}" for label in (0, 1)]
    nodules = table_of(tmp_path, "\n".join([header, *rows])).nodules
    assert [nodule.labels["malignancy"] for nodule in nodules] == [0, 1]
    assert {nodule.patient for nodule in nodules} == {"P1"}


def test_fault_65_a_luna_table_without_its_cts_is_refused(tmp_path):
    with pytest.raises(NoduleRiskError, match="named by its SeriesInstanceUID"):
        table_of(tmp_path, f"seriesuid,coordX,coordY,coordZ\n1.2.9,{X},{Y},{Z}\n")


# --- Tables that cannot lie (faults 88 to 90)


def test_fault_89_columns_that_are_not_used_are_named(scan):
    header = "name,ct,x,y,z,pathology,size_cm,flag,EGFR (exon),empty"
    text = f"{header}\na,ct.nrrd,{X},{Y},{Z},malignant,2.2,grade1,yes,\n"
    dataset = table_of(scan, text)
    assert [*said_of(dataset)] == ["Columns that were not used: flag, EGFR (exon)."]
    assert dataset.nodules[0].diameter_mm == 22


@pytest.mark.parametrize(
    ("column", "cell", "mm"),
    [
        ("size_cm", "2.2", 22), ("Size.cm.", "0.9", 9), ("Diameter (cm)", "1", 10),
        ("size", "0.9 cm", 9), ("size", "9 mm", 9), ("size", "12", 12), ("size_mm", "0.9CM", 9),
    ],
)  # fmt: skip
def test_fault_89_sizes_are_read_in_their_unit(scan, column, cell, mm):
    (nodule,) = table_of(scan, f"ct,x,y,z,{column}\nct.nrrd,{X},{Y},{Z},{cell}\n").nodules
    assert nodule.diameter_mm == pytest.approx(mm)


def test_fault_89_sizes_that_look_like_cm_are_asked(scan):
    for sizes in ("4", "2.5"), ("3.5", "4"), ("2.5", "22"):
        rows = "".join(f"ct.nrrd,{X + 9 * i},{Y},{Z},{size}\n" for i, size in enumerate(sizes))
        with pytest.raises(NoduleRiskError, match="call the column size_cm if .* size_mm if"):
            table_of(scan, "ct,x,y,z,size\n" + rows)
    dataset = table_of(scan, f"ct,x,y,z,size_cm\nct.nrrd,{X},{Y},{Z},22\n")
    assert reasons(dataset) == {"line 2": "size_cm '22' is no nodule's size: check the unit"}


def test_fault_89_two_columns_of_one_name_are_refused(scan):
    with pytest.raises(NoduleRiskError, match="Several columns .* 'size_mm'"):
        table_of(scan, f"ct,x,y,z,size_mm,Size (mm)\nct.nrrd,{X},{Y},{Z},8,9\n")


def test_fault_88_a_patient_is_one_in_every_spelling(scan, ct):
    save(ct, scan / "b.nrrd")
    save(ct, scan / "c.nrrd")
    rows = "".join(
        f"{name},{X},{Y},{Z},{patient}\n"
        for name, patient in (("ct.nrrd", "P-04"), ("b.nrrd", "p4"), ("c.nrrd", "Ｐ４"))
    )
    nodules = table_of(scan, "ct,x,y,z,patient\n" + rows).nodules
    assert [nodule.patient for nodule in nodules] == ["P-04"] * 3
    assert len({nodule.split for nodule in nodules}) == 1
    rows = f"ct.nrrd,{X},{Y},{Z},P4,train\nb.nrrd,{X},{Y},{Z},p04,test\n"
    with pytest.raises(NoduleRiskError, match="in both train and test"):
        table_of(scan, "ct,x,y,z,patient,split\n" + rows)


def test_fault_88_a_ct_is_one_by_every_path(scan):
    (scan / "sub").mkdir()
    (scan / "link.nrrd").symlink_to(scan / "ct.nrrd")
    paths = ("ct.nrrd", "./ct.nrrd", "sub/../ct.nrrd", "sub\\..\\ct.nrrd", "link.nrrd")
    rows = "".join(f"{path},{X + i},{Y},{Z}\n" for i, path in enumerate(paths))
    nodules = table_of(scan, "ct,x,y,z\n" + rows).nodules
    assert len({nodule.patient for nodule in nodules}) == 1 and len(nodules) == 5
    rows = f"ct.nrrd,{X},{Y},{Z},train\n./ct.nrrd,{X + 9},{Y},{Z},test\n"
    with pytest.raises(NoduleRiskError, match="in both train and test"):
        table_of(scan, "ct,x,y,z,split\n" + rows)
    rows = f"ct.nrrd,{X},{Y},{Z},P4\nct.nrrd,{X + 9},{Y},{Z},\n./ct.nrrd,{X},{Y + 9},{Z},P1\n"
    with pytest.raises(NoduleRiskError, match="two patients, P4 in line 2 and P1 in line 4"):
        table_of(scan, "ct,x,y,z,patient\n" + rows)


def test_fault_88_rows_of_one_nodule_agree_or_are_left_out(scan):
    rows = [(X, "malignant"), (X, "malignant"), (X, "benign"), (X + 9, "AIS"), (X + 9, "AIS")]
    text = "".join(f"ct.nrrd,{x},{Y},{Z},{word}\n" for x, word in rows)
    dataset = table_of(scan, "ct,x,y,z,pathology\n" + text)
    assert [nodule.name for nodule in dataset.nodules] == ["line 5"]
    found = reasons(dataset)
    for name in ("line 2", "line 3", "line 4"):
        assert "contradicting labels" in found[name]
    assert found["line 6"] == "it is the same nodule as line 5, listed before"


def test_fault_88_a_nodule_is_one_in_whatever_series_its_rows_say(scan):
    rows = [("", "malignant", "yes"), ("1.2", "malignant", "no"), ("", "benign", "")]
    text = "".join(f"ct.nrrd,{series},{X},{Y},{Z},{word},{gene}\n" for series, word, gene in rows)
    head = "ct,series,x,y,z,pathology,EGFR\n"
    assert len(reasons(table_of(scan, head + text))) == 3
    found = reasons(table_of(scan, head + text.rsplit("ct.nrrd", 1)[0]))
    assert found == {
        "line 3": "it is the same nodule as line 2, listed before, which has another egfr"
    }


def test_fault_88_who_is_not_named_is_not_one_patient(scan, ct):
    save(ct, scan / "b.nrrd")
    for nobody in ("unknown", "NaN", "-", "未知", "?"):
        rows = f"ct.nrrd,{X},{Y},{Z},{nobody}\nb.nrrd,{X},{Y},{Z},{nobody}\n"
        nodules = table_of(scan, "ct,x,y,z,patient\n" + rows).nodules
        assert len({nodule.patient for nodule in nodules}) == 2


@pytest.mark.parametrize("text", ["-1", "1?", "≥1", "malignant?", "~malignant", "2.0", "0.1"])
def test_fault_90_a_sign_or_a_doubt_beside_a_class_is_no_class(text):
    with pytest.raises(NoduleRiskError, match="unknown malignancy"):
        class_index("malignancy", text)
    assert class_index("malignancy", "1.0") == 1 and class_index("grade", "2.0") == 1


def test_fault_90_two_pathologies_of_one_row_agree_or_it_is_left_out(scan):
    rows = [("benign", "malignant", ""), ("malignant", "grade 1", "7"), ("AIS", "MIA", "")]
    text = "".join(f"ct.nrrd,{X + 9 * i},{Y},{Z},{','.join(r)}\n" for i, r in enumerate(rows))
    dataset = table_of(scan, "ct,x,y,z,pathology,diagnosis,label\n" + text)
    assert [nodule.labels["malignancy"] for nodule in dataset.nodules] == [1]
    assert all("contradict each other" in why for why in reasons(dataset).values())


def test_fault_89_decimal_commas_beside_points_are_refused(scan):
    rows = f"ct.nrrd;{X};{Y};{Z};1,234\nct.nrrd;{X};{Y};{Z};12.5\n"
    with pytest.raises(NoduleRiskError, match="both decimal commas and decimal points"):
        table_of(scan, "ct;x;y;z;size_mm\n" + rows)


def test_fault_89_a_workbook_is_no_table(scan):
    for start in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        (scan / "nodules.csv").write_bytes(start + bytes(range(256)))
        with pytest.raises(NoduleRiskError, match="save it as 'CSV UTF-8'"):
            read_emv_table(scan / "nodules.csv")


def test_fault_90_numbers_that_only_a_computer_language_reads_are_left_out(scan):
    rows = f"a,ct.nrrd,{X},{Y},{Z},1_0\nb,ct.nrrd,{X + 9},{Y},{Z},NA\n"
    dataset = table_of(scan, "name,ct,x,y,z,size_mm\n" + rows)
    assert "not a number" in reasons(dataset)["a"]
    assert [nodule.diameter_mm for nodule in dataset.nodules] == [None]


@pytest.mark.parametrize("encoding", ["utf-16", "gb18030", "utf-8-sig"])
def test_fault_89_a_table_is_read_as_a_spreadsheet_saves_it(scan, encoding):
    text = f"sep=;\nname;ct;x;y;z;pathology\n结节;ct.nrrd;{X},5;{Y};{Z};浸润性腺癌（二级）\n"
    (scan / "nodules.csv").write_bytes(text.replace(".0,5", ",5").encode(encoding))
    (nodule,) = read_emv_table(scan / "nodules.csv").nodules
    assert nodule.name == "结节" and nodule.labels["invasiveness"] == 1
    assert nodule.centre_lps_mm == (X + np.copysign(0.5, X), Y, Z)


# --- The authors' own tables

AUTHORS = "ID,X,Y,Z,lung,position,Image.type,Pathology,病理分级,Size.cm.\n"


def test_the_authors_table_is_read_as_it_is(tmp_path, ct):
    i, j, k = np.rint(ct.voxel_of(CENTRE_LPS_MM)).astype(int)
    image = len(ct.hu) - k  # InstanceNumber from the head down
    save_dicom(ct, tmp_path / "1")
    text = (
        f"{AUTHORS}1,{i},{j},{image - 2}-{image + 2},右肺,上叶,纯实性,鳞癌,3,2.2\n"
        f"2,{i},{j},80-82,右肺,上叶,纯磨玻璃,AAH,,0.3\n"
    )
    (tmp_path / "authors.csv").write_bytes(text.encode("gbk"))
    dataset = read_emv_table(tmp_path / "authors.csv")
    (nodule,) = dataset.nodules
    assert nodule.centre_lps_mm == pytest.approx(tuple(ct.point_of((i, j, k))))
    assert (nodule.name, nodule.diameter_mm) == ("1", 22)
    assert nodule.labels == {"malignancy": 1, "density": 2}
    assert "no file or folder" in reasons(dataset)["2"]
    assert dataset.unused == ("lung", "position")
    assert any("grades of 1 nodule(s)" in remark for remark in dataset.remarks)
    as_theirs = read_emv_table(tmp_path / "authors.csv", cancers_invasive=True)
    assert as_theirs.name == "authors (other cancers count as invasive)"
    (theirs,) = as_theirs.nodules
    assert theirs.labels == {"malignancy": 1, "invasiveness": 1, "grade": 2, "density": 2}


def test_their_second_table_holds_the_label_under_flag(scan, ct):
    i, j, k = np.rint(ct.voxel_of(CENTRE_LPS_MM)).astype(int)
    words = ("良性", "grade3", "浸润前病变")
    rows = "".join(f"ct.nrrd,{n},{i + n},{j},{k},2.2,{word}\n" for n, word in enumerate(words))
    nodules = table_of(scan, "ct,ID,i,j,k,Size.cm.,flag\n" + rows).nodules
    assert [nodule.labels["malignancy"] for nodule in nodules] == [0, 1, 1]
    assert [nodule.labels.get("invasiveness") for nodule in nodules] == [None, 1, 0]
    assert [nodule.name for nodule in nodules] == ["0", "1", "2"]


def test_a_slice_is_counted_by_instance_number(tmp_path, ct):
    i, j, k = np.rint(ct.voxel_of(CENTRE_LPS_MM)).astype(int)
    save_dicom(ct, tmp_path / "ct")
    save(ct, tmp_path / "ct.nrrd")
    rows = f"a,ct,{i},{j},{len(ct.hu) - k}\nb,ct,{i},{j},999\nc,ct.nrrd,{i},{j},1\n"
    dataset = table_of(tmp_path, "name,ct,i,j,slice\n" + rows)
    assert dataset.nodules[0].centre_lps_mm == pytest.approx(tuple(ct.point_of((i, j, k))))
    assert "no image of this ct has the number 999" in reasons(dataset)["b"].lower()
    assert "no numbers of their own" in reasons(dataset)["c"]


def test_the_authors_blocks_are_written_and_read(scan, ct):
    rows = f"a,ct.nrrd,{X},{Y},{Z},AIS,9\nb,ct.nrrd,{X + 9},{Y},{Z},benign,\n"
    dataset = table_of(scan, "name,ct,x,y,z,pathology,size_mm\n" + rows)
    folder = write_blocks(dataset.nodules, scan / "blocks")
    np.save(folder / "broken.npy", np.zeros((5, 5, 5)))
    (folder / "blocks.csv").open("a", encoding="utf-8").write("broken.npy,c\n")
    block = np.load(folder / "a.npy")
    assert block.shape == (100, 100, 100) and -0.5 < block.min() < block.max() < 1
    again = read_emv_table(folder / "blocks.csv")
    assert [n.labels for n in again.nodules] == [n.labels for n in dataset.nodules]
    assert [n.diameter_mm for n in again.nodules] == [9, None]
    first = again.nodules[0]
    wanted = emv_block(dataset.nodules[0].ct, CENTRE_LPS_MM)
    assert np.abs(emv_block(first.ct, first.centre_lps_mm) - wanted).max() < 0.01
    assert "not numbers of shape" in reasons(again)["c"]
    with pytest.raises(OutputError, match="not empty"):
        write_blocks(dataset.nodules, folder)
