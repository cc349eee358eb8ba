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


def rows() -> list[tuple[int, str, str]]:
    """Number, fault and promised outcome of every row."""
    found = re.findall(
        r"^\| (\d+) \| (.+?) \| (.+?) \|$",
        (HERE / "FAULTS.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return [(int(number), fault, outcome) for number, fault, outcome in found]


def results() -> dict[int, list[bool]]:
    """For every row whether each of its tests passed; a test may name several rows."""
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
            f"--junitxml={report}",
        ]
        subprocess.run(command, cwd=HERE.parent)
        cases = ElementTree.parse(report).iter("testcase")
        passed = defaultdict(list)
        for case in cases:
            numbers = re.match(r"test_fault((?:_\d\d)+)", case.attrib["name"])
            for number in re.findall(r"\d\d", numbers[1]) if numbers else ():
                passed[int(number)].append(len(case) == 0)
    return passed


def main() -> None:
    tested = results()
    table = Table("row", "fault", "promised", "tests", "came out", show_lines=False)
    for number, fault, outcome in rows():
        tests = tested[number]
        verdict = (
            "no test yet" if not tests else "as promised" if all(tests) else "[red]FAILS[/red]"
        )
        table.add_row(str(number), fault, outcome, str(len(tests)), verdict)
    Console(width=160).print(table)
    sys.exit(any(not all(tests) for tests in tested.values()))


if __name__ == "__main__":
    main()
