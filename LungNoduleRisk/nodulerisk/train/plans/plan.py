"""A training plan: a TOML file that says what to train on which data, and how.

::

    name = "mine"
    version = "1.0"
    licence = "all rights reserved"
    data = { hospital = "nodules" }        # a name for each dataset, and its folder or table here

    [[runs]]                               # networks trained side by side on the same batches
    name = "malignancy"
    data = ["hospital"]
    tasks = ["malignancy"]
    networks = { inception = { kind = "inception" } }
    sides = [80, 60, 40]
    size = 60
    epochs = 200

Everything else has a default: the published value, if both papers agree; see ``runs``. ``[tasks]``
holds tasks of your own, or ``tasks`` names a file of them; see ``nodulerisk.weights.own_tasks``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nodulerisk.errors import NoduleRiskError
from nodulerisk.networks.kinds import trust
from nodulerisk.tasks import TASKS
from nodulerisk.train.plans.checks import fold_faults, member_faults, plan_faults, run_faults
from nodulerisk.train.plans.faults import Fault, fault_of, refusal
from nodulerisk.train.plans.runs import Folds, NetworkPlan, Plan, Run
from nodulerisk.weights.own_tasks import OwnTask, own_tasks_from, read_own_tasks

OWN = "own_tasks"  # an attribute, but not a key of the file
KNOWN = {
    name: tuple(field.name for field in fields(kind) if field.name != OWN)
    for name, kind in (("plan", Plan), ("run", Run), ("network", NetworkPlan), ("folds", Folds))
}


def read_plan(path: Path) -> Plan:
    """Reads a plan and checks it whole; its relative data paths are relative to the file's folder.

    Networks that it names as ``package.module:factory`` are imported, and trusted from then on: see
    ``nodulerisk.networks.kinds.trust``.

    Raises:
        NoduleRiskError: the file cannot be read, or has faults; lists all of them.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NoduleRiskError(f"{path} is not a readable TOML file: {error}") from error
    plan, faults = _checked(values, path.parent)
    if plan is None or faults:
        raise refusal(path.name, text, values, faults)
    return _from_folder(plan, path.parent)


def _from_folder(plan: Plan, folder: Path) -> Plan:
    """Returns the plan with its relative paths made to start from the folder."""
    folds = plan.folds
    if folds is not None and folds.table is not None:
        folds = replace(folds, table=folder / folds.table)
    return replace(
        plan,
        folds=folds,
        splits={name: folder / place for name, place in plan.splits.items()},
        data={name: folder / place for name, place in plan.data.items()},
        runs=tuple(
            replace(run, networks={n: _init_from(p, folder) for n, p in run.networks.items()})
            for run in plan.runs
        ),
    )


def _init_from(plan: NetworkPlan, folder: Path) -> NetworkPlan:
    """Returns the network with its ``init`` beside the plan, if such a file or folder is there."""
    if plan.init is None or not (folder / plan.init.partition("#")[0]).exists():
        return plan
    return replace(plan, init=str(folder / plan.init))


def _checked(values: dict[str, Any], folder: Path) -> tuple[Plan | None, list[Fault]]:
    """Returns the plan, None if a key is not of the right kind, and all faults."""
    own, faults = _own_tasks(values.get("tasks", {}), folder)
    values = {key: value for key, value in values.items() if key != "tasks"}
    runs, data = values.get("runs"), values.get("data")
    runs = runs if isinstance(runs, list) else []
    plan = None
    try:
        plan = _with_own(_parsed(Plan, values), own)
    except ValidationError as error:
        # of a list whose items are wrong, pydantic also says that it is empty
        found = [e for e in error.errors() if not (e["type"] == "too_short" and e["input"])]
        # and of a value that may be of several kinds, why it is none of them
        faults += {f.at: f for f in (fault_of(e, KNOWN) for e in reversed(found))}.values()
    faults += _own_key_faults(values, runs)
    faults += _faults_among(runs, own, list(data) if isinstance(data, dict) else [])
    if plan is not None:
        faults += member_faults(plan.runs, plan.members)
        faults += fold_faults(plan.folds, plan.splits)
    return plan, faults


def _own_key_faults(values: dict[str, Any], runs: list[Any]) -> Iterator[Fault]:
    tables = [((), values), *((("runs", index), run) for index, run in enumerate(runs))]
    for at, table in tables:
        if isinstance(table, dict) and OWN in table:
            yield Fault((*at, OWN), f"'{OWN}' is not understood: write a table [tasks]")


def _faults_among(runs: list[Any], own: dict[str, OwnTask], data: list[str]) -> Iterator[Fault]:
    readable = {}
    for index, values in enumerate(runs):
        run, whole = _run(values)
        if run is not None:
            _trust_code(run)
            readable[index] = _run_with(run, own)
            yield from run_faults(index, readable[index], data, [*TASKS, *own], whole)
    yield from plan_faults(readable)


def _run(values: Any) -> tuple[Run | None, bool]:
    """Returns a run, without the keys that are not of the right kind, and whether it has none such;
    None if it is no run without them."""
    try:
        return _parsed(Run, values), True
    except ValidationError as error:
        wrong = [found["loc"] for found in error.errors() if found["type"] != "missing"]
    try:
        return _parsed(Run, _without(values, wrong)), False
    except ValidationError:
        return None, False


def _without(values: Any, wrong: list[tuple[str | int, ...]]) -> Any:
    """Returns the tables without these keys, or lists without any of these places."""
    if not isinstance(values, dict):
        return values
    dropped = {at[0] for at in wrong if len(at) == 1 or not isinstance(values.get(at[0]), dict)}
    return {
        key: _without(value, [at[1:] for at in wrong if at[0] == key and len(at) > 1])
        for key, value in values.items()
        if key not in dropped
    }


def _own_tasks(values: Any, folder: Path) -> tuple[dict[str, OwnTask], list[Fault]]:
    """Returns the tasks of a table, or of the file that is named."""
    try:
        if isinstance(values, str):
            return read_own_tasks(folder / values), []
        return own_tasks_from(values), []
    except (NoduleRiskError, ValueError) as error:
        return {}, [Fault(("tasks",), str(error).rstrip("."))]


def _with_own(plan: Plan, own: dict[str, OwnTask]) -> Plan:
    return replace(plan, runs=tuple(_run_with(run, own) for run in plan.runs), own_tasks=own)


def _run_with(run: Run, own: dict[str, OwnTask]) -> Run:
    return replace(run, own_tasks={task: own[task] for task in run.tasks if task in own})


def _trust_code(run: Run) -> None:
    for network in run.networks.values():
        if ":" in network.kind:
            trust(network.kind)


def _parsed(kind: type, values: Any) -> Any:
    """Returns the values as a dataclass, strictly, but lists may stand for tuples, as in JSON."""
    return TypeAdapter(kind).validate_json(json.dumps(values, default=str))
