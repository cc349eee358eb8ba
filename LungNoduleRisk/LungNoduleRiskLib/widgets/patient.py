"""The section for what scores and guidelines need to know of the patient and of each nodule: kept
nowhere but in its fields."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import get_args, get_type_hints

import qt
from slicer.i18n import tr as _

from nodulerisk.clinical.patient import OF_THE_NODULE, Patient, field_words, patient_from


class PatientForm:
    """A field for everything that scores and guidelines may ask of the patient, and of the chosen
    nodule; empty: not known."""

    def __init__(self, section, onChanged: Callable[[], None]):
        self._fields = {}
        self._said: dict[str, dict[str, str]] = defaultdict(
            dict
        )  # by nodule, what was filled in of it alone
        self._nodule = ""
        self._onChanged = onChanged
        layout = qt.QFormLayout(section)
        for name, hint in get_type_hints(Patient).items():
            self._fields[name] = self._field(name, get_args(hint)[0])
            layout.addRow(_title(name), self._fields[name])

    def choose(self, nodule: str) -> None:
        """Shows what was filled in of a nodule."""
        self._nodule = nodule
        for name in OF_THE_NODULE:
            field = self._fields[name]
            field.blockSignals(True)
            field.setCurrentText(self._said[nodule].get(name, ""))
            field.blockSignals(False)

    def patientWith(self, nodule: str) -> Patient:
        """The patient, and what was filled in of one of the nodules.

        Raises:
            NoduleRiskError: a number that is none, or that no one has.
        """
        texts = {
            name: _textOf(field)
            for name, field in self._fields.items()
            if name not in OF_THE_NODULE
        }
        return patient_from(
            f"{name}={text}" for name, text in (texts | self._said[nodule]).items() if text.strip()
        )

    def _field(self, name: str, kind):
        choices = ("yes", "no") if kind is bool else get_args(kind)
        if choices:
            field = qt.QComboBox()
            field.addItems(["", *choices])
            field.currentTextChanged.connect(lambda text: self._onEdited(name, text))
        else:
            field = qt.QLineEdit()
            field.textEdited.connect(lambda text: self._onEdited(name, text))
        field.objectName = f"{name}Field"
        field.accessibleName = _title(name)
        field.toolTip = _("Empty where it is not known.")
        return field

    def _onEdited(self, name: str, text: str) -> None:
        if name in OF_THE_NODULE:
            self._said[self._nodule][name] = text
        self._onChanged()


def _textOf(field) -> str:
    return field.currentText if isinstance(field, qt.QComboBox) else field.text


def _title(name: str) -> str:
    words = field_words(name)
    words = words[0].upper() + words[1:]
    return _("{words} (this nodule)").format(words=words) if name in OF_THE_NODULE else words
