"""``nodulerisk find``, ``push`` and ``listen``: the way to the hospital's archive (PACS)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.cli import options
from nodulerisk.cli.shared import (
    Verbose,
    echo,
    echo_error,
    errors_in_one_line,
    progress,
    until_stopped,
)
from nodulerisk.errors import PacsError
from nodulerisk.language.spoken import say
from nodulerisk.language.texts import _, joined
from nodulerisk.outputs.style import SEG_NAME, SR_NAME

if TYPE_CHECKING:
    from nodulerisk.pacs.archive import Archive
    from nodulerisk.pacs.listing import Study

SCHEME = "dicomweb://"
NEEDED = ("dicomweb_client", "pynetdicom")
MOST_SHOWN = 10  # studies whose series are looked up


def find(
    name: Annotated[
        str, typer.Option(help="The patient's name or a part of it, or a pattern such as GR?N^J*.")
    ] = "",
    patient_id: Annotated[str, typer.Option("--id", help="The patient's ID.")] = "",
    date: Annotated[
        str, typer.Option(help="Day of the study, 2024-03-01, or days: 2024-03-01 - 2024-03-31.")
    ] = "",
    accession: Annotated[str, typer.Option(help="The accession number.")] = "",
    pacs: options.Pacs = None,
    verbose: Verbose = False,
) -> None:
    """Find CTs in the archive: studies with chest CTs first, and their series with the address that
    assess takes, the thinnest first."""
    with errors_in_one_line(verbose):
        archive = open_archive(pacs)
        from nodulerisk.pacs.query import Wanted

        with progress(1) as show:
            show(_("searching"), None)
            found, has_more = archive.find(Wanted(name, patient_id, date, accession))
            series = {one.uid: archive.series(one.uid) for one in found[:MOST_SHOWN]}
        for study in found:
            echo(_study_words(study))
            for one in series.get(study.uid, ()):
                typer.echo(f"  {one.address}  {say(one.words)}")
        if not found:
            echo(_("The archive has no such CT."))
        if has_more or len(found) > MOST_SHOWN:
            echo(_("There are more, or series that are not shown: narrow the search."), err=True)


def push(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Results of assess --dicom.")],
    pacs: options.Pacs = None,
    verbose: Verbose = False,
) -> None:
    """Send a folder's DICOM results, masks (SEG) and reports (SR), to the archive."""
    with errors_in_one_line(verbose):
        files = {
            str(path.relative_to(folder)): path
            for name in (SEG_NAME, SR_NAME)
            for path in sorted(folder.rglob(name))
        }
        if not files:
            raise PacsError(
                _("There are no DICOM results in this folder: assess the CT with --dicom first.")
            )
        archive = open_archive(pacs)
        sending = _("Sending to {address}: {files}")
        echo(sending.format(address=archive.access.address, files=", ".join(files)))
        archive.store(files)
        echo(_("The archive has stored them."))


def listen(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to keep what arrives, a folder per series.")
    ],
    senders: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="AE",
            help="AE title of an archive or scanner that may send; repeatable.",
        ),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Our own AE title.")] = "NODULERISK",
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at; 0: any that is free.")] = 11112,
    max_gb: Annotated[
        float, typer.Option(min=0.001, help="The most that the folder may hold, in GB.")
    ] = 50,
    verbose: Verbose = False,
) -> None:
    """Receive CTs by C-STORE, for archives without DICOMweb; serve --received DIR offers them."""
    with errors_in_one_line(verbose):
        _refuse_without_extra()
        from nodulerisk.pacs.access import is_loopback
        from nodulerisk.pacs.receiver import Receiver

        if not senders and not is_loopback(host):
            raise PacsError(_("Say who may send: --from AE, once for each archive or scanner."))
        if not is_loopback(host):
            echo(
                _(
                    "C-STORE is not encrypted, and an AE title is no password: let only the archive"
                    " and scanners reach this port."
                ),
                err=True,
            )
        receiver = Receiver(folder, title, senders or (), int(1e9 * max_gb), echo)
        with receiver.listening(host, port) as open_port:
            echo(RESEARCH_USE_ONLY)
            listening = _("{title} listens at {host}, port {port}. Ctrl-C ends it.")
            echo(listening.format(title=title, host=host, port=open_port))
            until_stopped()
    echo(_("Ended."))


def open_archive(pacs: str | None) -> Archive:
    """Returns the archive; warns where others can read what is sent.

    Raises:
        PacsError: see ``access_to``.
    """
    _refuse_without_extra()
    from nodulerisk.pacs.access import access_to
    from nodulerisk.pacs.archive import Archive

    access = access_to(pacs)
    if access.is_readable_on_the_way:
        warning = _(
            "The traffic with {host} is not encrypted: others on the network can read the"
            " patients' CTs and the password."
        )
        echo(warning.format(host=access.host), err=True)
    return Archive(access)


@contextmanager
def at_hand(ct: str, pacs: str | None) -> Iterator[Path]:
    """Gives the path of a CT; one that is named dicomweb://STUDY/SERIES is retrieved, and deleted
    afterwards.

    Raises:
        PacsError: see ``Archive.retrieve``.
    """
    if not ct.startswith(SCHEME):
        yield Path(ct)
        return
    archive = open_archive(pacs)
    from nodulerisk.pacs.listing import uids_of

    study, series = uids_of(ct)
    with TemporaryDirectory(prefix="nodulerisk-") as folder:
        with progress(100) as show:
            show(_("retrieving"), None)
            path = archive.retrieve(
                study,
                series,
                Path(folder) / series,
                lambda done, total: show(
                    _("retrieving image {done} of {total}").format(done=done, total=total),
                    100 * done / total,
                ),
            )
        yield path


def offer_earlier(ct: str, pacs: str | None) -> None:
    """Prints which earlier CTs of the patient the archive has, and how to compare with them."""
    if not ct.startswith(SCHEME):
        return
    from nodulerisk.pacs.listing import uids_of

    try:
        archive = open_archive(pacs)
        study = archive.study(uids_of(ct)[0])
        for earlier in archive.earlier(study) if study else ():
            for series in archive.series(earlier.uid)[:1]:
                offer = _(
                    "The archive has an earlier CT of this patient, of {date}. To compare:"
                    " nodulerisk follow-up {earlier} {ct} --points-before FILE --points-after FILE"
                    " --out DIR"
                )
                echo(offer.format(date=earlier.date, earlier=series.address, ct=ct))
    except PacsError as refusal:  # the results stand without
        words = _("Earlier CTs were not looked for. {reason}")
        echo_error(words.format(reason=str(refusal)))


def _study_words(study: Study) -> str:
    said = (
        study.date,
        study.shown_name,
        study.patient_id,
        study.accession and _("accession {number}").format(number=study.accession),
        study.description,
    )
    return joined(", ", filter(None, said))


def _refuse_without_extra() -> None:
    if any(find_spec(name) is None for name in NEEDED):
        raise PacsError(_("The archive needs more packages: pip install 'nodulerisk[pacs]'."))
