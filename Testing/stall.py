"""Measures how long the panel's thread is busy while nodules are assessed, and how soon it stops.

``PYTHONPATH=LungNoduleRisk:Testing/Host python Testing/stall.py`` runs the real panel in the
stand-in host on the sample with thick slices, twice, with points in a grid around its nodule. It
prints the longest turn of Qt's event loop from the click on the button until the results are
shown: on the wall, and in which the thread had the processor, since the wall counts other
programs, too. Then it cancels one run, and closes the module during another.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import islice, product

import psutil

from host import start

STEP_MM = 6.0
parser = argparse.ArgumentParser()
parser.add_argument("--points", type=int, default=100)
asked = parser.parse_args()
host = start()


def main() -> None:
    panel = host.openModule().panel
    place_points(panel)
    for run in ("first, with the start of the child process", "second"):
        host.process(0.5)
        host.startStallWatch()
        begin(panel)
        end(panel)
        host.process(0.5)
        stall, work = 1000 * host.longestStall(), 1000 * host.longestWork()
        said = panel.ui.statusLabel.property("text")
        print(f"{run} run: longest turn {work:.0f} ms, {stall:.0f} ms on the wall; {said}")
    for what, stop in {
        "cancelled": lambda: (panel.ui.cancelButton.click(), end(panel)),
        "closed": host.closeModule,
    }.items():
        begin(panel)
        host.process(1.0)
        print(f"{what} in {seconds(stop):.2f} s, processes left: {len(children())}")


def place_points(panel) -> None:
    from LungNoduleRiskLib import scene
    from LungNoduleRiskLib.sample import THICK
    from nodulerisk.ct.points import Point

    panel.onSample(THICK)
    (nodule,) = scene.pointsLps(panel.parameters.points)
    panel.parameters.points.RemoveAllControlPoints()
    for number, place in enumerate(islice(grid(nodule.lps_mm), asked.points), 1):
        scene.addPoint(panel.parameters.points, Point(f"N{number}", place))


def grid(middle: tuple[float, float, float]) -> Iterator[tuple[float, float, float]]:
    """Positions around a nodule, from its middle slice outwards."""
    x, y, z = middle
    for dz, dy, dx in product((0, -1, 1), range(-3, 4), range(-3, 4)):
        yield x + STEP_MM * dx, y + STEP_MM * dy, z + STEP_MM * dz


def begin(panel) -> None:
    host.inEventLoop(panel.ui.assessButton.click)


def end(panel) -> None:
    host.process(lambda: not panel._background.isBusy, timeout=600)


def seconds(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


if __name__ == "__main__":
    main()
