"""What must hold among the keys of a plan, before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nodulerisk.ct.cubes import DENSESHARP_SIDE, EMV_BLOCK
from nodulerisk.networks.build import outlined
from nodulerisk.networks.kinds import NETWORKS, DenseSharpCubes, kind_of, recipe_of
from nodulerisk.train.plans.faults import At, Fault
from nodulerisk.train.plans.runs import Folds, NetworkPlan, Run
from nodulerisk.train.rates import is_in, rate_of


def run_faults(
    index: int, run: Run, data: Sequence[str], tasks: Sequence[str], whole: bool = True
) -> Iterator[Fault]:
    """Yields the faults of one run.

    Args:
        index: its place in the plan.
        run: its keys are each of the right kind.
        data, tasks: names of the plan's datasets, and of all tasks that it knows.
        whole: whether it has all its keys; else only what needs no other key is checked.
    """
    at: At = ("runs", index)
    yield from _names_faults(at, run, data, tasks)
    kinds = {name: list(_kind_faults(at, name, plan)) for name, plan in run.networks.items()}
    for faults in kinds.values():
        yield from faults
    if any(kinds.values()) or not whole:
        return
    cubes = list(_cube_faults(at, run))
    yield from cubes
    if not cubes and set(run.tasks) <= set(run.table):
        yield from _shape_faults(at, run)
    weights = [run.task_weights.get(task, 1.0) for task in run.tasks]
    if run.draws_mask:
        weights += [run.dice, run.mask_cross_entropy]
    if not any(weights):
        yield Fault((*at, "task_weights"), "task_weights are all 0: the run would learn nothing")
    for key in ("monitor", "schedule_monitor"):
        if getattr(run, key) == "dice" and not run.draws_mask:
            yield Fault((*at, key), f"{key} is 'dice', but no network draws a mask: write \"loss\"")
    if run.initialisation != "he" and any(kind_of(n.kind).factory for n in run.networks.values()):
        yield Fault(
            (*at, "initialisation"), "initialisation is for our own kinds: factories have their own"
        )


def _names_faults(at: At, run: Run, data: Sequence[str], tasks: Sequence[str]) -> Iterator[Fault]:
    if not set(run.data) <= set(data):
        yield Fault((*at, "data"), f"data must be some of {', '.join(data)}")
    if not set(run.tasks) <= set(tasks):
        yield Fault((*at, "tasks"), f"tasks must be some of {', '.join(tasks)}")
    for key, names in (("data", run.data), ("tasks", run.tasks)):
        if len(set(names)) < len(names):
            yield Fault((*at, key), f"{key} names one of them twice")
    for task in run.task_weights:
        if task not in run.tasks:
            yield Fault(
                (*at, "task_weights"), f"task_weights names {task}, which the run does not learn"
            )
    for name in run.networks:
        if hasattr(nn.ModuleDict(), name):
            yield Fault((*at, "networks", name), f"a network cannot be named {name}: add a letter")


def _kind_faults(at: At, name: str, plan: NetworkPlan) -> Iterator[Fault]:
    key = f"networks.{name}"
    at = (*at, "networks", name)
    try:
        kind = kind_of(plan.kind)
    except ValueError:
        yield Fault(
            (*at, "kind"),
            f"{key}.kind is '{plan.kind}': choose one of the kinds"
            f" {', '.join(NETWORKS)}, or code as package.module:factory",
        )
        return
    if plan.take and plan.init is None:
        yield Fault((*at, "take"), f"{key}.take names layers, but no init to take them from")
    if kind.factory and plan.width != 1:
        yield Fault((*at, "width"), f"{key}.width is for our own kinds: use its arguments")
    if not kind.factory and (plan.sees or plan.mask):
        yield Fault(at, f"{key}: sees and mask are for factories: leave them out")
    if plan.draws_mask and plan.cubes.concentric:
        yield Fault(
            (*at, "sees"),
            f"{key}.sees: no mask can be drawn on the cubes of EMV networks: choose patient or"
            " densesharp",
        )


def _cube_faults(at: At, run: Run) -> Iterator[Fault]:
    seen = {plan.cubes for plan in run.networks.values()}
    if len(seen) > 1:
        yield Fault(
            (*at, "networks"),
            "networks see different cubes: give those of each kind of cube a run of their own",
        )
        return
    (cubes,) = seen
    if cubes.concentric:
        yield from _side_faults(at, run.sides)
    elif run.sides is not None:
        yield Fault(
            (*at, "sides"),
            "sides are for EMV networks; the networks of this run see another cube: give them a"
            " run without sides",
        )
    if cubes is DenseSharpCubes and run.size != DENSESHARP_SIDE:
        yield Fault(
            (*at, "size"),
            f"size is {run.size}, but DenseSharp's cube has {DENSESHARP_SIDE} voxels: write"
            f" {DENSESHARP_SIDE}",
        )


def _side_faults(at: At, sides: tuple[int, int, int] | None) -> Iterator[Fault]:
    if sides is None:
        yield Fault((*at, "sides"), "EMV networks need sides, such as [80, 60, 40]")
    elif list(sides) != sorted(sides, reverse=True) or sides[0] > EMV_BLOCK:
        yield Fault(
            (*at, "sides"),
            f"sides are {list(sides)}: write them from the largest, at most {EMV_BLOCK}, to the"
            " smallest",
        )


def _shape_faults(at: At, run: Run) -> Iterator[Fault]:
    """Yields what comes of a step with shapes alone: cubes too small for a network, arguments that
    it does not have, a batch of one."""
    for name, plan in run.networks.items():
        words = _step_fault(run, plan)
        if words:
            yield Fault((*at, "networks", name), f"networks.{name} ({plan.kind}) {words}")


def _step_fault(run: Run, plan: NetworkPlan) -> str:
    try:
        network = outlined(
            plan.kind, input_size=run.size, n_classes=run.heads, **recipe_of(plan)
        ).train()
    except Exception as error:  # of code that may be the user's own
        return f"cannot be built: {_short(error)}"
    if words := _rates_fault(network, plan):
        return words
    cube = torch.empty(run.samples, plan.cubes.channels, *(run.size,) * 3, device="meta")
    try:
        answer = network.logits(cube)
    except NotImplementedError:
        return ""  # it cannot run on shapes alone
    except Exception as error:
        return f"cannot learn from batches of {run.samples} cubes of {run.size}³: {_short(error)}"
    return _answer_fault(answer, run, plan)


def _rates_fault(network: nn.Module, plan: NetworkPlan) -> str:
    parameters = [name for name, _ in network.named_parameters()]
    for key, layers in (("rates", plan.rates), ("take", plan.take)):
        for layer in layers:
            if not any(is_in(name, layer) for name in parameters):
                known = ", ".join(name for name, _ in network.named_children())
                return f"has no layer {layer}, which {key} names: choose among {known}"
    rates = [rate_of(name, plan.rates) for name in parameters]
    return "" if any(rates) else "learns nothing: its rates are all 0"


def _answer_fault(answer: Any, run: Run, plan: NetworkPlan) -> str:
    parts = answer if isinstance(answer, tuple) else (answer,)
    wanted: list[tuple[int, ...]] = [(run.samples, sum(run.heads))]
    if plan.draws_mask:
        wanted.append((run.samples, 1, *(run.size,) * 3))
    found = [tuple(part.shape) if isinstance(part, Tensor) else type(part) for part in parts]
    return "" if found == wanted else f"gives logits of {found}, where {wanted} are needed"


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")


def plan_faults(runs: Mapping[int, Run]) -> Iterator[Fault]:
    """Yields what does not hold among runs; by their place in the plan."""
    names: set[str] = set()
    learnt: dict[str, Run] = {}
    for index, run in runs.items():
        for name, at in ((run.name, ("name",)), *((n, ("networks", n)) for n in run.networks)):
            key = f"{at[0]} {name}".casefold()
            if key in names:
                yield Fault(
                    ("runs", index, *at),
                    f"{name} is there twice: every run and every network needs a name of its own",
                )
            names.add(key)
        for task in run.tasks:
            if learnt.setdefault(task, run).data != run.data:
                yield Fault(
                    ("runs", index, "data"),
                    f"{task} must be learnt from the same data in all its runs, here"
                    f" {list(learnt[task].data)}",
                )


def member_faults(runs: Sequence[Run], members: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    """Yields the members of a task that are not trained on it."""
    for task, named in members.items():
        able = [name for run in runs if task in run.tasks for name in run.networks]
        if not set(named) <= set(able):
            yield Fault(
                ("members", task),
                f"members of {task} must be networks that are trained on it"
                f" ({', '.join(able) or 'none is'})",
            )


def fold_faults(folds: Folds | None, splits: Mapping[Any, Any]) -> Iterator[Fault]:
    """Yields what does not go together in the ways to split the data."""
    if folds is not None and splits:
        yield Fault(("splits",), "splits and folds are two ways to split the data: keep one")
    if folds is not None and folds.own and folds.table:
        yield Fault(("folds", "table"), "folds.own and folds.table are two sources: keep one")
    if splits and not {"train", "test"} <= set(splits):
        yield Fault(("splits",), "splits needs train and test, each with a list of its own")
