"""The page's downloads. Each is prepared on the event loop, where the scene is, and
written on a thread. What writes them is imported only then, so that a page opens sooner."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from LungNoduleRiskLib import scene
from LungNoduleRiskLib.display import results
from LungNoduleRiskWeb.session.controller import Controller
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import Assessment
from nodulerisk.ct.points import Point
from nodulerisk.ct.volume import CT
from nodulerisk.errors import NoduleRiskError, OutputError
from nodulerisk.language.texts import _
from nodulerisk.outputs.nodule_tables import write_csv
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.outputs.style import REPORT_NAME, TABLE_NAME

Writer = Callable[[], object]
NOTHING = _("There are no results yet: assess a nodule first.")


def prepare(name: str, controller: Controller, folder: Path) -> Writer:
    """A function that writes one of ``FILES`` into a folder.

    Raises:
        NoduleRiskError: there is nothing to write yet, or it cannot be written of this CT.
    """
    if not controller.session.drawn:
        raise NoduleRiskError(NOTHING)
    return FILES[name](controller, folder / name)


def report(controller: Controller, path: Path, name: str | None = None) -> Writer:
    """A function that writes the report as a page: of one nodule, or of all.

    Raises:
        NoduleRiskError: there is nothing to report.
    """
    if not [one for one in controller.session.assessments if name in (None, one.name)]:
        raise NoduleRiskError(NOTHING)
    return controller.session.reportWriter(path, name, controller.identity_reader())


def _table(controller: Controller, path: Path) -> Writer:
    return partial(write_csv, _outcomes(controller), path)


def _json(controller: Controller, path: Path) -> Writer:
    """All assessments, each as the terminal's assessment.json has it."""
    found = [one.to_dict() for one in _assessments(controller)]
    text = json.dumps(
        {"note": RESEARCH_USE_ONLY, "assessments": found}, indent=2, ensure_ascii=False
    )
    return partial(path.write_text, text, encoding="utf-8")


def _results(controller: Controller, path: Path) -> Writer:
    """Every nodule's folder as the terminal writes it: JSON, masks, mesh, page and picture."""
    folder, ct = path.with_suffix(""), scene.ctReader(controller.session.selected[0])
    return partial(
        _zipped,
        partial(_write_results, ct, controller.identity_reader(), _outcomes(controller), folder),
        folder,
        path,
    )


def dicom_writer(controller: Controller, folder: Path) -> Writer:
    """A function that writes SEG and SR, which hold the patient's name and ID as the series does.

    Raises:
        OutputError: the CT is no DICOM series.
    """
    from nodulerisk.outputs.dicom import read_source  # highdicom alone takes a third of a second

    if controller.upload is None or controller.series_uid is None:
        raise OutputError(_("DICOM results belong to a DICOM series: upload the CT as DICOM."))
    source = partial(read_source, controller.upload, controller.series_uid)
    return controller.session.dicomWriter(folder, source)


def _dicom(controller: Controller, path: Path) -> Writer:
    folder = path.with_suffix("")
    return partial(_zipped, dicom_writer(controller, folder), folder, path)


def _scene(controller: Controller, path: Path) -> Writer:
    """The scene for Slicer; written here and now, since MRML is not to be touched from another
    thread."""
    controller.viewer.write_scene(path)
    return lambda: None


FILES = {
    REPORT_NAME: report,
    TABLE_NAME: _table,
    "nodules.json": _json,
    "results.zip": _results,
    "dicom.zip": _dicom,
    "scene.mrb": _scene,
}


def _assessments(controller: Controller) -> list[Assessment]:
    """As the networks made them; those whose masks were corrected by hand as they are now."""
    session, corrected = controller.session, controller.session.handDrawn()
    if not corrected:
        return session.drawn
    volume_node = session.selected[0]
    found = results.withMasks(volume_node, scene.ctFromNode(volume_node))
    now = {one.name: one for one in found if one.name in corrected}
    return [now.get(one.name, one) for one in session.drawn]


def _outcomes(controller: Controller) -> list[Outcome]:
    """The outcome of every nodule that was assessed or refused."""
    session = controller.session
    return [
        Outcome(Point(a.name, a.point_lps_mm), a, advice=session.advice(a))
        for a in _assessments(controller)
    ] + [
        Outcome(point, refusal=session.refusals[point.name])
        for point in session.points()
        if point.name in session.refusals
    ]


def _write_results(
    read_ct: Callable[[], CT],
    read_identity: Callable[[], dict[str, str]] | None,
    outcomes: Sequence[Outcome],
    folder: Path,
) -> None:
    from nodulerisk.outputs.results import write_results  # with matplotlib and plotly

    ct, who = read_ct(), read_identity() if read_identity else None
    write_csv(outcomes, folder / TABLE_NAME)
    for outcome in outcomes:
        if outcome.assessment is not None:
            write_results(ct, outcome.assessment, folder / outcome.point.name, outcome.advice, who)


def _zipped(write: Writer, folder: Path, path: Path) -> None:
    """Writes into a folder, and that as a zip."""
    write()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))
