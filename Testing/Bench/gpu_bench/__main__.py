"""One section in this process: ``python -m gpu_bench SECTION FOLDER cuda|cpu``."""

from __future__ import annotations

import sys
from pathlib import Path

from gpu_bench import accidents, speed, training
from gpu_bench.measuring import Setting, prepare

SECTIONS = {
    "prepare": prepare,
    "parity": speed.parity,
    "one": speed.one,
    "batches": speed.batches,
    "compiled": speed.compiled,
    "faults": accidents.faults,
    "sharing": accidents.sharing,
    "click": speed.click,
    "training": training.training,
}

if __name__ == "__main__":
    SECTIONS[sys.argv[1]](Setting(Path(sys.argv[2]), sys.argv[3]))
