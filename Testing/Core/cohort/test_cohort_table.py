"""The table of a cohort: what it may contain, and everything that is wrong with it at once."""

from __future__ import annotations

import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodulerisk.clinical.patient import Patient
from nodulerisk.cohort.nodules import CohortNodule
from nodulerisk.cohort.table.problems import LISTED, CohortError
from nodulerisk.cohort.table.read import read_cohort
from nodulerisk.tasks import TASKS


@pytest.fixture
def table(tmp_path):
    """Writes a table of lines beside ``a.nii.gz`` and the folder ``dicom``, which holds a CT for
    each of the cases A to H."""
    (tmp_path / "a.nii.gz").touch()
    for case in "ABCDEFGH":
        (tmp_path / "dicom" / case).mkdir(parents=True)

    def written(*lines: str, name: str = "cohort.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines), encoding=encoding)
        return path

    return written


def problems(path: Path, **options) -> list[str]:
    with pytest.raises(CohortError) as refusal:
        read_cohort(path, **options)
    assert all(problem in str(refusal.value) for problem in refusal.value.problems)
    return list(refusal.value.problems)


# --- What it may say


def test_rows_of_a_case_are_nodules_of_one_ct(table, tmp_path):
    path = table("case,ct,x,y,z", "A,a.nii.gz,-81,-192.5,1e2", "B,dicom,1,2,3", "A,a.nii.gz,4,5,6")
    cohort = read_cohort(path)
    first, second = cohort.cases
    assert (cohort.name, first.case, first.ct, second.ct) == (
        "cohort.csv",
        "A",
        tmp_path / "a.nii.gz",
        tmp_path / "dicom",
    )
    assert first.nodules == (
        CohortNodule("N1", (-81.0, -192.5, 100.0)),
        CohortNodule("N2", (4.0, 5.0, 6.0)),
    )
    assert (first.series, first.earlier, first.days) == (None, None, None)
    assert list(cohort.keys) == [("A", "N1"), ("A", "N2"), ("B", "N1")]


def test_everything_else_it_may_say(table):
    path = table(
        "Case;CT;X;Y;Z;Nodule;Coordinates;Series;AGE;upper lobe;status;earlier;days;"
        "label_malignancy;label_grade;label_evidence;remark",
        "A;a.nii.gz;1;2;3;hilus left;RAS;1.2.3;62;Yes;Slowly growing;B;183;malignant;2;pathology;x",
        "B;dicom;1;2;3;;voxel;;;;;;;1;;;",
    )
    cohort = read_cohort(path)
    first, second = cohort.cases
    assert first.nodules == (
        CohortNodule(
            "hilus left",
            (1.0, 2.0, 3.0),
            "ras",
            Patient(age=62, upper_lobe=True, status="slowly growing"),
            {"malignancy": "malignant", "grade": "grade 2"},
            "pathology",
        ),
    )
    assert second.nodules == (
        CohortNodule("N1", (1.0, 2.0, 3.0), "voxel", None, {"malignancy": "malignant"}),
    )
    assert (first.series, first.earlier, first.days, cohort.unused) == (
        "1.2.3",
        "B",
        183.0,
        ("remark",),
    )


def test_semicolons_byte_order_marks_spaces_and_empty_rows_are_accepted(table):
    path = table("case ; ct;x;y;z", "", " A ;a.nii.gz; 1;2 ;3", ";;;;", "", encoding="utf-8-sig")
    (case,) = read_cohort(path).cases
    assert case.case == "A" and case.nodules[0].point == (1.0, 2.0, 3.0)


def test_cts_of_a_patient_share_a_number(table):
    path = table(
        "case,ct,x,y,z,patient,earlier",
        "A,dicom/A,1,2,3,Zed,",
        "A,dicom/A,4,5,6,Zed,",
        "B,dicom/B,1,2,3,,",
        "C,dicom/C,1,2,3,,D",  # Yan's: D names no one, but E, which is earlier than both, does
        "D,dicom/D,1,2,3,,E",
        "E,dicom/E,1,2,3,Yan,",
        "F,dicom/F,1,2,3,zed,",
        "G,dicom/G,1,2,3,,H",
        "H,dicom/H,1,2,3,,",
    )
    cohort = read_cohort(path)
    ids = {case.case: case.patient_id for case in cohort.cases}
    assert (
        ids["A"] == ids["F"]
        and ids["C"] == ids["D"] == ids["E"]
        and len({0, ids["A"], ids["C"]}) == 3
    )
    assert ids["B"] == ids["G"] == ids["H"] == 0
    assert cohort.unused == () and cohort.cases[0].nodules[0].patient is None


def test_days_are_needed_where_a_file_carries_no_date(table):
    lines = ("case,ct,x,y,z,earlier,days", "A,dicom,1,2,3,,")
    assert read_cohort(table(*lines, "B,dicom,1,2,3,A,")).cases[1].days is None
    assert read_cohort(table(*lines, "B,a.nii.gz,1,2,3,a,183")).cases[1].days == 183
    assert read_cohort(table(*lines, "B,a.nii.gz,1,2,3,a,183")).cases[1].earlier == "A"
    assert problems(table(*lines, "B,a.nii.gz,1,2,3,A,")) == [
        "row 3: days is empty, and one of the two files carries no date"
    ]


@pytest.mark.parametrize("asked", [None, "lps", "ras", "voxel"])
def test_coordinates_are_those_of_the_row_or_as_asked_or_lps(table, asked):
    silent = read_cohort(table("case,ct,x,y,z", "A,dicom,1,2,3"), asked)
    assert silent.cases[0].nodules[0].coordinates == (asked or "lps")
    said = table("case,ct,x,y,z,coordinates", "A,dicom,1,2,3,RAS")
    if asked in (None, "ras"):
        assert read_cohort(said, asked).cases[0].nodules[0].coordinates == "ras"
    else:
        assert problems(said, coordinates=asked) == [
            f"row 2: coordinates are ras here, but {asked} was requested: leave one of the two out"
        ]


def test_parquet_says_the_same_as_csv(table, tmp_path):
    columns = {
        "case": ["A", "A", "B"],
        "ct": ["a.nii.gz", "a.nii.gz", "dicom"],
        "x": [1.5, -2.0, 3.0],
        "y": pa.array([1, 2, 3], pa.int32()),
        "z": [0.1, 0.2, 0.30000000000000004],
        "age": [62.0, None, float("nan")],
        "nodules": [2.0, None, None],
        "emphysema": [True, None, False],
        "patient": [7.0, 7.0, None],
        "label_malignancy": pa.array(["benign", None, "malignant"]).dictionary_encode(),
        "label_subtype": [None, None, None],
    }
    pq.write_table(pa.table(columns), tmp_path / "cohort.parquet")
    path = table(
        "case,ct,x,y,z,age,nodules,emphysema,patient,label_malignancy,label_subtype",
        "A,a.nii.gz,1.5,1,0.1,62,2,yes,7,benign,",
        "A,a.nii.gz,-2,2,0.2,,,,7,,",
        "B,dicom,3,3,0.30000000000000004,,,no,,malignant,",
    )
    assert read_cohort(tmp_path / "cohort.parquet").cases == read_cohort(path).cases


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_every_digit(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("digits")
    pq.write_table(
        pa.table({"case": ["A"], "ct": ["."], "x": [value], "y": [0], "z": [0]}),
        folder / "t.parquet",
    )
    (folder / "t.csv").write_text(f"case,ct,x,y,z\nA,.,{value!r},0,0\n")
    for name in ("t.parquet", "t.csv"):
        assert read_cohort(folder / name).cases[0].nodules[0].point[0] == value


def test_what_travels_to_workers_is_picklable(table):
    cohort = read_cohort(table("case,ct,x,y,z,age", "A,a.nii.gz,1,2,3,62"))
    assert pickle.loads(pickle.dumps(cohort.cases)) == cohort.cases


# --- What is wrong with it


def test_everything_wrong_is_listed_at_once_with_its_row(table):
    path = table(
        "case,ct,x,y,z,nodule,coordinates,age,status,label_malignancy,label_evidence,earlier,days,series",
        "A,a.nii.gz,1,2,3,N,,,,,,,,",  # 2: well
        "A,a.nii.gz,one,,inf,n,,,,,,,,",
        "A,dicom,1,2,3,M,,,,,,,,1.2",
        "../B,dicom,1,2,3,,lsp,-1,asleep,perhaps,rumour,,,",
        "",
        "C,none.nii,1,2,3,a/b,,,,,,X,,",  # 7
        "D,,1,2,3,,,,,,,,12,",
        "E,dicom,1,2,3,,,,,,,F,0,",
        "F,dicom,1,2,3,,,,,,,E,many,",
        ",dicom,1,2,3",
        "G,dicom,1,2,3,,,,,,,,,,,",
        "a,a.nii.gz,1,2,3,O",
    )
    assert problems(path) == [
        "row 3: nodule 'n' of case 'A' is listed twice",
        "row 3: x 'one' is not a number: write it with a decimal point",
        "row 3: y '' is not a number: write it with a decimal point",
        "row 3: z 'inf' is not a number: write it with a decimal point",
        "row 4: case 'A' has another ct in row 2: a case is one CT",
        "row 4: case 'A' has another series in row 2: a case is one CT",
        "row 5: case '../B' cannot be used in file names: write '___B'",
        "row 5: unknown coordinates 'lsp': write lps, ras, voxel, slice",
        "row 5: The age must be from 1 to 120 years",
        "row 5: status must be one of baseline, new, stable, slowly growing, growing",
        "row 5: unknown malignancy 'perhaps': write benign, malignant, or leave it empty",
        "row 5: unknown label_evidence 'rumour': write pathology, reader, simulated",
        "row 7: nodule 'a/b' cannot be used in file names: write 'a_b'",
        "row 7: there is no file or folder at the path in ct",
        "row 7: there is no case 'X', as named in earlier",
        "row 8: ct is empty",
        "row 8: days are given, but no earlier case",
        "row 9: days are counted from the earlier CT and must be more than 0",
        "row 9: case 'E' would be earlier than itself",
        "row 10: days 'many' is not a number: write it with a decimal point",
        "row 11: case is empty",
        "row 12: there are more cells than in the header: quote cells that contain the separator",
        "row 13: case 'a' is 'A' in row 2: write both the same way",
    ]


def test_one_case_or_pair_has_one_patient(table):
    path = table(
        "case,ct,x,y,z,patient,earlier",
        "A,dicom/A,1,2,3,Zed,",
        "A,dicom/A,1,2,3,Yan,",
        "B,dicom/B,1,2,3,Yan,a",
        "C,dicom/C,1,2,3,,A",
        "D,dicom/D,1,2,3,Wu,C",
        "E,dicom/E,1,2,3,,",
        "F,dicom/F,1,2,3,Wu,E",
        "G,dicom/G,1,2,3,Yan,E",
        "H,dicom/H,1,2,3,Zed,A",
    )
    assert problems(path) == [
        "row 3: case 'A' has another patient in row 2: a case is one CT",
        "row 4: case 'B' has another patient than 'A', which earlier links it to",
        "row 6: case 'D' has another patient than 'A', which earlier links it to",
        "row 9: case 'G' has another patient than 'F', which earlier links it to",
    ]


def test_missing_and_doubled_columns_hide_no_other_fault(table):
    path = table("case,ct,x,X,y,label_mood,age", "A,none.nii,1,2,3,,old")
    assert problems(path) == [
        "row 1: there is no column 'z'",
        "row 1: several columns are called 'x'",
        (
            "row 1: 'label_mood' is not a label of any task: write"
            f" {', '.join(f'label_{task}' for task in TASKS)} or label_evidence"
        ),
        "row 2: age must be a number, such as age=3",
        "row 2: there is no file or folder at the path in ct",
    ]
    assert problems(table("ct,x,y,z", "none.nii,1,2,3")) == ["row 1: there is no column 'case'"]


def test_many_problems_are_counted(table):
    path = table("case,ct,x,y,z", *(f"C{number},dicom,?,2,3" for number in range(200)))
    found = problems(path)
    assert len(found) == LISTED + 1 and found[-1] == "and 150 more"
    assert found[0].startswith("row 2: x '?'")


def test_a_case_without_its_file_is_reported_once(table):
    path = table("case,ct,x,y,z", *["A,none.nii,1,2,3"] * 3)
    assert problems(path) == ["row 2: there is no file or folder at the path in ct"]


def test_fault_46_no_path_is_quoted(table):
    path = table("case,ct,x,y,z", "A,Smith John 1950/ct.nii,1,2,3")
    with pytest.raises(CohortError) as refusal:
        read_cohort(path)
    assert "Smith" not in str(refusal.value)


def test_fault_46_no_patient_is_quoted_or_kept(table):
    lines = ("case,ct,x,y,z,patient,earlier", "A,dicom/A,1,2,3,Smith,")
    assert "smith" not in repr(read_cohort(table(*lines))).lower()
    with pytest.raises(CohortError) as refusal:
        read_cohort(table(*lines, "A,dicom/A,1,2,3,Smithy,", "B,dicom/B,1,2,3,Smitty,A"))
    assert "Smi" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "\n\n", "case,ct,x,y,z\n", "case,ct,x,y,z\n,,,,\n"])
def test_a_table_without_rows_is_refused(table, text):
    assert problems(table(text)) == [
        "row 1: there are no rows: write a header and a row for each nodule"
    ]


def test_files_that_are_no_tables_are_refused(table, tmp_path):
    (tmp_path / "other.csv").write_bytes(b"case;\x81\x8d")
    (tmp_path / "quote.csv").write_text('case,ct,x,y,z\n"A,dicom,1,2,3')
    (tmp_path / "other.parquet").write_text("case,ct,x,y,z\nA,dicom,1,2,3\n")
    for name in ("other.csv", "quote.csv", "other.parquet"):
        assert problems(tmp_path / name) == [
            "it is not a table in UTF-8: save it as 'CSV UTF-8' or Parquet"
        ]
    assert problems(tmp_path / "none.csv") == [
        "it cannot be read (No such file or directory): check the path"
    ]
    whole = tmp_path / "cut.parquet"
    pq.write_table(pa.table({"case": ["A"] * 1000}), whole)
    whole.write_bytes(whole.read_bytes()[:-100])
    assert len(problems(whole)) == 1


CELLS = st.sampled_from(
    [
        "",
        "A",
        "B",
        "a",
        "N1",
        "1",
        "-2.5",
        "inf",
        "?",
        "a.nii.gz",
        "dicom",
        "../x",
        "yes",
        "62",
        "ras",
    ]
)


@given(
    st.lists(
        st.sampled_from(
            [
                "case",
                "ct",
                "x",
                "y",
                "z",
                "nodule",
                "age",
                "earlier",
                "days",
                "coordinates",
                "label_grade",
                "patient",
            ]
        ),
        max_size=12,
    ),
    st.lists(st.lists(CELLS, max_size=12), max_size=8),
)
def test_any_table_is_read_or_refused_with_words(tmp_path_factory, columns, rows):
    folder = tmp_path_factory.mktemp("any")
    (folder / "a.nii.gz").touch()
    (folder / "dicom").mkdir()
    lines = [
        ",".join(cells)
        for cells in [[*dict.fromkeys(["case", "ct", "x", "y", "z", *columns])], *rows]
    ]
    path = folder / "t.csv"
    path.write_text("\n".join(lines))
    try:
        cohort = read_cohort(path)
    except CohortError:
        assert len(problems(path)) > 0
        return
    keys = list(cohort.keys)
    assert keys and len(keys) == len(
        {(case.casefold(), nodule.casefold()) for case, nodule in keys}
    )
    assert all(case.ct.exists() for case in cohort.cases)


# --- LUNA16 and LUNA25 (fault 65)


def luna(tmp_path, *lines: str) -> Path:
    for uid in ("1.2.3", "1.2.4"):
        (tmp_path / "subset0").mkdir(exist_ok=True)
        (tmp_path / "subset0" / f"{uid}.mhd").touch()
    (tmp_path / "annotations.csv").write_text("\n".join(lines))
    return tmp_path / "annotations.csv"


def test_fault_65_a_luna_table_is_a_cohort_of_the_cts_at_hand(tmp_path):
    lines = ["1.2.3,-81,-192,-192,9", "1.2.9,1,2,3,4", "1.2.3,4,5,6,7", "1.2.4,7,8,9,5"]
    cohort = read_cohort(luna(tmp_path, "seriesuid,coordX,coordY,coordZ,diameter_mm", *lines))
    assert [case.ct.name for case in cohort.cases] == ["1.2.3.mhd", "1.2.4.mhd"]
    first = cohort.cases[0].nodules
    assert [nodule.point for nodule in first] == [(-81.0, -192.0, -192.0), (4.0, 5.0, 6.0)]
    assert {nodule.coordinates for nodule in first} == {"lps"}
    assert cohort.absent == 1 and cohort.unused == ("diameter_mm",)
    assert cohort.cases[0].series is None  # the file is one series


def test_fault_65_a_luna25_table(tmp_path):
    header = "SeriesInstanceUID,PatientID,StudyDate,CoordX,CoordY,CoordZ,LesionID,label"
    cohort = read_cohort(luna(tmp_path, header, "1.2.3,100,19990102,-81,-192,-192,1,1"))
    (case,) = cohort.cases
    assert case.nodules[0].point == (-81.0, -192.0, -192.0) and case.patient_id


def test_fault_65_a_luna_table_without_its_cts_is_refused(tmp_path):
    (problem,) = problems(luna(tmp_path, "seriesuid,coordX,coordY,coordZ", "1.2.9,1,2,3"))
    assert "no CT lies beside the table" in problem


# --- Tables that cannot lie (faults 87 to 90)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_fault_89_a_cohort_is_read_as_a_spreadsheet_saves_it(table, encoding, separator):
    lines = (
        "case,ct,x,y,z,age,sex,remark",
        "甲,a.nii.gz,1,2,3,062Y,M,备注",
        "乙,dicom,1,2,3,NA,女,",
    )
    path = table(*(line.replace(",", separator) for line in lines), encoding=encoding)
    cohort = read_cohort(path)
    assert [case.case for case in cohort.cases] == ["甲", "乙"] and cohort.unused == ("remark",)
    first, second = (case.nodules[0].patient for case in cohort.cases)
    assert (first.age, first.sex, second.age, second.sex) == (62, "male", None, "female")


def test_fault_90_bad_rows_are_left_out_on_request_and_said(table):
    path = table(
        "case,ct,x,y,z,nodule,label_malignancy",
        "A,dicom/A,1,2,3,N1,benign",
        "B,dicom/B,one,2,3,N1,",
        "C,gone.nii,1,2,3,N1,",
        "C,gone.nii,4,5,6,N2,",
        "D,dicom/D,1,2,3,N1,malignant",
        "D,dicom/D,1,2,3,N2,benign",  # contradicts the row before: which is right is not known
        "D,dicom/D,9,2,3,N3,",
    )
    cohort = read_cohort(path, skip_bad=True)
    assert list(cohort.keys) == [("A", "N1"), ("D", "N3")]
    assert [line.split(":")[0] for line in cohort.skipped] == ["row 3", "row 4", "row 7"]
    assert len(problems(path)) == 3


def test_a_table_whose_columns_are_missing_or_whose_rows_are_all_bad_is_refused(table):
    assert problems(table("case,ct,x,y", "A,dicom/A,1,2"), skip_bad=True)
    found = problems(table("case,ct,x,y,z", "A,dicom/A,1,2,?"), skip_bad=True)
    assert "row 2" in found[0] and "no rows" in found[1]


def test_fault_88_one_ct_and_one_patient_in_every_spelling(table, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "dicom" / "B")
    path = table(
        "case,ct,x,y,z,patient",
        "A,dicom/A,1,2,3,P-04",
        "A,./dicom\\A,4,5,6,p4",
        "B,dicom/B,1,2,3,P1",
        "C,link,1,2,3,",
        "D,dicom/D,1,2,3,P 004",
    )
    ids = [case.patient_id for case in read_cohort(path).cases]
    assert ids[0] == ids[3] and ids[1] == ids[2] != ids[0]
    path = table("case,ct,x,y,z,patient", "B,dicom/B,1,2,3,P1", "C,link,1,2,3,P2")
    assert problems(path) == ["row 3: case 'C' has the CT of 'B', but another patient"]


def test_fault_88_two_labels_of_one_nodule_are_refused(table):
    head = "case,ct,x,y,z,coordinates,label_malignancy"
    path = table(head, "A,dicom/A,1,2,3,lps,benign", "B,./dicom/A,-1,-2,3,ras,malignant")
    assert problems(path) == ["row 3: the same nodule is benign in row 2, and malignant here"]


def test_fault_88_a_ct_is_one_with_and_without_its_series(table):
    rows = ("A,dicom/A,,1,2,3,benign,P1", "B,dicom/A,1.2,1.1,2,3,malignant,P2")
    assert problems(table("case,ct,series,x,y,z,label_malignancy,patient", *rows)) == [
        "row 3: case 'B' has the CT of 'A', but another patient",
        "row 3: the same nodule is benign in row 2, and malignant here",
    ]


def test_fault_88_two_ages_or_sexes_of_one_patient_on_one_ct_are_refused(table):
    rows = ("A,dicom/A,1,2,3,62,M,yes", "A,dicom/A,9,2,3,,F,no", "B,dicom/A,5,2,3,26,男性,")
    assert problems(table("case,ct,x,y,z,age,sex,upper_lobe", *rows)) == [
        "row 3: the CT's patient has another sex in row 2",
        "row 4: the CT's patient has another age in row 2",
    ]
    path = table("case,ct,x,y,z,smoking,years_since_quitting", "A,dicom/A,1,2,3,never,4")
    assert problems(path)[0].startswith("row 2: Years since quitting are only for")


def test_fault_89_diameters_in_cm_are_read_or_asked(table):
    head = "case,ct,x,y,z,previous_diameter,nodules"
    (case,) = read_cohort(table(head, "A,dicom/A,1,2,3,0.9 cm,2.0")).cases
    patient = case.nodules[0].patient
    assert (patient.previous_diameter, patient.nodules) == (9, 2)
    assert problems(table(head, "A,dicom/A,1,2,3,0.9,2.5")) == [
        "row 2: nodules must be a number, such as nodules=3",
        "row 2: previous_diameter '0.9' has no unit: write 0.9 mm or 0.9 cm",
    ]


def test_columns_say_their_coordinates_as_in_datasets(table):
    for head, system in (("x_ras,y_ras,z_ras", "ras"), ("i,j,k", "voxel"), ("X (mm),Y,Z", None)):
        path = table(f"case,ct,{head},patient_id,coordinates", "A,dicom/A,1,2,3,P1,")
        if system is None:
            assert "no column 'x'" in problems(path)[0]
            continue
        cohort = read_cohort(path)
        (nodule,) = cohort.cases[0].nodules
        assert (nodule.coordinates, nodule.point, cohort.unused) == (system, (1, 2, 3), ())
        assert "was requested" in problems(path, coordinates="lps")[0]
    path = table("case,ct,i,j,k,coordinates", "A,dicom/A,1,2,3,lps")
    assert problems(path) == ["row 2: coordinates are lps here, but the columns are voxel"]


def test_slices_are_counted_by_instance_number(table):
    for head in ("case,ct,x,y,slice", "case,ct,i,j,slice", "case,ct,x,y,z,coordinates"):
        end = ",slice" if "coordinates" in head else ""
        path = table(head, f"A,dicom/A,110,168,30-34{end}", f"B,dicom/B,110,168,7{end}")
        first, second = (case.nodules[0] for case in read_cohort(path).cases)
        assert (first.point, first.coordinates) == ((110, 168, 32), "slice")
        assert second.point == (110, 168, 7)
    assert "no slice number" in problems(table("case,ct,x,y,slice", "A,dicom/A,1,2,x"))[0]
