"""What a CUDA card makes of the networks: ``python Testing/gpu.py --out FOLDER``.

Needs torch, numpy, scipy, h5py and safetensors, no more, and at most ten minutes. Each section runs
in a process of its own for so many seconds, and writes each row to FOLDER/gpu.md as soon as it has
it, so that a run that is cut keeps its rows. ``--cpu`` tries everything at tiny sizes on the CPU.
Only from a click to its overlay needs SimpleITK and scikit-image too, and says so without them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# the most seconds of each, one after the other
SECTIONS = {
    "prepare": 70,
    "parity": 80,
    "one": 60,
    "faults": 60,
    "sharing": 40,
    "click": 15,
    "training": 60,
    "batches": 130,
    "compiled": 80,
}
CPU_PATIENCE = 5  # a trial may run beside other work


def main() -> None:
    """Runs the sections."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of gpu.md")
    parser.add_argument("--cpu", action="store_true", help="tiny sizes, on the CPU")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    report = arguments.out / "gpu.md"
    report.write_text("# The networks on a GPU\n")
    for section in dict.fromkeys(["prepare", *arguments.sections]):
        ended = run(section, arguments.out, "cpu" if arguments.cpu else "cuda")
        with open(report, "a") as file:
            file.write(f"\n{ended}\n" if ended else "")
    shutil.rmtree(arguments.out / "bench-set", ignore_errors=True)
    print(report.read_text())


def run(section: str, out: Path, device: str) -> str:
    """Runs a section; returns what stopped it before its end, or nothing."""
    path = [HERE.parent / "LungNoduleRisk", HERE / "Bench", os.environ.get("PYTHONPATH", "")]
    one_thread = {} if device == "cuda" else {"OMP_NUM_THREADS": "1"}  # more wait for each other
    seconds = SECTIONS[section] * (1 if device == "cuda" else CPU_PATIENCE)
    command = [sys.executable, "-m", "gpu_bench", section, str(out), device]
    try:
        done = subprocess.run(
            command,
            env=os.environ | one_thread | {"PYTHONPATH": os.pathsep.join(map(str, path))},
            stderr=subprocess.PIPE,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return f"Section {section} was cut after {seconds} s."
    (out / f"{section}.log").write_text(done.stderr)
    last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
    return f"Section {section} failed: {last}" if done.returncode else ""


if __name__ == "__main__":
    main()
