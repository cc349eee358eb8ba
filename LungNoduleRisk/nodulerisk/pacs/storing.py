"""Storing in an archive, and what it answers (PS3.18 10.5.3)."""

from __future__ import annotations

from collections.abc import Mapping

from dicomweb_client import DICOMwebClient
from pydicom import Dataset
from requests import HTTPError, Response

from nodulerisk.errors import PacsError
from nodulerisk.language.texts import _, joined

REASONS = {  # PS3.18 I.2.2
    0x0110: _("it cannot process it"),
    0x0122: _("it does not take this kind"),
    0x0124: _("it may not be stored by this user"),
    0xA700: _("it has no room left"),
    0xA900: _("it finds that the data do not match their kind"),
    0xC000: _("it cannot understand it"),
    0xC122: _("it does not take this kind in this encoding"),
}


def store(client: DICOMwebClient, datasets: Mapping[str, Dataset]) -> None:
    """Sends datasets, by what refusals call them, and reads in the answer that all are stored.

    Raises:
        PacsError: some are not, with their names.
        requests.RequestException, ValueError: see ``connection.refusals``.
    """
    answer = _answer(client, datasets)
    stored = {one.ReferencedSOPInstanceUID for one in answer.get("ReferencedSOPSequence") or ()}
    failed = {
        one.ReferencedSOPInstanceUID: _reason(one.get("FailureReason"))
        for one in answer.get("FailedSOPSequence") or ()
    }
    faults = {
        name: failed.get(one.SOPInstanceUID, _("it does not say that it did"))
        for name, one in datasets.items()
        if one.SOPInstanceUID in failed or one.SOPInstanceUID not in stored
    }
    if faults:
        listed = joined("; ", (joined(": ", fault) for fault in faults.items()))
        rest = _(" The others are stored.") if len(faults) < len(datasets) else ""
        raise PacsError(
            _("The archive did not store {listed}.{rest}").format(listed=listed, rest=rest)
        )


def _answer(client: DICOMwebClient, datasets: Mapping[str, Dataset]) -> Dataset:
    try:
        return client.store_instances([*datasets.values()])
    except HTTPError as error:
        if error.response is None or (answer := _answer_in(error.response)) is None:
            raise
        return answer


def _answer_in(response: Response) -> Dataset | None:
    """What an archive says that has stored nothing; None: it does not say why."""
    try:
        answer = Dataset.from_json(response.json())
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return answer if "FailedSOPSequence" in answer else None


def _reason(code: int | None) -> str:
    if code is None:
        return _("it does not say why")
    return REASONS.get(code) or _("error {code:#06x}").format(code=code)
