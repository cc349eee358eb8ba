"""What is saved of a CT's nodules: a JSON object in a text node, with one entry for each.

A run saves after each nodule. So that this takes no longer after the hundredth than after the
first, an entry is turned into JSON once, and what was written last is not read again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nodulerisk.assessment import Assessment
from nodulerisk.tasks import EvidenceLevel

# beside an assessment: of the mask as the networks drew it, and as it was last measured
MASK = "mask_fingerprints"
AS_DRAWN = "as_drawn"  # beside an assessment whose mask was changed by hand: the entry before that
KEPT = 2  # texts


@dataclass(frozen=True, eq=False)
class Entry:
    """What is saved of a nodule.

    Attributes:
        values: as ``Assessment.to_dict`` made them, with ``MASK``; not to be changed.
    """

    values: dict[str, Any]

    @classmethod
    def of(cls, assessment: Assessment, drawn: str | None) -> Entry:
        """``drawn``: the fingerprint of the networks' mask; None where it is not shown."""
        return cls(assessment.to_dict() | {MASK: {"drawn": drawn, "measured": drawn}})

    @cached_property
    def text(self) -> str:
        return json.dumps(self.values, ensure_ascii=False)

    @cached_property
    def assessment(self) -> Assessment:
        """Without its mask.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: the values are damaged.
        """
        return Assessment.from_dict(self.values)

    @property
    def drawn(self) -> str | None:
        """The fingerprint of the mask as the networks drew it."""
        return self.values[MASK]["drawn"]

    @property
    def measured(self) -> str | None:
        """The fingerprint of the mask as it was last measured."""
        return self.values[MASK]["measured"]

    @property
    def maskEvidence(self) -> EvidenceLevel | None:
        return self.values["mask_evidence"]

    @property
    def asDrawn(self) -> Entry:
        """The entry before its mask was changed by hand."""
        return Entry(self.values[AS_DRAWN]) if AS_DRAWN in self.values else self

    def remeasured(self, assessment: Assessment, found: str) -> Entry:
        """The entry with what was measured on a mask of that fingerprint."""
        prints = {MASK: self.values[MASK] | {"measured": found}}
        return Entry(assessment.to_dict() | prints | {AS_DRAWN: self.asDrawn.values})

    def named(self, name: str) -> Entry:
        """The entry under another name."""
        values = self.values | {"name": name}
        before = self.values.get(AS_DRAWN)
        return Entry(values | ({AS_DRAWN: before | {"name": name}} if before else {}))


_lately: dict[str, dict[str, Entry]] = {}  # of the texts that were written or read last


def textOf(entries: Mapping[str, Entry]) -> str:
    """The entries, by nodule name, as a JSON object."""
    lines = (f"{json.dumps(name, ensure_ascii=False)}: {one.text}" for name, one in entries.items())
    text = f"{{{', '.join(lines)}}}"
    _keep(text, dict(entries))
    return text


def entriesIn(text: str) -> dict[str, Entry]:
    """The entries by nodule name.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the text is damaged.
    """
    if text not in _lately:
        _keep(text, {name: Entry(values) for name, values in json.loads(text).items()})
    return dict(_lately[text])


def _keep(text: str, entries: dict[str, Entry]) -> None:
    if not all(set(entry.values[MASK]) == {"drawn", "measured"} for entry in entries.values()):
        raise ValueError(MASK)
    _lately.pop(text, None)
    _lately[text] = entries
    for oldest in list(_lately)[:-KEPT]:
        del _lately[oldest]
