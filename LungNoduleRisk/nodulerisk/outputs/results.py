"""The folder of one nodule's results: all files or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryFile

from nodulerisk.assessment import (
    ASSESSMENT_FILES,
    Assessment,
    mask_image,
    save_assessment,
    write_image,
)
from nodulerisk.clinical.advice import NO_ADVICE, Advice
from nodulerisk.ct.volume import CT
from nodulerisk.errors import OutputError
from nodulerisk.language.texts import _
from nodulerisk.outputs.style import MASK_NIFTI_NAME, MESH_NAME, PAGE_NAME, PICTURE_NAME

RESULT_FILES = (*ASSESSMENT_FILES, MASK_NIFTI_NAME, MESH_NAME, PAGE_NAME, PICTURE_NAME)
BYTES_A_NODULE = 10 << 20  # plotly.js takes half of it


def write_results(
    ct: CT,
    assessment: Assessment,
    folder: str | Path,
    advice: Advice = NO_ADVICE,
    identity: Mapping[str, str] | None = None,
    *,
    only_json: bool = False,
) -> list[Path]:
    """Writes ``RESULT_FILES``, replacing earlier ones: no mask if none was drawn, no mesh if it is
    empty.

    Args:
        ct: the CT.
        assessment: of one nodule.
        folder: the destination.
        advice: the nodule's scores and guidelines, if requested.
        identity: what the user wants the page to say about the patient.
        only_json: write no more than ``ASSESSMENT_FILES``.

    Returns:
        The files written.

    Raises:
        OutputError: the folder cannot be written; none of the files is left.
    """
    folder = Path(folder)
    remove_results(folder)
    try:
        save_assessment(assessment, ct, folder, asdict(advice) if advice is not NO_ADVICE else None)
        if not only_json:
            _write_for_people(ct, assessment, folder, advice, identity)
    except BaseException:  # also when cancelled by the user
        remove_results(folder)
        raise
    return [folder / name for name in RESULT_FILES if (folder / name).exists()]


def _write_for_people(
    ct: CT, assessment: Assessment, folder: Path, advice: Advice, identity: Mapping[str, str] | None
) -> None:
    """Writes the mask for other programs, the mesh, the page and the picture."""
    # slow, and not wanted for the JSON alone
    from nodulerisk.outputs.html.nodule_report import ReportNodule, write_report
    from nodulerisk.outputs.mesh import nodule_mesh, write_ply
    from nodulerisk.outputs.picture import picture_png

    if assessment.nodule is not None:
        write_image(mask_image(assessment.nodule, ct), folder / MASK_NIFTI_NAME)
        mesh = nodule_mesh(assessment.nodule)
        if len(mesh.faces):  # an empty mask has no surface
            write_ply(mesh, folder / MESH_NAME)
    write_report([ReportNodule(ct, assessment, advice)], folder / PAGE_NAME, identity)
    picture_png(ct, assessment, folder / PICTURE_NAME)


def refuse_unwritable(folder: Path, nodules: int) -> None:
    """Creates the folder and tries to write there, so that hours of computing do not end at a full
    disk.

    Raises:
        OutputError: it cannot be written, or lacks the space for so many nodules.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as probe:
            probe.write(b"0")
        free = disk_usage(folder).free
    except OSError as error:
        words = _("{folder} cannot be written ({reason}): choose another folder.")
        raise OutputError(words.format(folder=folder, reason=error.strerror)) from error
    if free < nodules * BYTES_A_NODULE:
        needed = nodules * BYTES_A_NODULE >> 20
        words = _("{folder} has {free} MB free, but {needed} MB are needed: choose another folder.")
        raise OutputError(words.format(folder=folder, free=free >> 20, needed=needed))


def remove_results(folder: Path) -> None:
    """Removes ``RESULT_FILES`` from a folder, and nothing else, so that old results are never shown
    as new.

    Raises:
        OutputError: a file cannot be removed.
    """
    for name in RESULT_FILES:
        remove_file(folder / name)


def remove_file(path: Path) -> None:
    """Removes a file if it exists.

    Raises:
        OutputError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        pass
    except OSError as error:
        words = _("{path} cannot be replaced ({reason}): choose another folder.")
        raise OutputError(words.format(path=path, reason=error.strerror)) from error
