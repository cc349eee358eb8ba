"""``python -m cohort_bench``: measures, simulates the plan, prints the report and writes it, the
raw values as JSON."""

from __future__ import annotations

import argparse
from dataclasses import asdict, fields
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.benchset import gflop, network_cards
from bench.speed_report import publish
from bench.stages import SAMPLES, middle_lps_mm, synthetic_ct
from cohort_bench.cost_report import markdown
from cohort_bench.costs import Sample
from cohort_bench.measurements import Measurements, Settings, measure, read_measurements
from cohort_bench.plan import Assumptions, Plan, cpu_owner, gpu_owner, plans
from made_dicom import write_series
from nodulerisk.ct.points import read_points
from nodulerisk.weights.store import load_weight_set

THIN_SHAPE, THIN_SPACING_MM = (300, 512, 512), (0.7, 0.7, 1.0)
QUICK_SHAPE = (30, 128, 128)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m cohort_bench", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo-output/bench-cohort.md"))
    parser.add_argument(
        "--measured", type=Path, help="JSON of an earlier run: use it for the plan, measure nothing"
    )
    parser.add_argument("--weights", default="open")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--quick", action="store_true", help="a small CT, one round: only shows that it runs"
    )
    for assumption in fields(Assumptions):
        option = f"--{assumption.name.replace('_', '-')}"
        parser.add_argument(option, type=type(assumption.default), default=assumption.default)
    asked = parser.parse_args(arguments)
    assumed = Assumptions(
        **{field.name: getattr(asked, field.name) for field in fields(Assumptions)}
    )
    found = (
        read_measurements(asked.measured)
        if asked.measured
        else measured(asked.weights, asked.rounds, asked.quick)
    )
    publish(markdown(found, planned(found, assumed), assumed), asdict(found), asked.out)


def measured(weights: str, rounds: int, quick: bool) -> Measurements:
    with TemporaryDirectory(prefix="nodulerisk-bench-") as name:
        samples = [thin_ct(Path(name), QUICK_SHAPE if quick else THIN_SHAPE), demo_ct()]
        settings = Settings(1, 4, 10) if quick else Settings(rounds)
        return measure(samples, load_weight_set(weights), settings, Path(name))


def thin_ct(folder: Path, shape: tuple[int, int, int]) -> Sample:
    """A synthetic chest CT of thin slices as in hospitals: a folder of uncompressed DICOM files."""
    ct = synthetic_ct(shape, THIN_SPACING_MM)
    write_series(folder / "thin", ct.hu, spacing_mm=ct.spacing_mm, origin_lps_mm=ct.origin_lps_mm)
    x, y, z = middle_lps_mm(ct)
    return Sample("made CT of thin slices (DICOM files, uncompressed)", folder / "thin", (x, y, z))


def demo_ct() -> Sample:
    point = read_points(SAMPLES / "demo-point.mrk.json")[0]
    return Sample("demo CT (zip of DICOM files)", SAMPLES / "demo-chest-ct.zip", point.lps_mm)


def planned(found: Measurements, assumed: Assumptions) -> dict[str, list[Plan]]:
    """Plans with the networks that were measured, and with the published ones."""
    cost, gflop_a_nodule = found.costs[0], sum(map(gflop, network_cards().values()))
    on = {
        f"The weight set {found.weights}, its networks on CPUs such as this": cpu_owner(
            cost, assumed
        ),
        f"The published networks at full width ({gflop_a_nodule:.0f} GFLOP per nodule), on GPUs": (
            gpu_owner(gflop_a_nodule, assumed)
        ),
    }
    return {words: list(plans(found.load, cost, owner, assumed)) for words, owner in on.items()}


if __name__ == "__main__":
    main()
