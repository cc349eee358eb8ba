"""DenseSharp's data format: what is read, what is refused, and that writing keeps what it can."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_ct, positions_of
from nodulerisk.ct.volume import CT
from nodulerisk.datasets.densesharp.read import read_densesharp
from nodulerisk.datasets.densesharp.write import add_densesharp, write_densesharp
from nodulerisk.datasets.nodules import LabelledNodule, NoduleDataset
from nodulerisk.errors import NoduleRiskError, OutputError
from nodulerisk.tasks import TASKS

HALF_TURN = np.array([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]])  # axes swapped and flipped
OBLIQUE = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])


def ball(radius: float = 8.0) -> np.ndarray:
    z, y, x = np.indices((80, 80, 80)) - 40
    return x * x + y * y + z * z <= radius**2


def lung(radius: float = 8.0) -> np.ndarray:
    """int16 HU (80, 80, 80): lung with a ball of soft tissue and some bone."""
    hu = np.where(ball(radius), 30, -850).astype(np.int16)
    hu[:4] = 500
    return hu


def folder_of(tmp_path: Path, table: str, **cases: dict | bytes) -> Path:
    """A folder with ``info.csv`` and one npz per keyword; names in the table without a keyword get
    a valid one."""
    (tmp_path / "info.csv").write_text(table, encoding="utf-8")
    names = [line.split(",")[0] for line in table.splitlines()[1:]]
    for name, arrays in {**{n: {} for n in names}, **cases}.items():
        if isinstance(arrays, bytes):
            (tmp_path / f"{name}.npz").write_bytes(arrays)
        else:
            np.savez(tmp_path / f"{name}.npz", **{"voxel": lung(), "seg": ball(), **arrays})
    return tmp_path


def reasons(dataset: NoduleDataset) -> dict[str, str]:
    return {case.name: case.reason for case in dataset.broken}


def nodule(ct: CT, name: str = "n1", **changes) -> LabelledNodule:
    """The sphere of ``made_ct``."""
    inside = np.linalg.norm(positions_of(ct) - CENTRE_LPS_MM, axis=-1) <= RADIUS_MM
    made = LabelledNodule(
        name, "p1", ct, CENTRE_LPS_MM, "pathology", marked=inside.astype(np.float32), diameter_mm=12
    )
    return replace(made, **changes)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


# --- Reading


def test_the_authors_own_layout(tmp_path):
    """info.csv with the authors' names, archives in nodule/, grey levels of the window [-1024,
    400]."""
    grey = np.rint((np.clip(lung(), -1024, 400) + 1024) / 1424 * 255).astype(np.uint8)
    (tmp_path / "nodule").mkdir()
    for name in "1234":
        np.savez(tmp_path / "nodule" / name, voxel=grey, seg=ball().astype(np.uint8))
    # as pandas writes it
    table = ",name,diagnosis,subset\n0,1,AAH,0\n1,2,AIS,3\n2,3,MIA,4\n3,4,IAC,1\n"
    (tmp_path / "info.csv").write_text(table)
    dataset = read_densesharp(tmp_path)
    assert dataset.broken == ()
    assert [n.pathology for n in dataset.nodules] == ["AAH", "AIS", "MIA", "IA"]
    assert [n.labels["subtype"] for n in dataset.nodules] == [0, 0, 1, 2]
    assert [n.labels["invasiveness"] for n in dataset.nodules] == [0, 0, 0, 1]
    assert [n.split for n in dataset.nodules] == ["train", "train", "validation", "train"]
    first = dataset.nodules[0]
    assert np.abs(first.ct.hu - np.clip(lung(), -1024, 400)).max() <= 3  # a grey level is 5.6 HU
    assert (first.ct.spacing_mm, first.centre_lps_mm, first.evidence) == (
        (1, 1, 1),
        (40, 40, 40),
        "pathology",
    )
    assert np.array_equal(first.mask, ball())
    assert first.diameter_mm == pytest.approx(16, rel=0.02)


@pytest.mark.parametrize(
    "header",
    ["nodule;label;fold", "ID\tClass\tSubset", "﻿index,DIAGNOSIS,subset", "File, Label ,FOLD"],
)
def test_columns_have_alternative_names(tmp_path, header):
    separator = next(s for s in ";\t," if s in header)
    folder_of(tmp_path, "name\nN1\n")
    (tmp_path / "info.csv").write_text(
        f"{header}\n{separator.join(('N1', 'aah-ais', '4.0'))}\n", encoding="utf-8"
    )
    (read,) = read_densesharp(tmp_path).nodules
    assert (read.name, read.labels["subtype"], read.split) == ("N1", 0, "validation")


@pytest.mark.parametrize("scale", [10, 1e30, np.int64(10**15)])
def test_fault_90_another_scale_is_not_hidden_by_clipping(tmp_path, scale):
    folder = folder_of(tmp_path, "name\nbad\n")
    np.savez(folder / "bad.npz", voxel=lung() * scale, seg=ball())
    assert "so not Hounsfield units" in reasons(read_densesharp(folder))["bad"]


def test_fault_90_a_pathology_is_read_or_its_case_left_out(tmp_path):
    table = (
        "name,diagnosis,pathology,subtype\n"
        "a,,hamartoma,\nb,IA,AAH,\nc,,mystery,\nd,IA,,MIA\ne,MIA?,,\nf,,,1\n"
    )
    dataset = read_densesharp(folder_of(tmp_path, table))
    a, f = dataset.nodules
    assert (a.pathology, a.labels) == ("hamartoma", {"malignancy": 0})
    assert f.labels == {"subtype": 1, "invasiveness": 0}
    expected = {
        "b": "the pathology is AAH, but the diagnosis IA",
        "c": "unknown pathology 'mystery'",
        "d": "the subtype is not that of IA",
        "e": "unknown diagnosis 'MIA?'",
    }
    found = reasons(dataset)
    assert all(found[name].startswith(words) for name, words in expected.items())


def test_our_columns_override_the_diagnosis(tmp_path):
    table = (
        "name,diagnosis,subset,patient,split,evidence,diameter_mm,malignancy,invasiveness,grade,density\n"
        "a,IA,0,p1,test,reader,9.5,Malignant,pre-invasive,1,part solid\n"
        "b,,4,p2,,simulated,,0,,grade 3,2\n"
    )
    a, b = read_densesharp(folder_of(tmp_path, table)).nodules
    assert (a.patient, a.split, a.evidence, a.diameter_mm) == ("p1", "test", "reader", 9.5)
    assert a.labels == {"malignancy": 1, "invasiveness": 0, "grade": 0, "subtype": 2, "density": 1}
    assert (b.split, b.evidence, b.labels) == (
        "validation",
        "simulated",
        {"malignancy": 0, "grade": 2, "density": 2},
    )


def test_without_split_and_subset_a_patient_stays_together(tmp_path):
    rows = "".join(f"n{i},p{i // 2}\n" for i in range(6))
    nodules = read_densesharp(folder_of(tmp_path, "name,patient\n" + rows)).nodules
    assert all(a.split == b.split for a, b in zip(nodules[::2], nodules[1::2], strict=True))


def test_float_seg_is_the_share_of_readers(tmp_path):
    share = ball() * 0.5 + ball(4) * 0.25
    (read,) = read_densesharp(folder_of(tmp_path, "name\na\n", a={"seg": share})).nodules
    assert np.array_equal(read.marked, share.astype(np.float32))
    assert np.array_equal(read.mask, ball())


def damaged() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, voxel=lung(), seg=ball())
    return stream.getvalue()[:100_000]


def announcing(shape: tuple[int, ...]) -> bytes:
    """An archive whose voxel array claims to have this shape, with almost no data."""
    header, stream = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<i2", "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("voxel.npy", header.getvalue() + bytes(100))
        archive.writestr("seg.npy", header.getvalue())
    return stream.getvalue()


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"voxel": lung()[:79]}, "shape"),
        ({"seg": ball()[:, :40]}, "shape"),
        ({"voxel": np.where(ball(), np.nan, lung())}, "not numbers"),
        ({"seg": np.where(ball(), np.nan, 0)}, "not numbers"),
        ({"voxel": np.full((80, 80, 80), "x")}, "not numbers of shape"),
        ({"voxel": np.full((80, 80, 80), None)}, "pickled"),
        ({"seg": np.zeros((80, 80, 80))}, "mask is empty"),
        ({"voxel": np.clip(lung(), 0, 255)}, "not Hounsfield"),  # grey that is not uint8
        ({"voxel": np.zeros((200, 200, 200))}, "larger than"),
        (announcing((10**6, 10**6, 10**6)), "damaged"),
        (announcing((80, 80, 80)), "damaged"),
        (damaged(), "damaged"),
        (b"", "damaged"),
    ],
)
def test_fault_90_a_file_not_to_be_trusted_is_reported_and_the_rest_is_read(tmp_path, case, reason):
    dataset = read_densesharp(folder_of(tmp_path, "name,label\nbad,IA\ngood,MIA\n", bad=case))
    assert [n.name for n in dataset.nodules] == ["good"]
    assert reason in reasons(dataset)["bad"]


def test_missing_arrays_files_and_rows_are_reported(tmp_path):
    folder = folder_of(tmp_path, "name,label\na,IA\nb,IA\nc,IA\nc,MIA\nd,IA\n,IA\n", stray={})
    np.savez(folder / "a.npz", voxel=lung())
    (folder / "b.npz").unlink()
    (folder / ".partial-1-x.npz").write_bytes(b"half")
    dataset = read_densesharp(folder)
    assert [n.name for n in dataset.nodules] == ["d"]
    found = reasons(dataset)
    assert (
        "no array 'seg'" in found["a"] and "no .npz" in found["b"] and "several rows" in found["c"]
    )
    assert "no row" in found["stray"] and "no .npz" in found["line 7"]
    assert len(dataset.broken) == 6  # c twice; a half-written file does not count


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("AAHH,0,,,", "unknown diagnosis 'AAHH'"),
        ("1,0,,,", "unknown diagnosis '1'"),
        ("IA,5,,,", "unknown subset '5'"),
        ("IA,0,tomorrow,,", "unknown split"),
        ("IA,0,,opinion,", "unknown evidence"),
        ("IA,0,,none,", "unknown evidence"),
        ("IA,0,,,4", "unknown grade"),
    ],
)
def test_an_unknown_word_names_the_known_ones(tmp_path, row, reason):
    dataset = read_densesharp(
        folder_of(tmp_path, f"name,label,subset,split,evidence,grade\nbad,{row}\ngood,IA,0,,,\n")
    )
    assert [n.name for n in dataset.nodules] == ["good"]
    assert reason in reasons(dataset)["bad"]


def test_a_name_that_leads_out_of_the_folder_is_no_file_of_it(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    np.savez(tmp_path / "secret.npz", voxel=lung(), seg=ball())
    dataset = read_densesharp(folder_of(inside, "name\na\n../secret\n", **{"../secret": {}}))
    assert reasons(dataset) == {"../secret": "there is no .npz of this name"}


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ({}, "no .csv table"),
        ({"a.csv": "name\na\n", "b.csv": "name\na\n"}, "several .csv tables"),
        ({"a.csv": ""}, "no rows"),
        ({"a.csv": "name,label\n,\n"}, "no rows"),
        ({"a.csv": "colour\nred\n"}, "no column 'name'"),
        ({"a.csv": "name,label\na,IA,0\n"}, "more cells"),
        ({"a.csv": b"name\n\x81\x8d\n"}, "UTF-8"),
    ],
)
def test_a_table_that_cannot_be_used_refuses_the_folder(tmp_path, tables, problem):
    np.savez(tmp_path / "a.npz", voxel=lung(), seg=ball())
    for name, text in tables.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(NoduleRiskError, match=problem):
        read_densesharp(tmp_path)


def test_a_patient_in_two_splits_is_refused(tmp_path):
    with pytest.raises(NoduleRiskError, match="Patient p is in both train and validation"):
        read_densesharp(folder_of(tmp_path, "name,patient,subset\na,p,0\nb,p,4\n"))


# --- Writing


@pytest.mark.parametrize(
    "direction", [np.eye(3), HALF_TURN, OBLIQUE], ids=["straight", "turned", "oblique"]
)
def test_the_cube_lies_where_the_nodule_lies(tmp_path, direction):
    (read,) = read_densesharp(
        write_densesharp([nodule(made_ct(direction))], tmp_path / "new")
    ).nodules
    offset = positions_of(read.ct) - 40.0
    assert dice(read.mask, np.linalg.norm(offset, axis=-1) <= RADIUS_MM) > 0.93
    inner = np.linalg.norm(offset, axis=-1) <= 3
    assert abs(float(read.ct.hu[inner].mean()) - 30) < 3
    wall = offset[..., 0] < -25  # on the patient's right
    assert read.ct.hu[wall & (np.abs(offset[..., 1:]) < 20).all(axis=-1)].mean() == pytest.approx(
        50, abs=5
    )
    assert read.diameter_mm == 12


LABELS = st.fixed_dictionaries(
    {}, optional={task: st.sampled_from(range(len(TASKS[task].classes))) for task in TASKS}
)
NAMES = st.text(
    st.characters(categories=["L", "N"], include_characters="._-"), min_size=1, max_size=20
).map(lambda text: f"n{text}x")


@settings(max_examples=15, deadline=None)
@given(
    names=st.lists(NAMES, min_size=2, max_size=3, unique_by=str.casefold),
    labels=st.lists(LABELS, min_size=3, max_size=3),
    split=st.sampled_from(["train", "validation", "test"]),
    evidence=st.sampled_from(["pathology", "reader", "simulated"]),
)
def test_round_trip(tmp_path_factory, names, labels, split, evidence):
    small = CT(lung(3.0)[20:60, 20:60, 20:60], (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    marked = ball(3.0)[20:60, 20:60, 20:60].astype(np.float32)
    written = [
        LabelledNodule(
            name, name.upper(), small, (20.0, 20.0, 20.0), evidence, known, {}, marked, split=split
        )
        for name, known in zip(names, labels, strict=False)
    ]
    dataset = read_densesharp(write_densesharp(written, tmp_path_factory.mktemp("set")))
    assert dataset.broken == ()
    for before, after in zip(written, dataset.nodules, strict=True):
        assert (after.name, after.patient, after.split) == (
            before.name,
            before.patient,
            before.split,
        )
        assert after.evidence == before.evidence
        follows = (
            {"invasiveness": int(before.labels["subtype"] == 2)}
            if "subtype" in before.labels
            else {}
        )
        assert after.labels == follows | before.labels
        assert np.array_equal(after.mask[20:60, 20:60, 20:60], before.mask)
        assert np.array_equal(after.ct.hu[20:60, 20:60, 20:60], before.ct.hu)


class AuthorsLoader:
    """What the authors' loader makes of a folder, by its rules: a row belongs to a subset if the
    number in the table equals it; its label is a one-hot vector over four words; the arrays are
    ``voxel``, grey levels that the network divides by 128, and ``seg``; the crop's middle is half
    the shape."""

    LABELS = ("AAH", "AIS", "MIA", "IAC")

    def __init__(self, folder):
        self.folder = folder
        self.rows = list(csv.DictReader((folder / "info.csv").read_text("utf-8").splitlines()))

    def subset(self, wanted: int) -> list[tuple[str, list[bool], np.ndarray, np.ndarray]]:
        rows = [row for row in self.rows if row["subset"] and float(row["subset"]) == wanted]
        return [self.item(row) for row in rows]

    def item(self, row) -> tuple[str, list[bool], np.ndarray, np.ndarray]:
        with np.load(self.folder / "nodule" / f"{row['name']}.npz") as npz:
            middle = [size // 2 for size in npz["voxel"].shape]
            crop = tuple(slice(m - 16, m + 16) for m in middle)
            voxel, seg = npz["voxel"][crop], npz["seg"][crop]
        return row["name"], [row["diagnosis"] == word for word in self.LABELS], voxel, seg


@pytest.mark.parametrize(
    ("pathology", "subtype", "place"), [("AAH", 0, 0), ("AIS", 0, 1), ("", 0, 1), ("IA", 2, 3)]
)
def test_what_is_written_is_what_the_authors_loader_expects(tmp_path, pathology, subtype, place):
    made = nodule(made_ct(), pathology=pathology, labels={"subtype": subtype})
    folder = write_densesharp([made], tmp_path / "new")
    loader = AuthorsLoader(folder)
    ((_, label, voxel, seg),) = loader.subset(0) + loader.subset(4)
    assert label == [number == place for number in range(4)]
    assert voxel.dtype == np.uint8 and voxel.shape == seg.shape == (32, 32, 32)
    (ours,) = read_densesharp(folder).nodules
    middle = (slice(24, 56),) * 3
    grey = (np.clip(ours.ct.hu[middle], -1024, 400) + 1024) / 1424 * 255
    np.testing.assert_allclose(voxel, grey, atol=0.51)
    assert np.array_equal(seg > 0, ours.mask[middle]) and (voxel[seg > 0] / 128 - 1).mean() > 0
    assert ours.labels["subtype"] == subtype
    assert ours.pathology == (pathology or "AAH-AIS")


def test_hu_above_the_authors_window_are_not_lost(tmp_path):
    dense = replace(made_ct(), hu=np.where(made_ct().hu > 0, 900, made_ct().hu).astype(np.int16))
    (read,) = read_densesharp(write_densesharp([nodule(dense)], tmp_path / "new")).nodules
    assert read.ct.hu.max() > 800


def test_names_are_made_safe_and_kept_apart(tmp_path):
    ct = made_ct()
    names = ["=cmd|' /C calc'!A0", "../../up", "Möller 1", "möller_1", "..."]
    folder = write_densesharp([nodule(ct, name) for name in names], tmp_path / "new")
    written = [n.name for n in read_densesharp(folder).nodules]
    assert written == ["cmd_C_calc_A0", "up", "Möller_1", "möller_1_2", "nodule"]
    assert sorted(p.name for p in tmp_path.rglob("*.npz")) == sorted(
        f"{name}.npz" for name in written
    )
    with open(folder / "info.csv", encoding="utf-8") as file:
        assert not any(text[:1] in "=+-@" for row in csv.reader(file) for text in row if text)


def test_a_nodule_with_only_its_own_slices_is_continued(tmp_path):
    whole = nodule(made_ct(spacing_mm=(0.8, 0.8, 2.0)))
    own = np.flatnonzero(whole.marked.any(axis=(1, 2)))
    ct = whole.ct
    short = replace(
        whole,
        ct=CT(ct.hu[own], ct.spacing_mm, tuple(ct.point_of((0, 0, own[0])))),
        marked=whole.marked[own],
        only_own_slices=True,
    )
    (read,) = read_densesharp(write_densesharp([short], tmp_path / "new")).nodules
    assert not read.only_own_slices
    # lung below, not the nodule's last slice repeated
    assert read.ct.hu[10:30, 40, 40].mean() < -500
    assert read.mask.sum() == pytest.approx(904.8, rel=0.15)
    again = write_densesharp([short], tmp_path / "again")
    assert (again / "nodule/n1.npz").read_bytes() == (tmp_path / "new/nodule/n1.npz").read_bytes()


@pytest.mark.parametrize(
    ("pathology", "labels", "written"),
    [
        ("ais", {"subtype": 0}, "AIS"),
        ("hamartoma", {}, ""),
        ("", {"subtype": 0}, "AAH-AIS"),
        ("IAC", {}, "IA"),
    ],
)
def test_the_diagnosis_is_the_pathology_or_the_subtype(tmp_path, pathology, labels, written):
    nodules = [nodule(made_ct(), pathology=pathology, labels=labels)]
    (read,) = read_densesharp(write_densesharp(nodules, tmp_path / "new")).nodules
    assert read.pathology == written


def test_progress_counts_nodules(tmp_path):
    counted: list[int] = []
    write_densesharp(
        (nodule(made_ct(), f"n{i}") for i in range(3)), tmp_path / "new", progress=counted.append
    )
    assert counted == [1, 2, 3]


def test_an_interrupted_write_never_looks_complete(tmp_path):
    def interrupted():
        yield nodule(made_ct())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_densesharp(interrupted(), tmp_path / "new")
    with pytest.raises(NoduleRiskError, match="no .csv table"):
        read_densesharp(tmp_path / "new")
    with pytest.raises(OutputError, match="empty folder"):
        write_densesharp([nodule(made_ct())], tmp_path / "new")


@pytest.mark.parametrize("there", ["info.csv", "a.npz", "nodule/a.npz", "other.csv"])
def test_a_folder_with_a_dataset_is_left_alone(tmp_path, there):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_bytes(b"precious")
    with pytest.raises(OutputError, match="empty folder"):
        write_densesharp([nodule(made_ct())], tmp_path)
    assert [p.read_bytes() for p in tmp_path.rglob("*.*")] == [b"precious"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"marked": None}, "has no mask"),
        ({"centre_lps_mm": (0.0, 0.0, 0.0)}, "outside the CT"),
    ],
)
def test_a_nodule_that_does_not_fit_the_format_is_refused(tmp_path, changes, problem):
    with pytest.raises(NoduleRiskError, match=problem):
        write_densesharp([nodule(made_ct(), **changes)], tmp_path / "new")


def test_nothing_to_write_is_refused(tmp_path):
    with pytest.raises(NoduleRiskError, match="no nodules"):
        write_densesharp([], tmp_path / "new")


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="cannot be written"):
        write_densesharp([nodule(made_ct())], tmp_path / "file")


# --- Adding


def written(folder: Path, *names: str, **changes) -> Path:
    return write_densesharp([nodule(made_ct(), name, **changes) for name in names], folder)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*.*")}


def test_data_are_added_and_a_nodule_of_the_same_name_is_replaced(tmp_path):
    grown = tmp_path / "grown"
    for source, labels in (("a", {"malignancy": 0}), ("b", {"malignancy": 1})):
        assert (
            add_densesharp(written(tmp_path / source, source, "shared", labels=labels), grown)
            == grown
        )
    read = read_densesharp(grown)
    assert read.broken == ()
    assert {n.name: n.labels["malignancy"] for n in read.nodules} == {"a": 0, "b": 1, "shared": 1}


def test_adding_keeps_the_columns_that_are_there(tmp_path):
    (tmp_path / "theirs").mkdir()
    theirs = folder_of(tmp_path / "theirs", "Index;Label;Subset;Smoker, years\nx;IAC;4;30\n", x={})
    add_densesharp(written(tmp_path / "ours", "n1", split="test"), theirs)
    first, second = read_densesharp(theirs).nodules
    assert (first.name, first.pathology, first.split, first.evidence) == (
        "x",
        "IA",
        "validation",
        "pathology",
    )
    assert (second.name, second.pathology, second.split) == ("n1", "", "test")
    assert "30" in (theirs / "info.csv").read_text(encoding="utf-8")


def test_adding_that_was_interrupted_is_completed_by_adding_again(tmp_path, monkeypatch):
    grown, source = (
        written(tmp_path / "grown", "a"),
        written(tmp_path / "source", "b", patient="p2"),
    )
    with monkeypatch.context() as patched:
        patched.setattr("nodulerisk.datasets.densesharp.write._write_table", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            add_densesharp(source, grown)
    assert reasons(read_densesharp(grown)) == {"b": "info.csv has no row for this file"}
    read = read_densesharp(add_densesharp(source, grown))
    assert ([n.name for n in read.nodules], read.broken) == (["a", "b"], ())


def test_a_patient_who_would_be_in_two_splits_is_not_added(tmp_path):
    grown = written(tmp_path / "grown", "a", split="train")
    before = files_of(grown)
    with pytest.raises(NoduleRiskError, match="Patient p1 is in both train and test"):
        add_densesharp(written(tmp_path / "source", "b", split="test"), grown)
    assert files_of(grown) == before


@pytest.mark.parametrize("there", ["info.csv", "a.npz", "other.csv"])
def test_nothing_is_added_to_other_data(tmp_path, there):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / there).write_bytes(b"precious")
    with pytest.raises(OutputError, match="other data"):
        add_densesharp(written(tmp_path / "source", "b"), tmp_path / "other")
    assert list(files_of(tmp_path / "other").values()) == [b"precious"]


@pytest.mark.parametrize(
    ("pathology", "written"), [("malignant, AAH, solid", "AAH"), ("IAC, G2", "IA"), ("G2", "")]
)
def test_the_diagnosis_may_stand_among_other_words(tmp_path, pathology, written):
    (read,) = read_densesharp(
        write_densesharp([nodule(made_ct(), pathology=pathology)], tmp_path / "new")
    ).nodules
    assert read.pathology == written


def test_real_nodules(data, tmp_path):
    from nodulerisk.datasets.lidc.slices import read_lidc_slices

    lidc = read_lidc_slices(data / "lidc").nodules[:6]
    for before, after in zip(
        lidc, read_densesharp(write_densesharp(lidc, tmp_path / "new")).nodules, strict=True
    ):
        volume = before.mask.sum() * np.prod(before.ct.spacing_mm)
        assert after.mask.sum() == pytest.approx(volume, rel=0.15)
        assert (after.patient, after.split, after.labels) == (
            before.patient,
            before.split,
            before.labels,
        )
        inside = [float(n.ct.hu[n.mask].mean()) for n in (before, after)]
        assert abs(inside[0] - inside[1]) < 60


@pytest.mark.parametrize("kind", ["uint16", "uint64", "int8", "bool", "float16", "int64"])
def test_fault_90_a_cube_of_any_number_type_is_read_or_left_out_by_name(tmp_path, kind):
    values = lung().astype(kind) if kind in ("float16", "int64") else abs(lung()).astype(kind)
    values[0, 0, 0] = 0 if kind == "int8" else values[0, 0, 0]
    folder = folder_of(tmp_path, "name,label\na,IA\nb,IA\n", b={"voxel": values.clip(0, 127)})
    dataset = read_densesharp(folder)
    assert [nodule.name for nodule in dataset.nodules] == ["a"]
    assert [case.name for case in dataset.broken] == ["b"]


def test_fault_88_a_patient_in_two_spellings_is_one(tmp_path):
    first, second = read_densesharp(folder_of(tmp_path, "name,patient\na,P-4\nb,p04\n")).nodules
    assert first.patient == second.patient == "P-4" and first.split == second.split
    with pytest.raises(NoduleRiskError, match="in both train and validation"):
        read_densesharp(folder_of(tmp_path, "name,patient,subset\na,P-4,0\nb,p04,4\n"))
