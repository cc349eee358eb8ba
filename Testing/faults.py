"""Prints the table of FAULTS.md with what its tests say: ``make faults``."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent


def rows() -> list[tuple[int, str, str, str]]:
    """Number, fault, promised outcome and section of every row."""
    found, section = [], ""
    for line in (HERE / "FAULTS.md").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"^\| \| \*\*(.+)\*\* \| \|$", line):
            section = heading[1]
        elif row := re.match(r"^\| (\d+) \| (.+?) \| (.+?) \|$", line):
            found.append((int(row[1]), row[2], row[3], section))
    return found


def results() -> tuple[dict[int, list[bool]], int]:
    """For every row whether each of its tests passed, and pytest's exit status, which also tells of
    files that could not be collected; a test may name several rows."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "faults.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-m",
            "",
            "-k",
            "test_fault",
            "--continue-on-collection-errors",
            f"--junitxml={report}",
        ]
        status = subprocess.run(command, cwd=HERE.parent).returncode
        cases = ElementTree.parse(report).iter("testcase")
        passed = defaultdict(list)
        for case in cases:
            for number in rows_of(case.attrib["name"]):
                passed[number].append(len(case) == 0)
    return passed, status


def rows_of(test: str) -> list[int]:
    """Returns the rows that a test names: ``test_fault_42_43_words``, but no longer number, as in
    ``test_fault_59_3000_slices``."""
    named = re.match(r"test_fault((?:_\d\d(?!\d))+)", test)
    return [int(number) for number in re.findall(r"\d\d", named[1])] if named else []


def verdict(tests: list[bool], section: str) -> str:
    if not tests:
        return f"no test yet: open under '{section}'"
    return "as promised" if all(tests) else f"[red]{tests.count(False)} FAIL[/red]"


def main() -> None:
    tested, status = results()
    table = Table("row", "fault", "promised", "tests", "came out", show_lines=False)
    for number, fault, outcome, section in rows():
        tests = tested[number]
        table.add_row(str(number), fault, outcome, str(len(tests)), verdict(tests, section))
    Console(width=160).print(table)
    sys.exit(status)


if __name__ == "__main__":
    main()
