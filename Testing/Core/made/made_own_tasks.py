"""Own tasks as a hospital might have them."""

from __future__ import annotations

from nodulerisk.weights.own_tasks import OwnTask, own_tasks_from

EGFR = {
    "classes": ["wild type", "mutated"],
    "words": {"wild type": ["no", 0], "mutated": ["yes", 1, "L858R", "exon 19", "+"]},
    "unknown": ["n/a"],
    "evidence": "pathology",
}
# Its classes have the names of another task's, and are as many as there can be.
SITE = {"classes": ["wild type", *(f"site {n}" for n in range(2, 11))], "evidence": "reader"}


def own_tasks(**tasks: dict) -> dict[str, OwnTask]:
    """Returns the tasks of these tables; EGFR and SITE where none are given."""
    return own_tasks_from(tasks or {"EGFR": EGFR, "site": SITE})
