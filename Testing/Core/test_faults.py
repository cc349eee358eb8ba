"""The table of faults, and how tests are counted to its rows."""

from __future__ import annotations

from faults import rows, rows_of, verdict


def test_every_row_is_in_a_section():
    found = rows()
    assert [number for number, *_ in found] == list(range(1, 91))
    assert all(section for *_, section in found)


def test_a_test_counts_to_the_rows_that_it_names():
    assert rows_of("test_fault_17_padding[-2000]") == [17]
    assert rows_of("test_fault_42_43_cancelled") == [42, 43]
    assert rows_of("test_fault_59_3000_slices") == [59]
    assert rows_of("test_faults_of_a_table") == []


def test_a_row_without_tests_says_where_it_is_open():
    assert verdict([], "The page") == "no test yet: open under 'The page'"
    assert verdict([True, True], "The page") == "as promised"
    assert "1 FAIL" in verdict([True, False], "The page")
