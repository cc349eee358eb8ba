"""The measurements on a GPU, tried on the CPU with one small network. No time is tested."""

from __future__ import annotations

from functools import partial

import pytest

import gpu
from bench.benchset import network_cards
from gpu_bench import measuring, speed
from gpu_bench.measuring import MODES, Setting, prepare


@pytest.fixture
def setting(tmp_path, monkeypatch) -> Setting:
    monkeypatch.setattr(measuring, "network_cards", partial(network_cards, tasks=["subtype"]))
    monkeypatch.setattr(measuring, "TRIED", ("simulated_densesharp",))
    return Setting(tmp_path, "cpu")


def rows(setting: Setting, first: str) -> list[list[str]]:
    lines = (setting.out / "gpu.md").read_text().splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith(f"| {first} ")]


def test_a_run_says_how_near_and_how_fast_each_arithmetic_is(setting):
    prepare(setting)
    speed.parity(setting)
    for name in ("simulated_densesharp", "subtype_densesharp32"):
        [[_, engine, fp32, tf32, *rounded]] = rows(setting, name)
        assert max(float(part) for part in engine.split(" / ")) < 1e-4
        assert {fp32, tf32} == {"0.0e+00 / 0.0e+00"}  # it is the CPU that the CPU is held against
        assert len(rounded) == 4 and all(float(cell.split(" / ")[1]) > 0 for cell in rounded)
    speed.one(setting)
    measured = rows(setting, "subtype_densesharp32")[1:]
    assert [row[1] for row in measured] == list(MODES)
    assert all(float(row[3]) > 0 for row in measured)
    assert len(rows(setting, "**all 1**")) == len(MODES)


def test_rows_are_on_the_disk_at_once_and_failures_in_them(setting):
    row = setting.table("Heading", "what", "ms")
    row("network", measuring.attempt(lambda: str(1 / 0)))
    assert rows(setting, "network") == [["network", "ZeroDivisionError: division by zero"]]


def test_a_section_that_takes_too_long_or_fails_is_named(tmp_path, monkeypatch):
    assert gpu.run("one", tmp_path, "cpu").startswith(
        "Section one failed: nodulerisk.errors.WeightsError: There is no weight set"
    )
    monkeypatch.setitem(gpu.SECTIONS, "one", 0.001)
    assert gpu.run("one", tmp_path, "cpu").startswith("Section one was cut after")


def test_all_sections_together_take_less_than_ten_minutes():
    assert sum(gpu.SECTIONS.values()) < 600
