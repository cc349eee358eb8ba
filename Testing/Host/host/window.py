"""Stands in for qSlicerMainWindow: the panel in a dock at the left, and at the right pictures of
the views.

The pictures are drawn when asked for; nothing can be clicked in them. The menus hold nothing but
their titles, whose keys a panel must not take. No toolbars.
"""

from __future__ import annotations

import qt
import slicer

from .drawing import VIEWS, drawChart, drawViews, shownChart
from .pythonqt import connects

WHAT_IT_IS = "Stand-in host, not 3D Slicer"
PANEL_PIXELS = 560
MENUS = "&File", "&Edit", "&View", "&Help"


@connects
class qSlicerModuleSelectorToolBar(qt.QObject):
    """Leaves one module, and enters another."""

    moduleSelected = qt.Signal(str)

    def __init__(self, area):
        super().__init__()
        self._area = area
        self.selectedModule = ""

    def selectModule(self, name: str):
        if name == self.selectedModule:
            return
        self._call("exit")
        self._area.takeWidget()
        self.selectedModule = name
        representation = slicer.util.getModule(name).widgetRepresentation() if name else None
        if representation is not None:
            self._area.setWidget(representation)
        self._call("enter")
        self.moduleSelected.emit(name)

    def _call(self, method: str):
        """Calls `enter` or `exit` of the selected module's Python widget, where it has them."""
        representation = self._area.widget()
        if representation is not None:
            getattr(representation.self(), method, lambda: None)()


class qSlicerMainWindow(qt.QMainWindow):
    def __init__(self):
        super().__init__()
        self.objectName = "qSlicerMainWindow"
        self.windowTitle = WHAT_IT_IS
        self._selector = qSlicerModuleSelectorToolBar(self._makePanelArea())
        self._pictures = {name: qt.QLabel(name) for name in VIEWS}
        self._chart = qt.QLabel()
        self._chart.visible = False
        self.setCentralWidget(self._makeViews())
        for title in MENUS:
            self.menuBar().addMenu(title).addAction(title.strip("&"))
        self.statusBar().addPermanentWidget(qt.QLabel(WHAT_IT_IS))
        self.resize(1600, 1000)

    def moduleSelector(self):
        return self._selector

    def event(self, event) -> bool:
        if (
            event.type() == qt.QEvent.WindowUnblocked
        ):  # a dialog closed, and no window manager gives the keys back
            qt.QTimer.singleShot(0, self.activateWindow)
        return super().event(event)

    def _makePanelArea(self):
        dock = qt.QDockWidget(self)
        dock.objectName = "PanelDockWidget"
        area = qt.QScrollArea(dock)
        area.widgetResizable = True
        area.minimumWidth = PANEL_PIXELS
        dock.setWidget(area)
        self.addDockWidget(qt.Qt.LeftDockWidgetArea, dock)
        return area

    def _makeViews(self):
        views = qt.QWidget(self)
        grid = qt.QGridLayout(views)
        for place, label in enumerate(self._pictures.values()):
            grid.addWidget(label, place // 2, place % 2)
        grid.addWidget(self._chart, 2, 0, 1, 2)
        for label in (*self._pictures.values(), self._chart):
            label.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Ignored)
        return views


def draw(window):
    """Draws the views in the main window, and the chart where the layout has one."""
    chartNode = shownChart()
    window._chart.visible = chartNode is not None
    window.centralWidget().layout().activate()
    for name, picture in drawViews(sizeOf(window._pictures[VIEWS[0]])).items():
        window._pictures[name].setPixmap(pixmap(picture))
    if chartNode is not None:
        window._chart.setPixmap(pixmap(drawChart(chartNode, sizeOf(window._chart))))


def sizeOf(label) -> tuple[int, int]:
    return label.width, label.height


def pixmap(rgb):
    """The picture of an array uint8[row, column, RGB]."""
    height, width, _ = rgb.shape
    return qt.QPixmap.fromImage(
        qt.QImage(rgb.tobytes(), width, height, 3 * width, qt.QImage.Format_RGB888)
    )
