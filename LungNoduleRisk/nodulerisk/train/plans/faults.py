"""The faults of a plan in words: the line, what is wrong, and what to write instead."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from nodulerisk.errors import SeveralFaultsError

At = tuple[str | int, ...]  # keys, and indices of lists, from the top of the file
LONGEST_FILE = 2000  # lines: in a longer one, the faults' lines are not searched for
LONGEST_VALUE = 60  # characters that are repeated of what is wrong
EXAMPLES = {
    "name": '"mine"',
    "version": '"1.0"',
    "licence": '"all rights reserved"',
    "data": '{ hospital = "nodules" }',
    "tasks": '["malignancy"]',
    "networks": '{ inception = { kind = "inception" } }',
    "kind": '"inception"',
    "sides": "[80, 60, 40]",
}
RUNS = "write [[runs]], and the run's keys below"  # what both a missing and a mistaken one need
OTHERWISE = {"ship": ", or a fold's number"}  # beside its words
KINDS = {  # what pydantic asks for -> in words
    "int_type": "a whole number, such as 15",
    "int_from_float": "a whole number, such as 15",
    "float_type": "a number, such as 0.5",
    "finite_number": "a finite number, such as 0.5",
    "string_type": 'text in quotes, such as "mine"',
    "path_type": 'a path in quotes, such as "nodules"',
    "bool_type": "true or false",
    "tuple_type": 'a list, such as ["a", "b"]',
    "dict_type": "a table, such as { a = 1 }",
    "dataclass_type": "a table of keys",
    "string_too_short": "at least one character long",
    "string_pattern_mismatch": "made of letters, digits, _ and -",
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where in the file, and a sentence that names the key."""

    at: At
    words: str


def fault_of(error: ErrorDetails, known: dict[str, tuple[str, ...]]) -> Fault:
    """Returns what pydantic found.

    Args:
        error: one of ``ValidationError.errors()``.
        known: the keys that are understood: of a ``plan``, a ``run``, a ``network``, of ``folds``.
    """
    at = _in_file(error["loc"])
    key, kind, value = _named(at), error["type"], _shown(error["input"])
    if at == ("runs",):
        return Fault(at, f"runs {'is missing' if kind == 'missing' else 'must be a list'}: {RUNS}")
    if kind == "missing":
        return Fault(at, f"{key} is missing{_example(at)}")
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return Fault(at, f"'{at[-1]}' is not understood: {_instead(at, known)}")
    if kind == "literal_error":
        choices = str(error["ctx"]["expected"]).replace("'", "") + OTHERWISE.get(str(at[-1]), "")
        return Fault(at, f"{key} is {value.replace(chr(34), chr(39))}: choose one of {choices}")
    if kind == "too_short":
        return Fault(at, f"{key} is empty: write {EXAMPLES.get(str(at[-1]), 'at least one')}")
    wanted = KINDS.get(kind)
    words = f"must be {wanted}" if wanted else error["msg"].replace("Input should", "must")
    return Fault(at, f"{key} {words}, but it is {value}")


def _in_file(loc: At) -> At:
    """Returns the place without what pydantic adds to it: of a mapping's key, and of a choice of
    kinds, such as ``literal['all']``."""
    added = ("[key]", "literal[", "constrained-")
    return tuple(part for part in loc if not str(part).startswith(added))


def _example(at: At) -> str:
    key = next(part for part in reversed(at) if isinstance(part, str))
    return f": write {key} = {EXAMPLES[key]}" if key in EXAMPLES else ""


def _instead(at: At, known: dict[str, tuple[str, ...]]) -> str:
    table = "plan" if len(at) == 1 else "network" if "networks" in at else at[0]
    keys = known["run" if table == "runs" else str(table)]
    close = get_close_matches(str(at[-1]), keys, 1)
    return f"did you mean '{close[0]}'?" if close else f"choose one of {', '.join(keys)}"


def _named(at: At) -> str:
    """Returns ``networks.small.kind`` or ``sides[1]``, without the run."""
    parts = at[2:] if at[:1] == ("runs",) and len(at) > 2 else at
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts).removeprefix(".")


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def refusal(name: str, text: str, values: dict[str, Any], faults: Iterable[Fault]) -> Exception:
    """Returns the error that lists all faults of a plan in the order of their lines."""
    lines = _lines_of(text, values, faults)
    listed = [_sentence(line, fault, values) for line, fault in sorted(lines, key=lambda f: f[0])]
    return SeveralFaultsError(name, tuple(dict.fromkeys(listed)))


def _sentence(line: int, fault: Fault, values: dict[str, Any]) -> str:
    run = (
        f"run {_run(fault.at, values)}: " if fault.at[:1] == ("runs",) and len(fault.at) > 1 else ""
    )
    return (f"line {line}: " if line else "") + run + fault.words + "." * (fault.words[-1] != "?")


def _run(at: At, values: dict[str, Any]) -> str:
    run = values["runs"][at[1]]
    return str(run.get("name", at[1])) if isinstance(run, dict) else str(at[1])


def _lines_of(
    text: str, values: dict[str, Any], faults: Iterable[Fault]
) -> Iterator[tuple[int, Fault]]:
    """Yields each fault with its line; 0 in a very long file."""
    prefixes = list(_prefixes(text.splitlines()))
    for fault in faults:
        at = fault.at
        while not _holds(values, at):  # what is missing: the line of the table that lacks it
            at = at[:-1]
        yield next((line for line, begun in prefixes if _holds(begun, at)), 0), fault


def _prefixes(lines: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the file up to each line at which it can be parsed, with the line that came new."""
    first = 1
    for last in range(1, len(lines) + 1 if len(lines) <= LONGEST_FILE else 0):
        try:
            yield first, tomllib.loads("\n".join(lines[:last]))
        except tomllib.TOMLDecodeError:
            continue  # within a list or text of several lines
        first = last + 1


def _holds(values: Any, at: At) -> bool:
    for key in at:
        try:
            values = values[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True
