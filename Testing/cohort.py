"""Shows that a cohort is assessed exactly once: ``python Testing/cohort.py [--cases 300]``, over
the developers' data.

LIDC-IDRI nodules, two chest CTs and ten broken files, by two workers: once without interruption;
once killed twice at random, with all its processes, and restarted. Prints whether both, and the
terminal, found the same, and how much memory ten times as many cases take.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path

import psutil

from nodulerisk.cohort.store import Store
from nodulerisk.weights.store import load_weight_set

SHARED = Path(__file__).parents[2] / "shared" / "data"
PROGRAM = str(Path(sys.executable).with_name("nodulerisk"))
CHESTS = (
    (SHARED / "cptac_lscc_C3N-00247_chest_ct.zip", (-81, -192, -192)),
    (SHARED / "chest_crop_no_nodule_1p5mm.nii.gz", None),
)
BROKEN = 10
OF_THE_RUN = ("attempts", "seconds")  # columns that differ from run to run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=300)
    cases = parser.parse_args().cases
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        table = write_table(islice(all_cases(folder), cases), folder / "table.csv")
        started = time.perf_counter()
        run(table, folder / "whole").wait()
        seconds = time.perf_counter() - started
        kills = killed_twice(table, folder / "broken", seconds)
        whole, broken = (results(folder / name) for name in ("whole", "broken"))
        counts = dict(Counter(row["status"] for row in whole.values()))
        print(f"{len(whole)} nodules of {cases} cases in {seconds:.0f} s: {counts}")
        print(f"killed after {kills} results and started again: {verdict(same(whole, broken))}")
        print(f"the terminal's, of three of them: {verdict(terminal_agrees(table, whole, folder))}")
        for count in (cases // 3, 10 * cases // 3):
            coordinator, other = peaks_mb(folder, count)
            print(
                f"peak memory, {count} cases: coordinator {coordinator:.0f} MB, largest other"
                f" {other:.0f} MB"
            )


def all_cases(folder: Path) -> Iterator[dict[str, object]]:
    """Returns the rows of the table: broken files and whole chests first, then LIDC-IDRI's
    nodules."""
    (folder / "files").mkdir()
    for number, content in enumerate(
        islice(cycle([b"", b"no CT", (SHARED / "lidc/nodules.csv").read_bytes()]), BROKEN)
    ):
        path = folder / "files" / f"{number}{('.nii.gz', '.zip', '.nrrd')[number % 3]}"
        path.write_bytes(content)
        yield {"case": f"broken-{number}", "ct": path, "x": 0, "y": 0, "z": 0}
    for path, point in CHESTS:
        x, y, z = point or (0, 0, 0)  # the second's lies outside: refused
        yield {"case": path.name.split(".")[0], "ct": path, "x": x, "y": y, "z": z}
    yield from lidc()


def lidc() -> Iterator[dict[str, object]]:
    """Returns LIDC-IDRI's nodules, repeated."""
    with (SHARED / "lidc" / "nodules.csv").open(newline="") as file:
        nodules = list(csv.DictReader(file))
    for number, row in enumerate(cycle(nodules)):
        x, y, z = (row[f"coord{axis}"] for axis in "XYZ")
        yield {
            "case": f"lidc-{number}",
            "ct": SHARED / "lidc" / "image" / row["file"],
            "x": x,
            "y": y,
            "z": z,
        }


def write_table(rows: Iterator[dict[str, object]], path: Path) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["case", "ct", "x", "y", "z"])
        writer.writeheader()
        writer.writerows(rows)
    return path


def run(table: Path, out: Path) -> subprocess.Popen:
    command = [
        PROGRAM,
        "cohort",
        str(table),
        "--out",
        str(out),
        "--workers",
        "2",
        "--dashboard",
        "127.0.0.1:0",
    ]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def killed_twice(table: Path, out: Path, seconds: float) -> list[int]:
    """Runs to the end at the third start; returns the number of results at each kill."""
    found = []
    for _ in range(2):
        running = run(table, out)
        time.sleep(random.uniform(0.2, 0.5) * seconds)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        found.append(len(results(out)))
    run(table, out).wait()
    return found


def results(out: Path) -> dict[tuple[str, str], dict]:
    """Returns the results by key, without what differs from run to run; the store refuses duplicate
    keys."""
    with Store(out, load_weight_set("open")) as store:
        return {(row["case"], row["nodule"]): without_times(row) for row in store.rows()}


def without_times(row: dict) -> dict:
    kept = {name: value for name, value in row.items() if name not in OF_THE_RUN}
    if kept["assessment"]:
        kept["assessment"] = json.loads(kept["assessment"])
        del kept["assessment"]["provenance"]["seconds"], kept["assessment"]["provenance"]["made"]
    return kept


def same(one: dict, other: dict) -> bool:
    """Compares regardless of order, as text, since NaN does not equal NaN."""
    return one.keys() == other.keys() and all(
        json.dumps(one[key]) == json.dumps(other[key]) for key in one
    )


def verdict(is_same: bool) -> str:
    return "the same" if is_same else "NOT the same"


def terminal_agrees(table: Path, found: dict, folder: Path) -> bool:
    with table.open(newline="") as file:
        rows = [
            row for row in csv.DictReader(file) if found[row["case"], "N1"]["status"] == "assessed"
        ]
    return all(
        assessed_alone(row, folder / row["case"]) == found[row["case"], "N1"]["assessment"]
        for row in rows[:3]
    )


def assessed_alone(row: dict[str, str], out: Path) -> dict:
    point = ",".join(row[axis] for axis in "xyz")
    subprocess.run(
        [PROGRAM, "assess", row["ct"], "--point", point, "--out", out],
        check=True,
        capture_output=True,
    )
    assessment = json.loads((out / "assessment.json").read_text("utf-8"))
    del assessment["provenance"]["seconds"], assessment["provenance"]["made"]
    return assessment


def peaks_mb(folder: Path, count: int) -> tuple[float, float]:
    """Returns the peak memory of the process that hands out the cases and writes their results, and
    of the largest other process."""
    table = write_table(islice(lidc(), count), folder / f"{count}.csv")
    running, peaks = run(table, folder / str(count)), Counter[int]()
    while running.poll() is None:
        with suppress(psutil.Error):  # one ended meanwhile
            for process in (
                program := psutil.Process(running.pid),
                *program.children(recursive=True),
            ):
                peaks[process.pid] = max(peaks[process.pid], process.memory_info().rss)
        time.sleep(0.2)
    return peaks.pop(running.pid) / 1e6, max(peaks.values()) / 1e6


if __name__ == "__main__":
    main()
