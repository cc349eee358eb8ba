"""The section for weight sets and packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LungNoduleRiskLib.install import dependencyStatus, ensurePackages
from LungNoduleRiskLib.widgets.background import Background
from LungNoduleRiskLib.widgets.details import cardHtml
from nodulerisk.errors import NoduleRiskError
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import (
    delete_weight_set,
    load_weight_set,
    user_set_folder,
    weight_set_names,
)


class Advanced:
    """Lists, shows, verifies, imports and deletes weight sets; says which packages are missing and
    installs them."""

    def __init__(self, ui: Any, background: Background, onChosen: Callable[[str], None]):
        """``onChosen`` is told the weight set that the user chose."""
        self._ui, self._background, self._onChosen = ui, background, onChosen
        self.listWeights("open")
        ui.weightsSelector.currentTextChanged.connect(onChosen)
        ui.cardButton.clicked.connect(self.onCard)
        ui.verifyButton.clicked.connect(self.onVerify)
        ui.importButton.clicked.connect(self.onImport)
        ui.deleteWeightsButton.clicked.connect(self.onDelete)
        ui.packagesButton.clicked.connect(self.onPackages)
        ui.installButton.clicked.connect(self.onInstall)

    def listWeights(self, chosen: str) -> None:
        """Lists the weight sets there are; one that is gone stays listed, and is refused when it is
        used."""
        selector = self._ui.weightsSelector
        names = list(dict.fromkeys([*weight_set_names(), chosen]))
        selector.blockSignals(True)
        selector.clear()
        selector.addItems(names)
        selector.setCurrentIndex(names.index(chosen))
        selector.blockSignals(False)

    def onCard(self) -> None:
        self._do(
            lambda: load_weight_set(self._chosen), lambda weights: self._show(cardHtml(weights))
        )

    def onVerify(self) -> None:
        """Loading a set compares every file's hash with the card."""
        self._do(
            lambda: load_weight_set(self._chosen),
            lambda weights: self._say(_("{name} is as its card says.").format(name=weights.name)),
        )

    def onImport(self) -> None:
        """Asks for a folder with Keras files, and imports it under its name."""
        from nodulerisk.weights.import_keras import (
            import_keras,  # needs packages that may have yet to be installed
        )

        folder = qt.QFileDialog.getExistingDirectory(
            self._ui.importButton, _("Folder with the authors' .h5 files")
        )
        if folder:
            name = Path(folder).name
            self._do(
                lambda: import_keras(Path(folder), user_set_folder(name), name), self._onImported
            )

    def onDelete(self) -> None:
        """Deletes the chosen weight set, after asking."""
        name = self._chosen
        if not slicer.util.confirmYesNoDisplay(
            _("Delete the weight set '{name}'?").format(name=name)
        ):
            return
        try:
            delete_weight_set(name)
        except NoduleRiskError as error:
            self._say(str(error))
        else:
            self._choose("open")
            self._say(_("{name} was deleted.").format(name=name))

    def onPackages(self) -> None:
        self._say(dependencyStatus())

    def onInstall(self) -> None:
        try:
            ensurePackages()
        except NoduleRiskError as error:
            self._say(str(error))
        else:
            self.onPackages()

    @property
    def _chosen(self) -> str:
        return self._ui.weightsSelector.currentText

    def _choose(self, name: str) -> None:
        self.listWeights(name)
        self._onChosen(name)

    def _onImported(self, weights: WeightSet) -> None:
        self._choose(weights.name)
        self._show(cardHtml(weights))

    def _do(self, work: Callable[[], object], onDone: Callable) -> None:
        """Does what takes seconds on the other thread, then shows what came of it."""
        self._say(_("Working…"))
        self._background.do(work, onDone, self._say)

    def _say(self, text: str) -> None:
        self._ui.advancedBrowser.setPlainText(text)

    def _show(self, html: str) -> None:
        self._ui.advancedBrowser.setHtml(html)
