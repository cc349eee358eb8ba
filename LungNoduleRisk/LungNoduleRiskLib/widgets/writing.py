"""The chosen nodule's page, the report of all nodules, and DICOM files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer

from LungNoduleRiskLib.language import tr as _
from LungNoduleRiskLib.session import Session
from LungNoduleRiskLib.widgets import views
from nodulerisk.outputs.style import REPORT_NAME


class Writing:
    """Asks where to, writes on the other thread, and opens what is a page.

    Attributes:
        page: the web view of the last page, which lives while it is kept.
    """

    def __init__(self, ui: Any, session: Session, do: Callable, tell: Callable[[str], None]):
        """``do`` is the panel's."""
        self._ui, self._session, self._do, self._say = ui, session, do, tell
        self.page: Any = None

    def onPage(self) -> None:
        """Writes the chosen nodule's page, and opens it."""
        chosen, folder = self._session.chosen, tempfile.mkdtemp(dir=slicer.app.temporaryPath)
        self._writeReport(Path(folder), chosen.name if chosen else None)

    def onReport(self) -> None:
        """Asks where to, writes the report of all nodules there, and opens it."""
        folder = qt.QFileDialog.getExistingDirectory(
            self._ui.reportButton, _("Write the report to")
        )
        if folder:
            self._writeReport(Path(folder))

    def onDicom(self) -> None:
        """Asks where to, and writes the nodules there as DICOM, which names the patient."""
        warning = _("DICOM files name the patient, as the CT's series does. Write them?")
        if not slicer.util.confirmYesNoDisplay(warning):
            return
        folder = qt.QFileDialog.getExistingDirectory(
            self._ui.dicomButton, _("Write DICOM files to")
        )
        if folder:
            self._write(lambda: self._session.dicomWriter(Path(folder)), Path(folder))

    def _writeReport(self, folder: Path, name: str | None = None) -> None:
        path = folder / REPORT_NAME
        identity = self._session.identityReader() if self._ui.identityCheckBox.checked else None
        self._write(lambda: self._session.reportWriter(path, name, identity), path)

    def _write(self, writer: Callable[[], Callable[[], None]], path: Path) -> None:
        """Writes on the other thread, says where, and opens what is a page."""
        self._do(writer, _("Writing…"), lambda _written: self._onWritten(path))

    def _onWritten(self, path: Path) -> None:
        self._say(_("Written to {path}").format(path=path))
        if path.suffix == ".html":
            self.page = views.openPage(path)
