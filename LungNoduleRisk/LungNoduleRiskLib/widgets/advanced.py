"""The section for thresholds, weight sets and packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer

from LungNoduleRiskLib.install import dependencyStatus, ensurePackages
from LungNoduleRiskLib.language import tr as _
from LungNoduleRiskLib.parameters import thresholdParameters
from LungNoduleRiskLib.widgets.background import Background
from LungNoduleRiskLib.widgets.details import cardHtml
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.spoken import say
from nodulerisk.tasks import TASKS
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import (
    delete_weight_set,
    load_weight_set,
    user_set_folder,
    weight_set_names,
)

TICKED = 2  # rows of the form that come before the thresholds


class Advanced:
    """Asks for thresholds; lists, shows, verifies, imports and deletes weight sets; says which
    packages are missing and installs them."""

    def __init__(self, ui: Any, background: Background, onChosen: Callable[[str], None]):
        """``onChosen`` is told the weight set that the user chose."""
        self._ui, self._background, self._onChosen = ui, background, onChosen
        self._addThresholds()
        self.listWeights("open")
        ui.weightsSelector.currentTextChanged.connect(onChosen)
        self._buttons = {
            ui.cardButton: self.onCard,
            ui.verifyButton: self.onVerify,
            ui.importButton: self.onImport,
            ui.deleteWeightsButton: self.onDelete,
            ui.packagesButton: self.onPackages,
            ui.installButton: self.onInstall,
        }
        for button, slot in self._buttons.items():
            self._onClick(button, slot)

    def _onClick(self, button: qt.QPushButton, slot: Callable[[], None]) -> None:
        """A refusal, and that something else runs, is said."""

        def onClicked() -> None:
            try:
                self._background.refuseIfBusy()
                slot()
            except NoduleRiskError as error:
                self._say(str(error))

        button.clicked.connect(onClicked)

    def enable(self, on: bool) -> None:
        """Enables the buttons, or disables them while something runs."""
        for button in self._buttons:
            button.enabled = on

    def _addThresholds(self) -> None:
        """A row for each threshold, behind the boxes to tick; as if they were in the .ui file."""
        rows: dict[str, qt.QWidget] = {
            _("Call {label} at or above:").format(label=TASKS[task].classes[-1]): _thresholdSpinBox(
                task, parameter
            )
            for task, parameter in thresholdParameters().items()
        }
        rows[_("Thresholds of own tasks:")] = _ownThresholdsEdit()
        for index, (words, field) in enumerate(rows.items()):
            label = qt.QLabel(words)
            label.setBuddy(field)
            self._ui.advancedSection.layout().insertRow(TICKED + index, label, field)
            setattr(self._ui, field.objectName, field)

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
        """Asks for a folder with Keras files or of a set, and imports it under its name."""
        ensurePackages()
        from nodulerisk.weights.import_set import import_set  # Keras files need them

        folder = qt.QFileDialog.getExistingDirectory(
            self._ui.importButton, _("Folder with the authors' .h5 files, or of a trained set")
        )
        if folder:
            name = Path(folder).name
            self._do(
                lambda: import_set(Path(folder), user_set_folder(name), name), self._onImported
            )

    def onDelete(self) -> None:
        """Deletes the chosen weight set, after asking."""
        name = self._chosen
        if not slicer.util.confirmYesNoDisplay(
            _("Delete the weight set '{name}'?").format(name=name)
        ):
            return
        delete_weight_set(name)
        self._choose("open")
        self._say(_("{name} was deleted.").format(name=name))

    def onPackages(self) -> None:
        self._say(dependencyStatus())

    def onInstall(self) -> None:
        ensurePackages()
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
        self._ui.advancedBrowser.setPlainText(say(text))

    def _show(self, html: str) -> None:
        self._ui.advancedBrowser.setHtml(html)


def _thresholdSpinBox(task: str, parameter: str) -> qt.QDoubleSpinBox:
    spinBox = qt.QDoubleSpinBox()
    spinBox.objectName = f"{task}SpinBox"
    spinBox.accessibleName = _("{task} threshold").format(task=TASKS[task].title)
    spinBox.toolTip = _(
        "The decision threshold, as a probability. 'card': the threshold on the weight set's card."
    )
    spinBox.specialValueText = _("card")
    spinBox.decimals = 2
    spinBox.maximum = 1.0
    spinBox.singleStep = 0.05
    spinBox.setProperty("SlicerParameterName", parameter)
    return spinBox


def _ownThresholdsEdit() -> qt.QLineEdit:
    edit = qt.QLineEdit()
    edit.objectName = "ownThresholdsEdit"
    edit.accessibleName = _("Thresholds of own tasks")
    edit.toolTip = _(
        "Decision thresholds of a weight set's own tasks of two classes, such as EGFR=0.4, MIA=0.6."
    )
    edit.placeholderText = _("card")
    edit.setProperty("SlicerParameterName", "ownThresholds")
    return edit
