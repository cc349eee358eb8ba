"""Points as Slicer, spreadsheets and LUNA write them: fault rows 64 and 65.

Every file ends in the right points or a refusal in words; none in points that it does not mean.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from nodulerisk.ct.points import counts_slices, read_points, series_in
from nodulerisk.ct.volume import CT
from nodulerisk.errors import PointError

AT = (-81.0, -192.0, -192.0)
RAS = "81,192,-192"
HEADER = "# CoordinateSystem = {}\n# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,\
associatedNodeID\n".replace("\\\n", "")
OWN, OTHER = "1.3.6.1.4.1.14519.1", "1.3.6.1.4.1.14519.2"


def positions(path, *asked, **options) -> list[tuple[float, float, float]]:
    return [point.lps_mm for point in read_points(path, *asked, **options)]


def names(path) -> list[str]:
    return [point.name for point in read_points(path)]


@pytest.fixture
def table(tmp_path):
    """Writes a table as bytes or text."""

    def written(content, encoding: str = "utf-8", name: str = "points.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return written


def refused(path, words: str, *asked, **options) -> None:
    with pytest.raises(PointError, match=words) as refusal:
        read_points(path, *asked, **options)
    assert "\n" not in str(refusal.value)


# --- What Slicer writes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("slicer_written.fcsv", ["N1"]),
        ("slicer_written.mrk.json", ["N1"]),
        ("undefined_status.fcsv", ["F-1"]),
        ("v4_columns_space.fcsv", ["F-1"]),
        ("slicer_export.csv", ["N1"]),
        ("slicer_table_ras.csv", ["N1"]),
        ("slicer_table_lps.csv", ["N1"]),
        ("slicer_table_xyz_undefined.csv", ["N1"]),
        ("excel_zh_gbk.csv", ["右上叶结节"]),
        ("excel_de.csv", ["N1"]),
        ("null_label_dup.mrk.json", ["N1", "N2", "右上叶 结节", "右上叶 结节-2"]),
    ],
)
def test_fault_64_files_that_slicer_and_excel_wrote(data, name, expected):
    path = data / "cases" / "points" / name
    assert names(path) == expected
    assert set(positions(path)) == {AT}


def test_fault_64_a_schema_beside_a_table_is_no_table_of_points(data):
    refused(data / "cases" / "points" / "slicer_export.schema.csv", "Columns are missing")


@pytest.mark.parametrize(("status", "placed"), [(0, False), (1, False), (2, True), (3, False)])
def test_fault_64_every_status_of_an_fcsv(table, status, placed):
    line = f"1,81,192,-192,0,0,0,1,1,1,0,N1,,,{status},0\n2,81,192,-192,0,0,0,1,1,1,0,N2,,,2,0\n"
    path = table(HEADER.format("RAS") + line, name="F.fcsv")
    assert names(path) == (["N1", "N2"] if placed else ["N2"])
    assert set(positions(path)) == {AT}


def test_fault_64_an_fcsv_without_status_holds_placed_points(table):
    line = "1,81,192,-192,0,0,0,1,1,1,0,N1,,\n"
    assert positions(table(HEADER.format("0") + line, name="F.fcsv")) == [AT]


def test_fault_64_an_fcsv_of_nothing_but_cleared_points_is_refused(table):
    line = "1,81,192,-192,0,0,0,1,1,1,0,N1,,,0,0\n"
    refused(table(HEADER.format("RAS") + line, name="F.fcsv"), "holds no points")


def test_fault_64_an_fcsv_with_a_status_in_words_is_refused(table):
    line = "1,81,192,-192,0,0,0,1,1,1,0,N1,,,placed,0\n"
    refused(table(HEADER.format("RAS") + line, name="F.fcsv"), "damaged")


@pytest.mark.parametrize(
    ("status", "placed"),
    [("defined", True), ("undefined", False), ("preview", False), ("missing", False)],
)
def test_fault_64_every_status_of_markups(table, status, placed):
    controls = [
        {"label": "N1", "position": [81, 192, -192] if placed else "", "positionStatus": status},
        {"label": "N2", "position": [81, 192, -192], "positionStatus": "defined"},
    ]
    markup = {"type": "Fiducial", "coordinateSystem": "RAS", "controlPoints": controls}
    path = table(json.dumps({"markups": [markup]}), name="F.mrk.json")
    assert names(path) == (["N1", "N2"] if placed else ["N2"])
    assert set(positions(path)) == {AT}


@pytest.mark.parametrize(
    ("columns", "cells"),
    [("r,a,s", RAS), ("R,A,S", RAS), ("l,p,s", "-81,-192,-192"), ("L,P,S", "-81,-192,-192"),
     ("x_ras,y_ras,z_ras", RAS), ("x_lps,y_lps,z_lps", "-81,-192,-192"),
     ("x,y,z", "-81,-192,-192"), ("X (mm),Y (mm),Z (mm)", "-81,-192,-192"),
     ("x_mm,y_mm,z_mm", "-81,-192,-192")],
)  # fmt: skip
def test_fault_64_columns_say_the_coordinate_system(table, columns, cells):
    path = table(f"label,{columns},defined\nN1,{cells},1\n\n,,,,\nN2,0,0,0,0\n")
    assert positions(path) == [AT]


@pytest.mark.parametrize(("columns", "asked"), [("r,a,s", "lps"), ("l,p,s", "ras")])
def test_fault_64_an_option_that_contradicts_the_columns_is_refused(table, columns, asked):
    refused(table(f"{columns}\n1,2,3\n"), f"leave out --{asked}", asked)


def test_fault_64_a_column_says_the_coordinate_system(table):
    path = table(f"x,y,z,coordinates\n{RAS},RAS\n-81,-192,-192,lps\n")
    assert positions(path) == [AT, AT]
    refused(table("x,y,z,coordinates\n1,2,3,voxel\n"), "save them as LPS or RAS")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("r,a,s,l,p\n1,2,3,4,5\n", "both r,a,s and l,p,s"),
        ("x,y,z,x\n1,2,3,4\n", "Several columns are called 'x'"),
        ("x,y,z,defined\n1,2,3,perhaps\n", "write 1 if it is defined"),
        ("x,y,z\n-81,0,-192,0,-192,0\n", "more cells than the header"),
        ("x,y\n1,2\n", "Columns are missing"),
        ("i,j,k\n1,2,3\n", "Columns are missing"),
        ("x;y;z\n1.234,5;2;3\n", "not three numbers"),
        ("x;y;z\n-1\N{NO-BREAK SPACE}92;2;3\n", "not three numbers"),
        ("x,y,z\n,,\n", "holds no points"),
        ("x,y,z,name\n,,,N1\n", "not three numbers"),
        ("x,y,z,defined\n1,2,3,0\n", "holds no points"),
    ],
)
def test_fault_64_tables_that_say_no_position(table, content, words):
    refused(table(content), words)


# --- What spreadsheets save


ENCODINGS = {
    "utf-8": "右上葉 Knötchen",
    "utf-8-sig": "右上葉 Knötchen",
    "utf-16": "右上葉 Knötchen",
    "utf-16-le": "右上葉 Knötchen",
    "utf-16-be": "右上葉 Knötchen",
    "gbk": "右上肺磨玻璃结节",
    "gb18030": "左下肺实性结节，复查",
    "cp1252": "Knötchen rechts",
}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_fault_64_encodings_and_separators(table, encoding, separator):
    label = ENCODINGS[encoding]
    rows = ["name,x,y,z", f"{label},-81,-192,-192", "", ",,,"]
    text = "\r\n".join(rows).replace(",", separator)
    path = table(text, encoding)
    assert positions(path) == [AT]
    assert names(path) == [label.replace("，", "_")]


@pytest.mark.parametrize(
    "label", ["Ärztin", "größer", "nodule à droite", "nódulo", "Knötchen – links", "Größe"]
)
def test_fault_64_western_labels_are_not_taken_for_chinese(table, label):
    path = table(f"name;x;y;z\n{label};-81;-192;-192\n", "cp1252")
    assert names(path) == [label.replace("–", "_")]


@pytest.mark.parametrize("content", [
    "sep=;\nx;y;z\n-81,0;-192,0;-192,0\n",
    "x;y;z\n-81,0;-192,0;-192\n",
    "x\ty\tz\n-81,0\t-192,0\t-192,0\n",
    '"x";"y";"z"\n"-81,0";"-192,0";"-192,0"\n',
    "x;y;z\n\N{MINUS SIGN}81;-192;-192\n",
    "x;y;z;;\n-81;-192;-192;;\n",
])  # fmt: skip
def test_fault_64_decimal_commas_and_what_excel_adds(table, content):
    assert positions(table(content)) == [AT]


def test_fault_64_a_table_separated_by_tabs_in_its_own_suffix(table):
    assert positions(table("x\ty\tz\n-81\t-192\t-192\n", name="points.tsv")) == [AT]


# --- LUNA16 and LUNA25


LUNA16 = f"""seriesuid,coordX,coordY,coordZ,diameter_mm
{OTHER},1,2,3,4.2
{OWN},-81,-192,-192,24.1
{OWN},-80,-190,-191,6
"""
LUNA25 = f"""SeriesInstanceUID,PatientID,StudyDate,CoordX,CoordY,CoordZ,LesionID,label
{OTHER},100,19990102,1,2,3,1,0
{OWN},101,19990102,-81,-192,-192,1,1
{OWN},101,19990102,-80,-190,-191,2,0
"""


@pytest.mark.parametrize("content", [LUNA16, LUNA25, LUNA16.replace("coordX", "Coord X")])
def test_fault_65_the_rows_of_the_series_at_hand(table, content):
    path = table(content)
    assert positions(path, series=OWN) == [AT, (-80.0, -190.0, -191.0)]
    assert positions(path, series=OTHER) == [(1.0, 2.0, 3.0)]
    assert series_in(path) == [OTHER, OWN]


@pytest.mark.parametrize("series", [None, "1.2.3"])
def test_fault_65_a_table_of_several_cts_that_does_not_name_this_one_is_refused(table, series):
    refused(table(LUNA16), "points of several CTs", series=series)


def test_fault_65_a_table_of_one_ct(data):
    path = data / "cases" / "points" / "luna16.csv"
    assert positions(path) == [AT]
    assert series_in(path) == ["1.2.3"]
    assert series_in(data / "cases" / "points" / "slicer_written.fcsv") == []


def test_a_table_may_count_slices_by_instance_number(tmp_path):
    numbers = {5 - k: k for k in range(5)}  # from the head down
    ct = CT(np.zeros((5, 9, 9), np.int16), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0), image_numbers=numbers)
    path = tmp_path / "points.csv"
    path.write_text("name,i,j,slice\nA,3,4,5\nB,3,4,1-2\n")
    assert counts_slices(path)
    assert [point.lps_mm for point in read_points(path, ct=ct)] == [(3, 4, 0), (3, 4, 7)]
    with pytest.raises(PointError, match="only the CT places"):
        read_points(path)
    path.write_text("i,j,slice\n3,4,6\n")
    with pytest.raises(PointError, match="No image of this CT has the number 6: .* from 1 to 5"):
        read_points(path, ct=ct)
