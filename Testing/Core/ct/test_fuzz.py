"""Two thousand mutated headers and point files; ``make fuzz`` reads as many as one likes."""

from __future__ import annotations

import pytest

from fuzz import FAULTS, KINDS, run


@pytest.mark.slow
def test_fault_53_mutated_files_are_read_as_they_say_or_refused():
    """No crash, no hang, bounded memory, and no difference from an independent reader."""
    cases = run(2000)
    assert len(cases) == 2000 and {case.kind for case in cases} == set(KINDS)
    assert [case for case in cases if case.outcome in FAULTS] == []


def test_a_few_mutated_files_of_every_kind():
    cases = run(3 * len(KINDS), seed=1)
    assert {case.kind for case in cases} == set(KINDS)
    assert {"same", "refused"} <= {case.outcome for case in cases}
