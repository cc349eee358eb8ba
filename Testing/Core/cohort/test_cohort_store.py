"""The store of a cohort's results: every result once, whatever process dies when, and damage never
overlooked."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from made_cohort import Killer, made_row, made_set
from nodulerisk.cohort import store as store_module
from nodulerisk.cohort.store import FIXED, Store, StoreError, weight_set_sha256
from nodulerisk.errors import OutputError


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path, made_set()) as opened:
        yield opened


@pytest.fixture(scope="module")
def killer():
    process = Killer()
    yield process
    process.close()


def parts(folder: Path) -> list[Path]:
    return sorted((folder / "results").glob("part-*.parquet"))


def cases_in(folder: Path) -> list[str]:
    """Returns the cases of all rows of a freshly opened store, each of which must be among those
    done."""
    with Store(folder, made_set()) as opened:
        found = [row["case"] for row in opened.rows()]
        assert sorted(found) == sorted(case for case, _ in opened.done())
        return found


# --- What goes in comes out


def test_rows_come_back_as_they_were_in_their_order(store):
    first, second = (
        made_row("A", size=1.5, words="x\n'é\u2028"),
        made_row("B", "N2", status="refused", seconds=None),
    )
    store.add([first, second])
    store.add([made_row("B", "N1", other=True)])
    sha = {"weight_set_sha256": weight_set_sha256(made_set())}
    empty = {"size": None, "words": None, "other": None}
    assert list(store.rows()) == [
        empty | first | sha,
        empty | second | sha,
        empty | made_row("B", "N1", other=True) | sha,
    ]
    assert store.done() == {("A", "N1"), ("B", "N2"), ("B", "N1")}
    assert list(store.rows(["nodule", "size"]))[0] == {"nodule": "N1", "size": 1.5}


def test_columns_are_the_fixed_ones_and_any_others(store, tmp_path):
    assert store.columns == FIXED.names and list(store.rows()) == []
    store.add([made_row("A", size=None)])
    store.add([made_row("B", size=2)])
    store.add([made_row("C", size=2.5, advice="none")])
    assert store.columns == [*FIXED.names, "malignancy_malignant", "size", "advice"]
    assert [row["size"] for row in store.rows()] == [None, 2.0, 2.5]
    for path in parts(tmp_path):
        schema = pq.read_schema(path)
        assert all(schema.field(field.name) == field for field in FIXED)


def test_values_of_several_types_become_text(store):
    store.add([made_row("A", odd=1), made_row("B", odd="x")])
    store.add([made_row("C", odd=True)])
    store.compact()
    assert [row["odd"] for row in store.rows()] == ["1", "x", "true"]


def test_adding_nothing_writes_no_part(store, tmp_path):
    store.add([])
    store.compact()
    assert parts(tmp_path) == []


def test_compacting_changes_no_row(store, tmp_path):
    for number in range(30):
        store.add([made_row(f"C{number}", size=number / 7 if number % 3 else None)])
    before, done = list(store.rows()), store.done()
    store.compact()
    assert len(parts(tmp_path)) == 1
    assert list(store.rows()) == before and store.done() == done
    store.add([made_row("later")])
    store.compact()
    store.close()
    assert cases_in(tmp_path) == [*(f"C{number}" for number in range(30)), "later"]
    assert len(parts(tmp_path)) == 1


def test_gathering_merges_only_what_was_added_since(store, tmp_path):
    for number in range(7):
        store.add([made_row(f"C{number}", size=number)])
        if store.loose == 3:
            store.gather()
            assert store.loose == 0
    before, gathered = list(store.rows()), parts(tmp_path)[:2]
    assert [path.name.split("-")[2:4] for path in parts(tmp_path)] == [
        ["000001", "000003"],
        ["000004", "000006"],
        ["000007", "000007"],
    ]
    written = [path.stat().st_mtime_ns for path in gathered]
    store.add([made_row("C7")])
    store.gather()
    assert parts(tmp_path)[:2] == gathered  # whatever it costs, it does not grow with these
    assert [path.stat().st_mtime_ns for path in gathered] == written
    assert list(store.rows())[:7] == before and len(parts(tmp_path)) == 3
    store.compact()
    assert len(parts(tmp_path)) == 1
    store.close()
    assert cases_in(tmp_path) == [f"C{number}" for number in range(8)]


def test_many_rows_are_read_some_at_a_time(store, tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "ROWS", 7)
    for number in range(9):
        store.add(made_row(f"{number}-{index}") for index in range(5))
    store.compact()
    (path,) = parts(tmp_path)
    with pq.ParquetFile(path) as file:
        assert file.metadata.num_row_groups == 5 and file.metadata.num_rows == 45
    assert [row["case"] for row in store.rows()] == [
        f"{number}-{index}" for number in range(9) for index in range(5)
    ]


# --- Never twice, never mixed


@pytest.mark.parametrize("cases", [["A"], ["B", "A"], ["B", "B"]])
def test_a_key_that_is_there_is_refused_and_nothing_written(store, tmp_path, cases):
    store.add([made_row("A")])
    with pytest.raises(StoreError, match="twice"):
        store.add([made_row(case) for case in cases])
    assert store.done() == {("A", "N1")} and len(parts(tmp_path)) == 1
    store.add([made_row("A", "N2")])


def test_an_unknown_status_is_refused(store, tmp_path):
    with pytest.raises(ValueError, match="sleeping"):
        store.add([made_row("A", status="sleeping")])
    assert parts(tmp_path) == []


def test_another_weight_sets_results_are_kept_apart(tmp_path):
    sets = [made_set(), made_set("cd" * 32), made_set().with_thresholds({"malignancy": 0.3})]
    for number, weights in enumerate(sets):
        with Store(tmp_path, weights) as opened:
            assert opened.done() == set()
            opened.add([made_row("A", seconds=number)])
            opened.add([made_row("B", seconds=number)])
            opened.compact()
    for number, weights in enumerate(sets):
        with Store(tmp_path, weights) as opened:
            rows = list(opened.rows())
            assert [(row["case"], row["seconds"]) for row in rows] == [("A", number), ("B", number)]
            assert {row["weight_set_sha256"] for row in rows} == {weight_set_sha256(weights)}


def test_the_same_set_in_another_folder_is_the_same(tmp_path):
    assert weight_set_sha256(replace(made_set(), folder=tmp_path)) == weight_set_sha256(made_set())


def test_a_part_copied_under_another_number_is_refused(tmp_path):
    with Store(tmp_path, made_set()) as opened:
        opened.add([made_row("A")])
    (path,) = parts(tmp_path)
    shutil.copy(path, path.with_name(path.name.replace("000001", "000007")))
    with pytest.raises(StoreError, match="twice"):
        Store(tmp_path, made_set())


# --- One writer


def test_a_folder_in_use_is_refused_until_it_is_free(store, tmp_path):
    with pytest.raises(StoreError, match="Another run"):
        Store(tmp_path, made_set())
    store.close()
    Store(tmp_path, made_set()).close()


def test_a_dead_process_blocks_nothing(tmp_path):
    holder = f"""
import sys; sys.path[:0] = {sys.path!r}
from made_cohort import made_row, made_set
from nodulerisk.cohort.store import Store
store = Store({str(tmp_path)!r}, made_set())
store.add([made_row("A")])
print("open", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(StoreError, match="Another run"):
            Store(tmp_path, made_set())
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert cases_in(tmp_path) == ["A"]


def test_a_store_that_cannot_be_opened_releases_its_folder(store, tmp_path, monkeypatch):
    store.close()
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_open_parts", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Store(tmp_path, made_set())
    Store(tmp_path, made_set()).close()


def test_fault_44_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="another folder"):
        Store(tmp_path / "file", made_set())


# --- Death at any moment


def test_fault_48_killed_at_any_line_an_addition_is_whole_or_not_there(tmp_path, killer):
    with Store(tmp_path / "start", made_set()) as opened:
        opened.add([made_row("A")])
    seen = set()
    for line in count():
        folder = shutil.copytree(tmp_path / "start", tmp_path / str(line))
        killed = killer.run(folder, "add", line, ["B", "C"])
        found = cases_in(folder)
        assert found in (["A"], ["A", "B", "C"])
        assert not list((folder / "results").glob(".partial*"))
        seen.add(len(found))
        if not killed:
            break
    assert seen == {1, 3} and line > 30


@pytest.mark.parametrize("job", ["compact", "gather"])
def test_fault_48_killed_at_any_line_merging_loses_and_doubles_nothing(tmp_path, killer, job):
    with Store(tmp_path / "start", made_set()) as opened:
        for case in "ABC":
            opened.add([made_row(case)])
    seen = set()
    for line in count():
        folder = shutil.copytree(tmp_path / "start", tmp_path / str(line))
        killed = killer.run(folder, job, line)
        seen.add(len(parts(folder)))
        assert cases_in(folder) == ["A", "B", "C"]
        assert len(parts(folder)) in (1, 3)  # opening completed the removal
        shutil.rmtree(folder)
        if not killed:
            break
    assert seen == {1, 2, 3, 4} and line > 30


STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(1, 3)),
    st.tuples(st.sampled_from(("gather", "compact")), st.none()),
    st.tuples(st.just("killed add"), st.integers(0, 50)),
    st.tuples(st.sampled_from(("killed gather", "killed compact")), st.integers(0, 80)),
    st.tuples(st.just("reopen"), st.none()),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(STEPS, max_size=12))
def test_fault_48_any_order_of_adding_dying_and_compacting_keeps_every_key_once(
    tmp_path_factory, killer, steps
):
    folder, names, sure, perhaps = (
        tmp_path_factory.mktemp("store"),
        (f"C{n}" for n in count()),
        [],
        [],
    )
    opened = Store(folder, made_set())
    for step, argument in steps:
        if step == "add":
            cases = [next(names) for _ in range(argument)]
            opened.add([made_row(case) for case in cases])
            sure += cases
        elif step in ("gather", "compact"):
            getattr(opened, step)()
        else:
            opened.close()
            if step == "killed add":
                perhaps.append(next(names))
                killer.run(folder, "add", argument, perhaps[-1:])
            elif step != "reopen":
                killer.run(folder, step.removeprefix("killed "), argument)
            opened = Store(folder, made_set())
        found = [row["case"] for row in opened.rows()]
        assert len(found) == len(set(found)) and {*sure} <= {*found} <= {*sure, *perhaps}
        assert opened.done() == {(case, "N1") for case in found} and opened.remarks == []
        sure = found  # what was seen stays
    opened.close()


def test_an_interrupt_right_after_writing_leaves_no_part_to_be_overwritten(
    store, tmp_path, monkeypatch
):
    def interrupted(path: Path) -> None:
        if path.is_dir():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "_to_disk", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.add([made_row("A")])
    store.add([made_row("B")])
    assert [row["case"] for row in store.rows()] == ["A", "B"]
    store.close()
    assert cases_in(tmp_path) == ["A", "B"]


def test_a_part_is_on_the_disk_before_it_has_its_name_and_before_others_go(store, monkeypatch):
    done = []

    def noted(name, path_of):
        real = getattr(os, name)
        return lambda *args: (done.append((name, path_of(*args))), real(*args))[1]

    def opened(descriptor):
        return Path(os.readlink(f"/proc/self/fd/{descriptor}")).name[:8]

    store.add([made_row("A")])
    store.add([made_row("B")])
    monkeypatch.setattr(os, "fsync", noted("fsync", opened))
    monkeypatch.setattr(os, "replace", noted("replace", lambda source, _: source.name[:8]))
    monkeypatch.setattr(os, "unlink", noted("unlink", lambda path, *_: Path(path).name[:8]))
    store.compact()
    named = done.index(("fsync", "results"))
    assert done[0] == ("fsync", ".partial") and {path for _, path in done[:named]} == {".partial"}
    assert done[named + 1 :] == [("unlink", f"part-{store.sha256[:3]}")] * 2


def test_a_full_disk_adds_nothing(store, tmp_path, monkeypatch):
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "_to_disk", full)
        with pytest.raises(OutputError, match="No space left"):
            store.add([made_row("A")])
    assert parts(tmp_path) == [] and store.done() == set()
    store.add([made_row("A")])


# --- Damage


@pytest.fixture
def damaged(tmp_path):
    """Returns the rows of a store after a function changed the bytes of one of its two parts, and
    the store's remarks."""
    folder = tmp_path / "damaged"
    with Store(folder, made_set()) as opened:
        opened.add(
            made_row(f"A{number}", assessment=f'{{"{number}": {number**9}}}')
            for number in range(40)
        )
        opened.add([made_row("B")])
    first, _ = parts(folder)
    whole = first.read_bytes()

    def found(change) -> tuple[list[dict], list[str]]:
        for path in (folder / "results").glob("_damaged*"):
            path.unlink()
        first.write_bytes(change(whole))
        with Store(folder, made_set()) as opened:
            return list(opened.rows()), opened.remarks

    return found


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_part_is_set_aside_and_reported(damaged, share):
    rows, (remark,) = damaged(lambda data: data[: int(len(data) * share)])
    assert [row["case"] for row in rows] == ["B"]
    assert "was damaged" in remark and "_damaged-" in remark and "assessed again" in remark


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_part_with_one_changed_byte_is_set_aside(damaged, share):
    def changed(data: bytes) -> bytes:
        place = int(len(data) * share)
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    assert len(damaged(bytes)[0]) == 41
    rows, remarks = damaged(changed)
    assert [row["case"] for row in rows] == ["B"] and len(remarks) == 1


def test_what_was_set_aside_can_be_assessed_again(damaged, tmp_path):
    damaged(lambda data: data[:-1])
    with Store(tmp_path / "damaged", made_set()) as opened:
        assert opened.done() == {("B", "N1")} and opened.remarks == []
        opened.add(made_row(f"A{number}") for number in range(40))
    assert len(cases_in(tmp_path / "damaged")) == 41


def test_parts_that_a_damaged_one_covered_stand_again(tmp_path):
    with Store(tmp_path, made_set()) as opened:
        for case in "ABC":
            opened.add([made_row(case)])
        covered = {path: path.read_bytes() for path in parts(tmp_path)}
        opened.compact()
    (merged,) = parts(tmp_path)
    for path, data in covered.items():
        path.write_bytes(data)
    merged.write_bytes(merged.read_bytes()[:-9])
    assert cases_in(tmp_path) == ["A", "B", "C"]


def test_damage_that_comes_later_is_refused_and_compacting_changes_nothing(store, tmp_path):
    store.add(made_row(f"A{number}") for number in range(40))
    store.add([made_row("B")])
    first, second = parts(tmp_path)
    first.write_bytes(first.read_bytes()[:200])
    for use in (
        lambda: list(store.rows()),
        store.compact,
        lambda: store.export_csv(tmp_path / "all.csv"),
    ):
        with pytest.raises(StoreError, match="start again"):
            use()
    assert parts(tmp_path) == [first, second] and not (tmp_path / "all.csv").exists()


# --- CSV


def test_fault_47_csv_holds_all_rows_and_no_formula(store, tmp_path):
    store.add([made_row("A", reason="=cmd()", size=-1.5, **{"@x": "+1"})])
    store.add([made_row("B", reason='é, "quoted"\nline', assessment="{}")])
    store.export_csv(tmp_path / "all.csv")
    with (tmp_path / "all.csv").open(newline="", encoding="utf-8-sig") as file:
        first, second = csv.DictReader(file)
    assert (first["reason"], first["size"], first["'@x"]) == ("'=cmd()", "-1.5", "'+1")
    assert (second["case"], second["reason"], second["size"]) == ("B", 'é, "quoted"\nline', "")
    assert "assessment" not in first


# --- What a result rests on (fault 87)


def test_fault_87_a_result_from_another_input_replaces_the_one_before(tmp_path):
    with Store(tmp_path, made_set()) as store:
        store.add([made_row("A", input_sha256="1", seconds=1.0), made_row("B", input_sha256="1")])
        store.add([made_row("A", input_sha256="2", seconds=2.0)])
        store.add([made_row("A", input_sha256="1", seconds=3.0), made_row("C", input_sha256="1")])
        with pytest.raises(StoreError, match="twice"):
            store.add([made_row("A", input_sha256="1")])
    expected = [("B", 0.5), ("A", 3.0), ("C", 0.5)]
    for _ in range(2):  # as it was written, and merged into one part
        with Store(tmp_path, made_set()) as store:
            assert [(row["case"], row["seconds"]) for row in store.rows()] == expected
            assert store.inputs()["A", "N1"] == "1"
            store.compact()
            assert [(row["case"], row["seconds"]) for row in store.rows()] == expected


def test_results_of_other_thresholds_stand_beside_in_the_csv(tmp_path):
    mine, other = made_set(), replace(made_set(), thresholds={"malignancy": 0.3})
    with Store(tmp_path, other) as store:
        store.add([made_row("A", malignancy_threshold=0.3)])
    with Store(tmp_path, mine) as store:
        store.add([made_row("A", malignancy_threshold=0.4)])
        store.export_csv(tmp_path / "cohort.csv")
        assert len(list(store.rows())) == 1
    with (tmp_path / "cohort.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["malignancy_threshold"] for row in rows] == ["0.4", "0.3"]
    assert len({row["weight_set_sha256"] for row in rows}) == 2
