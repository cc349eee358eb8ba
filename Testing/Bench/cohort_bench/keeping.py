"""What keeping a result costs the process that runs a cohort, as the results become many.

``python -m cohort_bench.keeping`` fills stores with made results and prints the CPU seconds (user
and system) of the next five hundred: as the run keeps them, and, by turns, with the merging of all
results every 500 CTs that it did before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from tempfile import TemporaryDirectory

import numpy as np

from made_cohort import made_row, made_set
from nodulerisk.cohort.run import MOST_LOOSE
from nodulerisk.cohort.store import Row, Store

BEFORE = (1_000, 5_000, 20_000)  # results that are there already, in one part
NEXT = 500
NUMBERS = 1000  # in each row's text: 20 kB, as much as an assessment


def merge_all(store: Store) -> None:
    """Merges every 500 CTs all there are."""
    if store.loose >= MOST_LOOSE - 1:
        store.compact()


def gather(store: Store) -> None:
    """Does as ``cohort.run`` does."""
    if store.loose >= MOST_LOOSE:
        store.gather()


def main() -> None:
    print("| results before | merging all, CPU s | gathering, CPU s |\n|---|---|---|")
    for before in BEFORE:
        spent = [_spent(before, tidy) for tidy in (merge_all, gather)]
        print(f"| {before:,} | {spent[0]:.1f} | {spent[1]:.1f} |", flush=True)


def _spent(before: int, tidy: Callable[[Store], None]) -> float:
    """Returns the CPU seconds that the next results take."""
    rows = _rows(before + NEXT)
    with TemporaryDirectory() as folder, Store(folder, made_set()) as store:
        store.add(rows[:1])
        store.add(rows[1:before])
        store.compact()
        start = time.process_time()
        for row in rows[before:]:
            store.add([row])
            tidy(store)
        return time.process_time() - start


def _rows(count: int) -> list[Row]:
    rng = np.random.default_rng(0)
    texts = [str(rng.random(NUMBERS).tolist()) for _ in range(100)]
    return [made_row(f"case-{n}", assessment=f"{n} {texts[n % 100]}") for n in range(count)]


if __name__ == "__main__":
    main()
