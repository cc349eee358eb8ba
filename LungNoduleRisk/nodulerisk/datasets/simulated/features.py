"""How far simulated classes are apart in single features, beside what was published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu

from nodulerisk.datasets.simulated.growth import largest_part, long_axis_mm
from nodulerisk.datasets.simulated.patterns import PATTERNS, Pattern
from nodulerisk.datasets.simulated.simulate import Simulated
from nodulerisk.files import write_table, written_whole
from nodulerisk.tasks import TASKS

MEASURES = {"diameter_mm": "diameter, mm", "solid_mm": "solid part, mm", "mean_hu": "mean HU"}
SIGNS = {
    "lobulated": "lobulated",
    "spiculated": "spiculated",
    "bronchogram": "air bronchogram",
    "retracted": "pleural retraction",
}
# the classes told apart: in words, the lower subtypes, the higher ones
CONTRASTS = (
    ("AIS against MIA", (0,), (1,)),
    ("MIA against IAC", (1,), (2,)),
    ("pre-invasive against invasive", (0, 1), (2,)),
)
PUBLISHED_DRAWS = 100_000
ALL = MEASURES | SIGNS

Row = dict[str, float | str]


def features_of(simulated: Simulated) -> Row:
    """Returns what was measured on a simulated nodule, one row of ``features.csv``: long axes in
    mm, HU, and the signs it was grown with."""
    nodule, look, growth = simulated
    return {
        "name": nodule.name,
        **look.labels,
        "diameter_mm": nodule.diameter_mm or 0.0,
        "solid_mm": long_axis_mm(largest_part(growth.solid)),
        "mean_hu": float(nodule.ct.hu[growth.mask].mean()),
        **{sign: getattr(look, sign) for sign in SIGNS},
    }


def write_features(rows: Sequence[Row], folder: Path) -> None:
    """Writes ``features.csv``, one row a nodule, and ``features.md``, the tables against what was
    published (``patterns.py``), into a folder, which is made.

    Raises:
        OutputError: the folder cannot be written.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_table(folder / "features.csv", columns, rows)
    with written_whole(folder / "features.md") as partial:
        partial.write_text(tables(rows), encoding="utf-8")


def tables(rows: Sequence[Row]) -> str:
    """Returns both tables as Markdown: each class's features, and the AUC of single ones."""
    looks = [
        [f"{name} ({len(of_class)})", *(_cell(of_class, PATTERNS[subtype], each) for each in ALL)]
        for subtype, name in enumerate(TASKS["subtype"].classes)
        if (of_class := [row for row in rows if row["subtype"] == subtype])
    ]
    aucs = [
        [MEASURES[feature], words, *(f"{auc:.2f}" for auc in both)]
        for feature in MEASURES
        for words, low, high in CONTRASTS
        if (both := _aucs(rows, feature, low, high))
    ]
    return "\n\n".join(
        [
            "Simulated (published); mean ± SD, or the share of nodules.",
            _markdown(["class", *ALL.values()], looks),
            "AUC of a single feature.",
            _markdown(["feature", "classes", "published", "simulated"], aucs) + "\n",
        ]
    )


def _cell(rows: Sequence[Row], pattern: Pattern, feature: str) -> str:
    values, published = _values(rows, feature), getattr(pattern, feature)
    if feature in SIGNS:
        return f"{values.mean():.0%} ({published:.0%})"
    digits = 0 if feature == "mean_hu" else 1
    return (
        f"{values.mean():.{digits}f} ± {values.std():.{digits}f}"
        f" ({published.mean:g} ± {published.sd:g})"
    )


def _values(rows: Sequence[Row], feature: str) -> np.ndarray:
    return np.array([float(row[feature]) for row in rows])


def _aucs(
    rows: Sequence[Row], feature: str, low: tuple[int, ...], high: tuple[int, ...]
) -> tuple[float, float] | None:
    """Returns the published and the simulated AUC; None without nodules on both sides."""
    simulated = [
        _values([row for row in rows if row["subtype"] in side], feature) for side in (low, high)
    ]
    if not all(map(len, simulated)):
        return None
    published = [
        np.concatenate([published_values(PATTERNS[subtype], feature) for subtype in side])
        for side in (low, high)
    ]
    return _auc(*published), _auc(*simulated)


def published_values(pattern: Pattern, feature: str) -> np.ndarray:
    """Draws values of a published mean and SD."""
    normal = np.random.default_rng(0).standard_normal(PUBLISHED_DRAWS)
    spread = getattr(pattern, feature)
    return np.asarray(spread.hu(normal) if feature == "mean_hu" else spread.length(normal))


def _auc(low: np.ndarray, high: np.ndarray) -> float:
    return float(mannwhitneyu(high, low).statistic / (len(low) * len(high)))


def _markdown(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
