"""A simulated cluster takes as long as its bottleneck; the report says what was measured. No time
is tested."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohort_bench.__main__ import main
from cohort_bench.cost_report import markdown
from cohort_bench.costs import CtCost
from cohort_bench.measurements import HANDED_OUT, READ, WHOLE, Measurements, Settings
from cohort_bench.plan import Assumptions, Owner, load_of, plans
from cohort_bench.scaling import Speed
from cohort_bench.simulation import (
    COORDINATOR,
    NETWORKS,
    STORAGE,
    WORKERS,
    Cluster,
    Load,
    owners_needed,
    simulate,
)

LOAD = Load(read_s=2.0, nodule_s=0.5, network_s=0.5, hand_out_s=0.01, mb=150)
CTS = 400


@pytest.mark.parametrize(
    ("narrowest", "load", "cluster", "seconds"),
    [
        (WORKERS, LOAD, Cluster(2, owners=2, storage_mb_s=1e9), CTS * 3.0 / 2),
        (NETWORKS, LOAD, Cluster(50, owners=2, storage_mb_s=1e9), CTS * 0.5 / 2),
        (STORAGE, LOAD, Cluster(50, owners=50, storage_mb_s=300), CTS * 0.5),
        (COORDINATOR, Load(2.0, 0.5, 0.5, hand_out_s=0.3), Cluster(50, owners=50), CTS * 0.3),
    ],
)
def test_the_bottleneck_determines_the_duration(narrowest, load, cluster, seconds):
    forecast = simulate(load, cluster, CTS)
    assert forecast.seconds == pytest.approx(seconds, rel=0.05)
    assert forecast.busy[narrowest] == pytest.approx(max(forecast.busy.values()))


def test_networks_that_take_all_cores_hold_back_who_reads_beside_them():
    """Two workers on two cores: half the time for reading, all of it for the networks."""
    seconds = simulate(LOAD, Cluster(2, storage_mb_s=1e9, cores=2), CTS).seconds
    assert seconds == pytest.approx(CTS * (2.5 / 2 + 0.5), rel=0.05)


@given(
    load=st.builds(
        Load, *[st.floats(0.01, 3)] * 3, nodules=st.floats(1, 4), spread=st.floats(0, 0.6)
    ),
    workers=st.integers(1, 16),
    owners=st.integers(1, 4),
)
def test_no_part_is_busier_than_100_percent(load, workers, owners):
    forecast = simulate(load, Cluster(workers, owners), 50)
    assert all(0 <= share <= 1 + 1e-9 for share in forecast.busy.values())
    assert forecast.seconds > 0


def test_that_many_owners_are_at_most_as_busy_as_requested():
    load, workers = Load(1.0, 0.2, 0.8), 40
    needed = owners_needed(load, workers, 0.8)
    assert simulate(load, Cluster(workers, needed, 1e9), 10 * CTS).busy[NETWORKS] <= 0.8
    assert simulate(load, Cluster(workers, needed - 1, 1e9), 10 * CTS).busy[NETWORKS] > 0.8


@pytest.fixture
def found() -> Measurements:
    """A CT of 100 slices is read in 1 s; one process completes 20 per minute, two 30."""
    speeds = {
        done: {1: [Speed(rate, 5.0, 300.0)], 2: [Speed(1.5 * rate, 5.0, 350.0)]}
        for done, rate in {HANDED_OUT: 4000.0, READ: 60.0, WHOLE: 20.0}.items()
    }
    cost = CtCost("made-up CT", 100, 50.0, 1.0, 0.2, 0.4, 0.1, 400.0)
    return Measurements({"Processor": "made up"}, "open", Settings(), [cost], speeds)


def test_plan_reads_longer_cts_for_longer(found):
    assumed = Assumptions(cts=1000, slices=300, spread=0.0, nodules=1.0)
    owner = Owner("an owner", 0.6, 0.1)
    load = load_of(found.load, found.costs[0].slices, owner, assumed)
    assert (load.read_s, load.mb, load.nodule_s, load.network_s) == pytest.approx(
        (3.0, 150.0, 1.6, 0.6)
    )
    few, *_, many = plans(found.load, found.costs[0], owner, assumed)
    assert few.cluster.workers < many.cluster.workers
    assert few.forecast.seconds > many.forecast.seconds
    assert few.memory_gb == pytest.approx(few.cluster.workers * 0.4)
    hours = few.forecast.seconds / 3600
    assert few.usd == pytest.approx(hours * (few.cluster.workers * 0.05 + few.cluster.owners * 0.1))


def test_report_shows_what_was_measured_simulated_and_assumed(found):
    assumed = Assumptions(cts=1000)
    planned = {
        "Networks on made-up owners": list(
            plans(found.load, found.costs[0], Owner("an owner", 0.4, 0.1), assumed)
        )
    }
    text = markdown(found, planned, assumed)
    assert f"| {WHOLE} | 20 | 30 | 1.50 × | 35 |" in text
    assert f"| {HANDED_OUT} | 4000 | 6000 | 1.50 × | – |" in text
    assert "made-up CT, 100 slices | 50 | 1.00 | 0.20 | 0.40 | 0.10 | 400 MB |" in text
    assert "× an owner |" in text
    assert "Networks on made-up owners" in text
    assert "1,000 CTs" in text


@pytest.mark.slow
def test_quick_run(tmp_path):
    main(["--quick", "--out", str(tmp_path / "cohort.md"), "--cts", "200"])
    raw = json.loads((tmp_path / "cohort.json").read_text(encoding="utf-8"))
    assert raw["speeds"][WHOLE]["2"][0]["cts_a_minute"] > 0
    text = (tmp_path / "cohort.md").read_text(encoding="utf-8")
    assert "# What a cohort costs" in text and "200 CTs" in text
    main(
        [
            "--measured",
            str(tmp_path / "cohort.json"),
            "--out",
            str(tmp_path / "again.md"),
            "--cts",
            "200",
        ]
    )
    assert (tmp_path / "again.md").read_text(encoding="utf-8") == text
