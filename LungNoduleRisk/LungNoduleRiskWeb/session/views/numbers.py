"""Numbers as a browser sends them: checked before anything computes with them."""

from __future__ import annotations


def number(value: object, low: float, high: float) -> float | None:
    """The number if it is one within the bounds; None for all else, such as NaN, text or a truth
    value, which C++ would take for a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if low <= value <= high else None


def typed_number(value: object, low: float, high: float) -> float | None:
    """As ``number``; the minus may be Unicode's, as text from other programs has it."""
    if isinstance(value, str):
        try:
            return number(float(value.replace("\N{MINUS SIGN}", "-")), low, high)
        except ValueError:
            return None
    return number(value, low, high)
