"""Measures how long the panel's thread is blocked while nodules are assessed.

``PYTHONPATH=Testing/Host python Testing/stall.py CT --lps X,Y,Z`` runs the real panel in the
stand-in host on a CT (file, folder or zip), with the given number of points starting at the given
one, and prints the longest gap between two turns of Qt's event loop, from the click on the button
until the results are shown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from host import start

parser = argparse.ArgumentParser()
parser.add_argument("ct", type=Path)
parser.add_argument("--lps", required=True, help="a point, LPS mm: X,Y,Z")
parser.add_argument("--points", type=int, default=1, help="how many, 1 mm apart")
asked = parser.parse_args()


def main() -> None:
    host = start()
    panel = host.openModule().panel

    from LungNoduleRiskLib import scene
    from nodulerisk.ct.points import Point
    from nodulerisk.ct.read import read_ct

    ct = read_ct(asked.ct)
    x, y, z = (float(value) for value in asked.lps.split(","))
    panel.parameters.ct = scene.addCt(ct)
    panel.parameters.points = scene.addPointsNode()
    for index in range(asked.points):
        scene.addPoint(panel.parameters.points, Point(f"N{index + 1}", (x + index, y, z)))
    for run in ("first, with the start of the child process", "second"):
        host.process(0.5)
        host.startStallWatch()
        host.inEventLoop(panel.ui.assessButton.click)
        host.process(lambda: not panel._background.isBusy, timeout=600)
        host.process(0.5)
        print(
            f"{run} run: longest stall {1000 * host.longestStall():.0f} ms;"
            f" {panel.ui.statusLabel.property('text')}"
        )
    host.closeModule()


if __name__ == "__main__":
    main()
