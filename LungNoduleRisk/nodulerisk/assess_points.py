"""The one loop over points, used by the terminal, the Slicer module, evaluation and cohorts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from nodulerisk.assess import Progress, assess
from nodulerisk.assessment import Assessment
from nodulerisk.ct.points import Point
from nodulerisk.ct.volume import CT
from nodulerisk.engine.engine import Networks
from nodulerisk.errors import PointError
from nodulerisk.nodule.same import told_apart
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.trust.stability import stability as stability_of
from nodulerisk.weights.card import WeightSet


def assess_points(
    ct: CT,
    points: Sequence[Point],
    weights: WeightSet,
    networks: Networks,
    *,
    cascade: bool = False,
    stability: bool = False,
    progress: Progress | None = None,
    before: Sequence[Assessment] = (),
) -> Iterator[Outcome]:
    """Assesses points one after another.

    A point that cannot be assessed is refused, and the others go on (fault 25). Any other failure,
    such as a damaged weight file, a dead worker or a cancelled run, is not the point's fault and
    ends the loop.

    Args:
        ct: the CT that all points lie on.
        points: their names become the assessments'.
        weights: from ``load_weight_set``; ``with_thresholds`` sets the user's own.
        networks: a warm Engine or Worker of the same weights; a Worker's ``cancel`` ends the loop.
        cascade: see ``assess``.
        stability: also tests how far the answers move: see ``nodulerisk.trust.stability``.
        progress: called with the point's name and stage, and the share of all points done, 0..1.
        before: assessments of further points of this CT.

    Yields:
        Each point's outcome as soon as it is known, without advice, in the order of the points. Of
        several points on one nodule, the later ones have the first one's assessment, flagged (fault
        66).

    Raises:
        NoduleRiskError: any error of ``assess`` or ``stability`` but a PointError.
    """
    steps, known = 2 if stability else 1, [*before]
    for index, point in enumerate(points):
        first, then = (
            progress
            and partial(_report, progress, point.name, steps * index + step, steps * len(points))
            for step in (0, 1)
        )
        try:
            found = assess(
                ct,
                point.lps_mm,
                weights,
                name=point.name,
                networks=networks,
                progress=first,
                cascade=cascade,
            )
            if stability:
                moves = stability_of(ct, found, weights, networks, then)
                found = replace(found, stability=moves)
            found = told_apart(found, known, ct)
        except PointError as refusal:
            yield Outcome(point, refusal=str(refusal))
        else:
            known.append(found)
            yield Outcome(point, found)


def _report(progress: Progress, name: str, done: int, steps: int, stage: str, share: float) -> None:
    """Turns the progress of one step of a point into that of all points."""
    progress(f"{name}: {stage}", (done + share) / steps)
