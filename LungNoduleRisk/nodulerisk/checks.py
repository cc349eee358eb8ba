"""A Check: something the reader of a result must know about the input or the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["note", "warning"]


@dataclass(frozen=True)
class Check:
    """One named finding that every output shows.

    Attributes:
        code: stable kebab-case name, such as ``thick-slices``.
        severity: ``note`` (to know) or ``warning`` (the numbers may not hold).
        message: one sentence for the user, without patient identity.
        fault: the row of the project's fault table (Testing/FAULTS.md) this check answers.
    """

    code: str
    severity: Severity
    message: str
    fault: int
