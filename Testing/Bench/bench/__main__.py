"""``python -m bench``: measures, prints the report and writes it as Markdown, the raw values as
JSON."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from bench.run import QUICK, full, run
from bench.speed_report import markdown, publish
from nodulerisk.errors import NoduleRiskError


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--keras-python",
        type=Path,
        help="a Python with TensorFlow 2.15 or later, to measure against",
    )
    parser.add_argument("--out", type=Path, default=Path("demo-output/bench.md"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--quick", action="store_true", help="narrow networks, one round: only shows that it runs"
    )
    asked = parser.parse_args(arguments)
    if asked.keras_python is not None and not asked.keras_python.is_file():
        parser.error(f"there is no {asked.keras_python}: give a virtual environment's bin/python")
    try:
        found = run(QUICK if asked.quick else full(asked.rounds), asked.keras_python)
        publish(markdown(found), asdict(found), asked.out)
    except NoduleRiskError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
