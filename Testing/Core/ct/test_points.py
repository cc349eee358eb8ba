"""Points from the command line, Slicer markups and tables."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodulerisk.ct.points import Point, named_points, parse_point, read_points
from nodulerisk.errors import PointError
from nodulerisk.files import write_table

HERE = (1.0, 2.0, 3.0)
FCSV = """# Markups fiducial file version = 5.8
# CoordinateSystem = {system}
# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
1,1.5,2,-3,0,0,0,1,1,1,0,F-1,,vtkMRMLScalarVolumeNode1,2,0
"""


def control(label: str, position, status: str = "defined") -> dict:
    return {"label": label, "position": position, "positionStatus": status}


def markup(*controls: dict, system: str = "LPS", kind: str = "Fiducial") -> dict:
    return {
        "type": kind,
        "coordinateSystem": system,
        "coordinateUnits": "mm",
        "controlPoints": list(controls),
    }


@pytest.fixture
def write(tmp_path):
    """Writes text, or markups as JSON, and returns the path."""

    def written(content, name: str):
        path = tmp_path / name
        path.write_text(
            content if isinstance(content, str) else json.dumps({"markups": content}),
            encoding="utf-8",
        )
        return path

    return written


def test_point_with_negative_numbers_and_blanks():
    assert parse_point("-81, -192.5,1e2") == (-81, -192.5, 100)


def test_ras_point_becomes_lps():
    assert parse_point("1,2,3", "ras") == (-1, -2, 3)


@pytest.mark.parametrize("text", ["", "1,2", "1,2,3,4", "a,b,c", "nan,0,0", "inf,0,0", "1;2;3"])
def test_wrong_points_are_refused_in_one_line(text):
    with pytest.raises(PointError, match="give x,y,z in mm") as refusal:
        parse_point(text)
    assert "\n" not in str(refusal.value)


def test_markups_honour_each_lists_coordinate_system(write):
    path = write(
        [markup(control("a", [1, 2, 3])), markup(control("b", [1, 2, 3]), system="RAS")],
        "F.mrk.json",
    )
    assert read_points(path) == [Point("a", (1, 2, 3)), Point("b", (-1, -2, 3))]


def test_only_placed_points_of_point_lists_count(write):
    placed, unplaced = control("a", [1, 2, 3]), control("b", [0, 0, 0], "undefined")
    path = write(
        [markup(unplaced, placed), markup(control("c", [0, 0, 0]), kind="Line")], "F.mrk.json"
    )
    assert [point.name for point in read_points(path)] == ["a"]


@pytest.mark.parametrize(
    ("system", "x"),
    [("LPS", 1.5), ("1", 1.5), ("RAS", -1.5), ("0", -1.5)],
    ids=["LPS", "1", "RAS", "0"],
)
def test_fcsv_honours_its_coordinate_system(write, system, x):
    (point,) = read_points(write(FCSV.format(system=system), "F.fcsv"))
    assert point.name == "F-1"
    assert point.lps_mm == (x, 2 if x > 0 else -2, -3)


def test_fcsv_without_a_coordinate_system_is_ras_as_in_slicer(write):
    text = FCSV.replace("# CoordinateSystem = {system}\n", "")
    assert read_points(write(text, "F.fcsv"))[0].lps_mm == (-1.5, -2, -3)


def test_fcsv_in_voxel_coordinates_is_refused(write):
    with pytest.raises(PointError, match="save them as LPS or RAS"):
        read_points(write(FCSV.format(system="2"), "F.fcsv"))


@pytest.mark.parametrize("name", ["name", "label", "Label "])
def test_table_with_names(write, name):
    path = write(f"{name},X,y,z,comment\nright upper,1,2,3,x\n,4,5,6,\n", "points.csv")
    assert read_points(path) == [Point("right upper", (1, 2, 3)), Point("N2", (4, 5, 6))]


def test_table_is_lps_unless_told(write):
    path = write("\ufeffx,y,z\n1,2,3\n", "points.csv")
    assert read_points(path)[0].lps_mm == (1, 2, 3)
    assert read_points(path, "ras")[0].lps_mm == (-1, -2, 3)


@pytest.mark.parametrize("name", ["F.mrk.json", "F.fcsv"])
def test_flag_that_contradicts_the_file_is_refused(write, name):
    path = write(
        [markup(control("a", [1, 2, 3]))] if name.endswith("json") else FCSV.format(system="LPS"),
        name,
    )
    assert read_points(path, "lps")
    with pytest.raises(PointError, match="are LPS, not RAS: leave out --ras"):
        read_points(path, "ras")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("", "points.csv"),
        ("1,2,3\n", "points.csv"),
        ("x,y,z\n", "points.csv"),
        ("x,y,z\n1,2\n", "points.csv"),
        ("x,y,z\n1,2,nan\n", "points.csv"),
        ("", "F.mrk.json"),
        ("[]", "F.mrk.json"),
        ("{", "F.mrk.json"),
        ([], "F.mrk.json"),
        ([{"type": "Fiducial"}], "F.mrk.json"),
        ([markup(control("a", [1, 2]))], "F.mrk.json"),
        ([markup(control("a", "here"))], "F.mrk.json"),
        ([markup(control("a", [1, 2, 3])) | {"coordinateUnits": "cm"}], "F.mrk.json"),
        ("", "F.fcsv"),
        (FCSV.format(system="LPS").replace("1.5", "?"), "F.fcsv"),
        ("x,y,z\n1,2,3", "points.xlsx"),
    ],
)
def test_damaged_or_empty_files_are_refused_in_one_line(write, content, name):
    with pytest.raises(PointError) as refusal:
        read_points(write(content, name))
    assert "\n" not in str(refusal.value)
    assert ":" in str(refusal.value)


def test_missing_and_binary_files_are_refused(tmp_path):
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("missing.csv", "binary.csv"):
        with pytest.raises(PointError, match=name):
            read_points(tmp_path / name)


def test_fault_29_hundred_points_in_order(write):
    path = write("x,y,z\n" + "".join(f"{n},0,0\n" for n in range(100)), "points.csv")
    points = read_points(path)
    assert [point.name for point in points] == [f"N{n}" for n in range(1, 101)]
    assert [point.lps_mm[0] for point in points] == list(range(100))


@pytest.mark.parametrize(
    "label", ["../../etc", "..", "a/b", "a\\b", "C:x", "a\0b", "a\nb", "CON", "<b>x</b>", "=1+1"]
)
def test_fault_44_names_are_safe_as_folder_names(label, tmp_path):
    (point,) = named_points([(label, HERE)])
    folder = tmp_path / point.name
    folder.mkdir()
    assert folder.resolve().parent == tmp_path.resolve()
    assert not set(point.name) & set('<>:"/\\|?*\0\n.')
    assert point.name != "CON"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        *(("-A017", "_-A017"), ("+1", "_+1"), ("=x", "_x"), ("@SUM(A1)", "_SUM(A1)")),
        *(("12E4", "_12E4"), ("1-2", "_1-2"), ("2024-01-31", "_2024-01-31")),
        *(("N-1", "N-1"), ("F-1", "F-1"), ("7", "7"), ("A017", "A017"), ("RUL 12-3", "RUL 12-3")),
    ],
)
def test_fault_79_a_name_is_spelt_alike_in_tables_files_and_folders(label, name, tmp_path):
    (point,) = named_points([(label, HERE)])
    write_table(tmp_path / "table.csv", ["name"], [{"name": point.name}])
    rows = (tmp_path / "table.csv").read_text("utf-8-sig").splitlines()
    assert point.name == rows[1].partition(",")[0] == name


def test_fault_79_nor_does_a_suffix_make_a_date_of_a_name():
    assert [point.name for point in named_points([("1", HERE), ("1", HERE)])] == ["1", "_1-2"]


def test_letters_of_any_script_are_kept():
    assert [p.name for p in named_points([("右上葉", HERE), ("Knötchen 2", HERE)])] == [
        "右上葉",
        "Knötchen 2",
    ]


def test_equal_names_get_a_suffix_and_unnamed_points_a_number():
    points = named_points([(label, HERE) for label in ["a", "A", "a-2", "", "N6", ""]])
    assert [point.name for point in points] == ["a", "A-2", "a-2-2", "N4", "N6", "N6-2"]


@given(st.lists(st.text(max_size=80), max_size=8))
def test_any_labels_give_distinct_names_of_one_path_part(labels):
    names = [point.name for point in named_points([(label, HERE) for label in labels])]
    assert len({name.casefold() for name in names}) == len(labels)
    for name in names:
        assert name
        assert len(name.encode()) < 255
        assert name.isprintable()
        assert not set(name) & set("./\\")
