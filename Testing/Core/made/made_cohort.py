"""Cohorts for tests: a weight set without networks, result rows, and a process that is killed at
any of its lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from made_assessment import CENTRE_LPS_MM, CHECKS
from nodulerisk.assessment import Assessment, Measurement, Provenance, TaskResult, decided
from nodulerisk.cohort.store import Row, Store
from nodulerisk.ct.points import Point
from nodulerisk.nodule.quantities import QUANTITIES
from nodulerisk.outputs.nodule_tables import outcome_row
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.tasks import TASKS
from nodulerisk.weights.card import Evidence, NetworkCard, TaskCard, WeightSet

READER, SIMULATED = Evidence("reader", "made up"), Evidence("simulated", "made up")
# Functions that change the folder.
WRITING = ("add", "gather", "compact", "_merge", "_write", "written_whole", "_to_disk", "_remove")
ANSWERED = {"malignancy": (READER, 0.4), "grade": (SIMULATED, None), "density": (READER, None)}


def made_set(sha256: str = "ab" * 32, name: str = "made") -> WeightSet:
    """A card of a set that answers malignancy, grade and density; it has no files."""
    networks = {"net": NetworkCard("vgg", "net.safetensors", sha256, tuple(ANSWERED))}
    tasks = {task: TaskCard((), Evidence("none", "not answered")) for task in TASKS}
    tasks |= {
        task: TaskCard(("net",), evidence, threshold)
        for task, (evidence, threshold) in ANSWERED.items()
    }
    return WeightSet(Path("nowhere"), name, "1.0", "none", "nobody", networks, tasks, "net", READER)


def made_row(case: str, nodule: str = "N1", **changes: Any) -> Row:
    """The result of a nodule, as the run hands it to the store."""
    row = {
        "case": case,
        "nodule": nodule,
        "status": "assessed",
        "reason": "",
        "attempts": 1,
        "weight_set": "made 1.0",
        "input_sha256": "made",
    }
    return row | {"seconds": 0.5, "assessment": "{}", "malignancy_malignant": 0.25} | changes


def assessed_row(
    case: str, nodule: str, odds: float, *, size_mm: float = 12.0, **changes: Any
) -> Row:
    """The result of a nodule that is malignant with these odds, by two networks on either side."""
    probability = odds / (1 + odds)
    tasks = {
        task: TaskResult(TASKS[task].classes, None, {}, None, None, "none", "not answered")
        for task in TASKS
    }
    tasks["malignancy"] = _answer("malignancy", probability * 0.9, min(1.0, probability * 1.1))
    tasks["grade"] = _answer("grade", 0.5, 0.3)
    sizes = {"long axis": size_mm, "volume": size_mm**3 / 2}
    made = Assessment(
        nodule,
        CENTRE_LPS_MM,
        CENTRE_LPS_MM,
        tasks,
        None,
        tuple(Measurement(name, value, *QUANTITIES[name]) for name, value in sizes.items()),
        CHECKS if size_mm > 20 else (),
        Provenance("made", "1.0", {"net": "ab" * 32}, "0.1.0", "cpu", {"networks": 0.4}),
    )
    row = outcome_row(Outcome(Point(nodule, CENTRE_LPS_MM), made))
    return made_row(case, nodule) | row | {"assessment": json.dumps(made.to_dict())} | changes


def _answer(task: str, *last: float) -> TaskResult:
    """Returns members that give the last class these probabilities, and the others equal shares of
    the rest."""
    others = len(TASKS[task].classes) - 1
    members = {f"net{index}": (*[(1 - p) / others] * others, p) for index, p in enumerate(last)}
    mean = tuple(np.mean([*members.values()], axis=0).tolist())
    evidence, threshold = ANSWERED[task]
    return TaskResult(
        TASKS[task].classes,
        mean,
        members,
        TASKS[task].classes[decided(mean, threshold)],
        threshold,
        evidence.level,
    )


# --- Killing


class Killer:
    """A process that adds to a store or compacts it in child processes, which it kills at a line of
    the package."""

    def __init__(self) -> None:
        path = os.pathsep.join(sys.path)
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
        )

    def close(self) -> None:
        self._process.communicate()

    def run(self, folder: Path, job: str, at_line: int, cases: Iterable[str] = ()) -> bool:
        """Adds a result of each case to the folder's store, or merges its parts; True if it was
        killed before it was done.

        Args:
            folder: of the store.
            job: ``add``, ``gather`` or ``compact``.
            at_line: how many lines of the functions in ``WRITING`` run before the kill.
            cases: to add.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(folder), job, at_line, list(cases)]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _serve() -> None:
    for line in sys.stdin:
        folder, job, at_line, cases = json.loads(line)
        child = os.fork()
        if child == 0:
            with Store(folder, made_set()) as store:
                _die_at(at_line)
                added = ([made_row(case) for case in cases],) if job == "add" else ()
                getattr(store, job)(*added)
                sys.settrace(None)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status in (0, signal.SIGKILL), status
        print(json.dumps(status != 0), flush=True)


def _die_at(line: int) -> None:
    """Kills this process once this many lines of the functions in ``WRITING`` have started."""
    left = line

    def trace(frame, event, _):
        nonlocal left
        if "nodulerisk" not in frame.f_code.co_filename or frame.f_code.co_name not in WRITING:
            return None
        if event == "line":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


if __name__ == "__main__":
    _serve()
