"""What keeping a result costs the process that runs a cohort, as the results become many.

``python -m cohort_bench.keeping`` adds made results to a store and prints the CPU seconds (user and
system) of each thousand: as the run does it, and, side by side, with the merging of all results
every 500 CTs that it did before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from tempfile import TemporaryDirectory

from made_cohort import made_row, made_set
from nodulerisk.cohort.run import MOST_LOOSE
from nodulerisk.cohort.store import Store

ROWS, STEP = 20_000, 1000
TEXT = '{"made": 0.123456789}' * 1000  # 20 kB, as much as an assessment


def merge_all(store: Store) -> None:
    """Merges every 500 CTs all there are."""
    if store.loose >= MOST_LOOSE - 1:
        store.compact()


def gather(store: Store) -> None:
    """Does as ``cohort.run`` does."""
    if store.loose >= MOST_LOOSE:
        store.gather()


def main() -> None:
    with (
        TemporaryDirectory() as first,
        TemporaryDirectory() as second,
        Store(first, made_set()) as old,
        Store(second, made_set()) as new,
    ):
        print("| results | merging all, CPU s | gathering, CPU s |\n|---|---|---|")
        for start in range(0, ROWS, STEP):
            spent = [_spent(old, merge_all, start), _spent(new, gather, start)]
            print(f"| {start + STEP:,} | {spent[0]:.2f} | {spent[1]:.2f} |", flush=True)
        before = time.process_time()
        new.compact()
        print(f"the one compaction at the end: {time.process_time() - before:.2f} s")


def _spent(store: Store, tidy: Callable[[Store], None], start: int) -> float:
    """Returns the CPU seconds that a thousand results take."""
    before = time.process_time()
    for number in range(start, start + STEP):
        store.add([made_row(f"case-{number}", assessment=f"{number}{TEXT}")])
        tidy(store)
    return time.process_time() - before


if __name__ == "__main__":
    main()
