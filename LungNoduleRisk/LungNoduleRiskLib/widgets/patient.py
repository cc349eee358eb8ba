"""The section for what scores and guidelines need to know of the patient and of each nodule: kept
in the session alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import qt

from LungNoduleRiskLib.language import tr as _
from LungNoduleRiskLib.session import Session
from nodulerisk.clinical.patient import HELP, OF_THE_NODULE, Patient, field_words, value_words
from nodulerisk.language.spoken import say
from nodulerisk.tasks import title_of


class PatientForm:
    """A field for everything that scores and guidelines may ask of the patient, and of the chosen
    nodule; empty: not known."""

    def __init__(self, section: Any, session: Session, onChanged: Callable[[], None]):
        self._fields: dict[str, qt.QComboBox | qt.QLineEdit] = {}
        self._session, self._onChanged = session, onChanged
        layout = qt.QFormLayout(section)
        layout.setRowWrapPolicy(qt.QFormLayout.WrapLongRows)  # which some languages need
        for name, hint in get_type_hints(Patient).items():
            self._fields[name] = self._field(name, get_args(hint)[0])
            layout.addRow(_title(name), self._fields[name])

    def show(self) -> None:
        """Shows what was filled in of the patient and of the chosen nodule."""
        answers = self._session.answers
        for name, field in self._fields.items():
            if _textOf(field) != answers.get(name, ""):
                _fill(field, answers.get(name, ""))

    def _field(self, name: str, kind: Any) -> qt.QComboBox | qt.QLineEdit:
        choices = ("yes", "no") if kind is bool else get_args(kind)
        field: qt.QComboBox | qt.QLineEdit
        if choices:
            field = box = qt.QComboBox()
            box.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon
            for choice in ("", *choices):
                box.addItem(say(value_words(name, choice)), choice)
            box.currentIndexChanged.connect(lambda at: self._onEdited(name, box.itemData(at)))
        else:
            field = qt.QLineEdit()
            field.textEdited.connect(lambda text: self._onEdited(name, text))
        field.objectName = f"{name}Field"
        field.accessibleName = _title(name)
        field.toolTip = " ".join(
            filter(None, [say(HELP.get(name, "")), _("Leave empty if not known.")])
        )
        return field

    def _onEdited(self, name: str, text: str) -> None:
        self._session.answer(name, text)
        self._onChanged()


def _textOf(field: qt.QComboBox | qt.QLineEdit) -> str:
    return field.currentData if isinstance(field, qt.QComboBox) else field.text


def _fill(field: qt.QComboBox | qt.QLineEdit, text: str) -> None:
    """Fills a field without telling anybody."""
    field.blockSignals(True)
    if isinstance(field, qt.QComboBox):
        field.setCurrentIndex(field.findData(text))
    else:
        field.text = text
    field.blockSignals(False)


def _title(name: str) -> str:
    words = say(title_of(field_words(name)))
    return _("{words} (this nodule)").format(words=words) if name in OF_THE_NODULE else words
