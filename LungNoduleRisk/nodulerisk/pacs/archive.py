"""An archive by DICOMweb: search (QIDO-RS), retrieve (WADO-RS), store (STOW-RS)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from dicomweb_client import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from nodulerisk.errors import PacsError
from nodulerisk.files import folder_written_whole
from nodulerisk.language.texts import _
from nodulerisk.pacs.access import Access
from nodulerisk.pacs.connection import Connection, refusals
from nodulerisk.pacs.listing import (
    IMAGE_UID,
    OF_SERIES,
    OF_STUDY,
    Series,
    Study,
    is_uid,
    plain,
    proposed,
    series_in,
    studies_in,
    text_of,
    with_header,
    with_uids,
)
from nodulerisk.pacs.query import Wanted
from nodulerisk.pacs.retrieval import Kept
from nodulerisk.pacs.storing import store

MOST_STUDIES = 100  # of one answer
PAGE = 500  # images listed at a time: Orthanc opens each file for it
TIMEOUT_S = (10, 120)  # to connect, and between two pieces of an answer: some fetch from tape
AS_STORED = (("application/dicom", "*"),)  # in whatever transfer syntax the archive has it

Tell = Callable[[int, int], None]  # images that arrived, of how many; what it raises ends it


class Archive:
    """What can be asked of an archive. Every call may raise PacsError.

    Attributes:
        access: where it is.
    """

    def __init__(self, access: Access):
        self.access = access
        with refusals(access):
            self._client = DICOMwebClient(
                access.address, Connection(access), permissive_uid=True, timeout=TIMEOUT_S
            )
        self._client.set_http_retry_params(retry=False)  # a user who waits is told, and decides

    def find(self, wanted: Wanted) -> tuple[list[Study], bool]:
        """Returns the CT studies that are wanted, chest CTs first and the newest first, and whether
        there are more, which a narrower search would show."""
        has_more = False
        for query in wanted.queries:
            found = self._studies(query, MOST_STUDIES + 1)
            has_more = len(found) > MOST_STUDIES
            if chosen := wanted.chosen(found):
                return chosen[:MOST_STUDIES], has_more
        return [], has_more

    def study(self, uid: str) -> Study | None:
        """Returns a study by its UID; None: the archive does not have it."""
        found = self._studies({"StudyInstanceUID": uid}, 1)
        return next((study for study in found if study.uid == uid), None)

    def earlier(self, study: Study) -> list[Study]:
        """Returns the earlier CT studies of the same patient, the newest first; IDs alone are not
        enough: two hospitals may give the same."""
        if not (study.patient_id and study.date):
            return []
        same, _ = self.find(Wanted(patient_id=study.patient_id, date=f"- {study.date}"))
        found = [one for one in same if one.date < study.date and _is_same_patient(one, study)]
        return sorted(found, key=lambda one: one.date, reverse=True)

    def series(self, study_uid: str) -> list[Series]:
        """Returns the CT series of a study, the most suitable first."""
        with refusals(self.access):
            items = self._client.search_for_series(_checked(study_uid), fields=[*OF_SERIES])
            found = series_in(study_uid, items)
        return proposed(map(self._described, found))

    def retrieve(
        self,
        study_uid: str,
        series_uid: str,
        folder: Path,
        tell: Tell = lambda done, total: None,
        most_bytes: int | None = None,
    ) -> Path:
        """Retrieves a series as the archive has it: every image, or nothing is left.

        Args:
            folder: to be made; named without the patient.
            tell: told after each image.
            most_bytes: beyond which it is refused.

        Returns:
            The folder.

        Raises:
            PacsError: also where images are missing.
            OutputError: the folder cannot be written.
        """
        expected = self._images(study_uid, series_uid)
        with folder_written_whole(folder) as partial, refusals(self.access):
            kept = Kept(partial, series_uid, most_bytes)
            for image in self._client.iter_series(study_uid, series_uid, media_types=AS_STORED):
                kept.keep(image)
                tell(len(kept.uids & expected), len(expected))
            kept.refuse_missing(expected)
        return folder

    def store(self, files: Mapping[str, Path]) -> None:
        """Stores DICOM files, by what refusals call them; reads in the answer that all are kept.

        Raises:
            PacsError: some are not, with their names.
        """
        datasets = {name: _read(name, path) for name, path in files.items()}
        for uid in {str(one.get("StudyInstanceUID", "")) for one in datasets.values()}:
            self.study(uid)  # refuses a wrong password before anything is sent
        with refusals(self.access):
            store(self._client, datasets)

    def _studies(self, filters: dict[str, str], most: int) -> list[Study]:
        with refusals(self.access):
            items = self._client.search_for_studies(
                limit=most, fields=[*OF_STUDY], search_filters=filters
            )
            return studies_in(items)

    def _described(self, series: Series) -> Series:
        """The series with what one of its images says, where the archive's list does not."""
        if series.thickness_mm is not None and series.images is not None:
            return series
        uids = series.study_uid, series.uid
        try:
            if series.images is None:
                series = replace(series, images=len(self._images(*uids)))
            with refusals(self.access):
                one = min(self._some_images(*uids, limit=1))
                return with_header(series, self._client.retrieve_instance_metadata(*uids, one))
        except PacsError:  # it does not tell
            return series

    def _images(self, study_uid: str, series_uid: str) -> set[str]:
        """The UIDs of a series' images, page by page: archives list no more at a time than they
        like, and some give the first page again."""
        found: set[str] = set()
        uids = study_uid, series_uid
        while new := self._some_images(*uids, limit=PAGE, offset=len(found) or None) - found:
            found |= new
        if not found:
            raise PacsError(_("The archive has no images of this series."))
        return found

    def _some_images(
        self, study_uid: str, series_uid: str, limit: int | None = None, offset: int | None = None
    ) -> set[str]:
        with refusals(self.access):
            items = self._client.search_for_instances(
                _checked(study_uid), _checked(series_uid), limit=limit, offset=offset
            )
            return {text_of(item, IMAGE_UID) for item in with_uids(items, IMAGE_UID)}


def _read(name: str, path: Path) -> Dataset:
    try:
        return dcmread(path)
    except (OSError, InvalidDicomError):
        raise PacsError(
            _("{name} cannot be read as DICOM: write it again.").format(name=name)
        ) from None


def _checked(uid: str) -> str:
    if not is_uid(uid):
        raise PacsError(_("This is not the UID of a study or a series."))
    return uid


def _is_same_patient(one: Study, other: Study) -> bool:
    """Whether the ID is the same, and name and day of birth as far as both studies say."""
    says = (
        (plain(one.patient_name), plain(other.patient_name)),
        (one.birth_date, other.birth_date),
    )
    return one.patient_id == other.patient_id and all(
        first == second for first, second in says if first and second
    )
