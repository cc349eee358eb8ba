"""Numbers as a browser sends them: checked before anything computes with them."""

from __future__ import annotations

# the minus of Unicode and what passes for it, as text from other programs has them
DASHES = dict.fromkeys(map(ord, "−–—‐‑﹣－"), "-")


def number(value: object, low: float, high: float) -> float | None:
    """The number if it is one within the bounds; None for all else, such as NaN, text or a truth
    value, which C++ would take for a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if low <= value <= high else None


def typed_number(value: object, low: float, high: float) -> float | None:
    """As ``number``, typed with any minus."""
    if isinstance(value, str):
        try:
            return number(float(with_hyphens(value)), low, high)
        except ValueError:
            return None
    return number(value, low, high)


def with_hyphens(text: str) -> str:
    """The same with the minus that computers read."""
    return text.translate(DASHES)
