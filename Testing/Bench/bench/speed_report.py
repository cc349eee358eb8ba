"""The benchmark's report in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.markdown import Markdown

from bench.measurements import KERAS, OUR_BF16, OUR_FP32, TORCH, Measurements
from bench.preprocessing import Comparison
from nodulerisk.files import written_whole

ENGINE_WORDS = {
    KERAS: "published networks in Keras, `predict`",
    TORCH: "torch fp32, eager",
    OUR_FP32: "**ours: OpenVINO fp32**",
    OUR_BF16: "**ours: OpenVINO bf16**",
}
ENGINE_HEADS = [
    "engine",
    "ms per nodule",
    "× Keras",
    "of the matrix-product rate",
    "peak memory, one network at a time",
    "difference",
]
NO_KERAS = "not measured: run `make bench`"
AIM_WORDS = {True: "met", False: "**missed**", None: "–"}


@dataclass(frozen=True)
class Aim:
    """A target, the measurement in words, and whether it was reached (None: not measured here)."""

    what: str
    aim: str
    measured: str
    met: bool | None


def markdown(found: Measurements) -> str:
    """The whole report."""
    sections = [
        "# Speed",
        *(
            []
            if found.full_width
            else ["**A quick run with narrow networks: its figures are meaningless.**"]
        ),
        table(["", ""], found.machine.items()),
        "## Aims",
        table(
            ["what", "aim", "measured", ""],
            [(a.what, a.aim, a.measured, AIM_WORDS[a.met]) for a in aims(found)],
        ),
        *_engine_sections(found),
        "## Each network, ms per nodule",
        _network_table(found),
        "## Peers, one nodule",
        _peers_table(found),
        "## Preprocessing, one nodule",
        _preprocessing_table(found),
        f"## One assessment by a warm engine, stage by stage, on {found.stages_ct}",
        table(
            ["stage", "ms"],
            [(stage, _ms(median(values) * 1e3)) for stage, values in found.stages.items()],
        ),
        "## Cold start: a fresh process and its first nodule",
        _cold_table(found),
        "## How it was measured",
        "\n".join(f"* {note}" for note in notes(found)),
    ]
    return "\n\n".join(sections) + "\n"


def aims(found: Measurements) -> list[Aim]:
    """Returns every aim with its measurement."""
    vgg = found.largest_vgg
    return [
        _least("fp32 against Keras, one nodule", found.gain(OUR_FP32), 2.5, _times),
        _least("bf16 against Keras, one nodule", _bf16(found, found.gain), 13, _times),
        _least(
            f"{_words(vgg)}, fp32, of the matrix-product rate",
            found.share(OUR_FP32, vgg),
            0.9,
            _percent,
        ),
        _least(
            f"{_words(vgg)}, bf16, of the matrix-product rate",
            _bf16(found, found.share, vgg),
            0.8,
            _percent,
        ),
        *_preprocessing_aims(found),
        _most("peak memory, one network at a time", found.one_at_a_time_mb.get(OUR_FP32), 800, _mb),
        _most("cold start, without reading the CT", _cold_without_reading(found), 4, _seconds),
    ]


def notes(found: Measurements) -> list[str]:
    """Returns what a reader must know to judge the figures."""
    rounds = {batch: len(next(iter(of.values()))) for batch, of in found.seconds[OUR_FP32].items()}
    said = [
        "Engines are processes of their own that take turns, network by network, after one round"
        " that is not counted; "
        + "medians of "
        + " and ".join(f"{n} (batch {batch})" for batch, n in rounds.items())
        + ".",
        "Matrix-product rate: 2048³ by torch and by OpenVINO between the networks, 95th percentile"
        " of both; "
        + ", ".join(
            f"{precision} {found.product_rate(precision):.0f} GFLOP/s"
            for precision in found.products
        )
        + ". Two operations per multiply-add.",
        (
            "Weights are random, the same for every engine. The difference is the largest of any"
            f" class probability, from {ENGINE_WORDS[found.reference]}."
        ),
        (
            "The Keras networks are written from the papers' description"
            " (Testing/Bench/keras_reference.py), EMV channels-first as published."
        ),
        (
            "Cold start: Keras loads each network and predicts once; ours, with a warm cache of"
            " converted networks, also checks hashes, reads the CT, cuts the cubes and draws the"
            " mask."
        ),
        (
            "Stages: `mask` is DenseSharp with its cubes, up to twice. The mesh is a ball's:"
            " random weights do not draw any."
        ),
    ]
    if OUR_BF16 not in found.seconds:
        said.append("This processor has no AMX: bf16 is not used here and was not measured.")
    return said


def _engine_sections(found: Measurements) -> Iterable[str]:
    for batch in found.seconds[OUR_FP32]:
        yield (
            f"## All {len(found.gflop)} networks,"
            f" {'one nodule' if batch == 1 else f'{batch} nodules at once'}"
        )
        engines = [engine for engine in ENGINE_WORDS if engine in found.seconds or engine == KERAS]
        yield table(ENGINE_HEADS, [_engine_row(found, engine, batch) for engine in engines])


def _engine_row(found: Measurements, engine: str, batch: int) -> tuple[str, ...]:
    if engine not in found.seconds:
        return (ENGINE_WORDS[engine], NO_KERAS, "", "", "", "")
    difference = found.differences.get(engine)
    return (
        ENGINE_WORDS[engine],
        _ms(found.total_ms(engine, batch)),
        _times(found.gain(engine, batch)),
        _percent(found.share(engine, batch=batch)),
        _mb(found.one_at_a_time_mb.get(engine)),
        "–" if difference is None else f"{difference:.0e}",
    )


def _network_table(found: Measurements) -> str:
    engines = [engine for engine in ENGINE_WORDS if engine in found.seconds]
    batches = list(found.seconds[OUR_FP32])
    heads = [
        "network",
        "GFLOP",
        *(f"{_plain(e)}, batch {b}" for b in batches for e in engines),
        "fp32 rate, batch 1",
    ]
    return table(
        heads,
        [
            (
                _words(network),
                f"{work:.3g}",
                *(
                    _ms(found.network_ms(engine, network, batch))
                    for batch in batches
                    for engine in engines
                ),
                _percent(found.share(OUR_FP32, network)),
            )
            for network, work in found.gflop.items()
        ],
    )


def _peers_table(found: Measurements) -> str:
    """Each engine over the networks that it ran, and each library's cubes, beside ours."""
    ours = next(iter(found.peers.values()), {})
    engines = [
        (name, str(len(runs)), *_beside(_sum_ms(runs), _sum_ms({n: ours[n] for n in runs})))
        for name, runs in found.peers.items()
    ]
    heads = ["what", "networks", "ms", "× ours", "difference"]
    rows = [(*row, f"{found.peers_apart[row[0]]:.0e}") for row in engines]
    own = median(found.cubes["ours"]) * 1e3 if found.cubes else 0.0
    rows += [
        (f"EMV views: {name}", "", *_beside(median(seconds) * 1e3, own), "")
        for name, seconds in found.cubes.items()
    ]
    return table(heads, rows)


def _sum_ms(runs: dict[str, list[float]]) -> float:
    return sum(map(median, runs.values())) * 1e3


def _beside(ms: float, own: float) -> tuple[str, str]:
    return _ms(ms), f"{ms / own:.2f}"


def _preprocessing_table(found: Measurements) -> str:
    return table(
        ["what", "the authors' way, ms", "ours, ms", "ratio", "largest difference"],
        [
            (
                what,
                _ms(median(c.authors) * 1e3),
                _ms(median(c.ours) * 1e3),
                *_ratio_and_difference(c),
            )
            for what, c in found.preprocessing.items()
        ],
    )


def _ratio_and_difference(comparison: Comparison) -> tuple[str, str]:
    return f"1/{comparison.ratio:.0f}", f"{comparison.difference:.1g} {comparison.unit}"


def _preprocessing_aims(found: Measurements) -> Iterable[Aim]:
    for what, comparison in found.preprocessing.items():
        yield Aim(
            what,
            f"≤ 1/100 of the authors' time, difference ≤ {comparison.allowed:.0g}",
            ", ".join(_ratio_and_difference(comparison)),
            comparison.ratio >= 100 and comparison.difference <= comparison.allowed,
        )


def _cold_table(found: Measurements) -> str:
    rows = [
        (
            ENGINE_WORDS[engine],
            _seconds(found.cold_value(engine, "seconds")),
            _seconds(found.cold_value(engine, "read_seconds")),
            _mb(found.cold_value(engine, "peak_mb")),
        )
        for engine in ENGINE_WORDS
        if engine in found.cold
    ]
    missing = [] if KERAS in found.cold else [(ENGINE_WORDS[KERAS], NO_KERAS, "", "")]
    return table(["engine", "seconds", "of which reading the CT", "peak memory"], [*missing, *rows])


def _cold_without_reading(found: Measurements) -> float | None:
    seconds, read = (found.cold_value(OUR_FP32, value) for value in ("seconds", "read_seconds"))
    return None if seconds is None or read is None else seconds - read


def _bf16(found: Measurements, figure, *arguments) -> float | None:
    return figure(OUR_BF16, *arguments) if OUR_BF16 in found.seconds else None


def _least(what: str, value: float | None, aim: float, words) -> Aim:
    return Aim(what, f"≥ {words(aim)}", words(value), None if value is None else value >= aim)


def _most(what: str, value: float | None, aim: float, words) -> Aim:
    return Aim(what, f"≤ {words(aim)}", words(value), None if value is None else value <= aim)


def publish(text: str, values: dict, path: Path) -> None:
    """Writes a report and its values, as JSON beside it, and prints it.

    Raises:
        OutputError: they cannot be written.
    """
    files = {path.with_suffix(".json"): json.dumps(values, indent=1), path: text}
    for file, content in files.items():
        with written_whole(file) as partial:
            partial.write_text(content, encoding="utf-8")
    Console().print(Markdown(text))
    Console().print(f"Written: {path} and {path.with_suffix('.json').name}")


def table(heads: list[str], rows: Iterable[Iterable[str]]) -> str:
    """In Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _words(network: str) -> str:
    return network.replace("_", " ") + "³"


def _plain(engine: str) -> str:
    return "Keras" if engine == KERAS else engine.replace("-", " ").replace("openvino", "OpenVINO")


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 20 else f"{value:.2g}"


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _mb(value: float | None) -> str:
    return "–" if value is None else f"{value / 1000:.2f} GB"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"
