"""``nodulerisk serve``: the web page.

What serves is imported inside the command: the other commands work where the extra is not
    installed.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import typer

from LungNoduleRiskWeb import options
from LungNoduleRiskWeb.agreed import RECEIVED_VARIABLE
from LungNoduleRiskWeb.front.tokens import SHORTEST_TOKEN
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.cli import options as core
from nodulerisk.cli.pacs import open_archive
from nodulerisk.cli.shared import Verbose, echo, errors_in_one_line
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _
from nodulerisk.pacs.access import ADDRESS, is_loopback

NEEDED = ("aiohttp", "prometheus_client", "slicer", "trame", "trame_slicer", "wslink")


def serve(
    context: typer.Context,
    host: options.Host = "127.0.0.1",
    port: options.Port = 8765,
    token: options.Token = None,
    no_token: options.NoToken = False,
    tokens: options.Tokens = None,
    trust_user_header: options.UserHeader = None,
    trusted_proxy: options.TrustedProxies = None,
    root_path: options.RootPath = "",
    weights: core.Weights = "open",
    device: core.Device = "auto",
    sessions: options.Sessions = 8,
    reserve: options.Reserve = True,
    idle_minutes: options.IdleMinutes = 30,
    max_upload_gb: options.MaxUpload = 4,
    certificate: options.Certificate = None,
    key_file: options.KeyFile = None,
    pacs: core.Pacs = None,
    received: options.Received = None,
    verbose: Verbose = False,
) -> None:
    """Serve the web page: upload a CT, click the nodule, read the risk."""
    with errors_in_one_line(verbose):
        os.environ.pop(options.TOKEN_VARIABLE, None)  # not for the processes that this one starts
        _refuse_without_extra()
        from LungNoduleRiskWeb.front import server

        alone, proxies = is_loopback(host), tuple(trusted_proxy or ())
        by_token = tokens is None and not trust_user_header
        secret = _token(token, no_token, alone) if by_token else None
        door = server.Door(secret, tokens, trust_user_header, proxies, _root(root_path))
        _refuse_unclear_door(no_token or token is not None, tokens, trust_user_header, proxies)
        _offer(pacs, received)
        if key_file and not certificate:
            raise NoduleRiskError(_("A key alone does not encrypt: give --certificate too."))
        tls = server.tls_context(certificate, key_file) if certificate else None
        _log(verbose)
        if not alone:
            _warn(host, encrypted=tls is not None or bool(proxies))
        server.serve(
            host,
            port,
            door=door,
            tls=tls,
            weights=weights,
            device=device,
            sessions=sessions,
            reserve=reserve,
            idle_minutes=idle_minutes,
            max_upload_gb=max_upload_gb,
            language=_house_language(context),
            ready=partial(_say_where, secret=token is not None),
        )


def _house_language(context: typer.Context) -> str:
    """What ``--language`` says; empty where it is not given."""
    return str((context.parent and context.parent.params["language"]) or "")


def _say_where(address: str, secret: bool) -> None:
    """Says what to open; a token that the user gave stays out of logs."""
    bare = address.partition("#")[0] + "#token=…"
    words = _("Open {address}, with your token") if secret else _("Open {address}")
    echo(RESEARCH_USE_ONLY)
    echo(words.format(address=bare if secret else address))
    echo(_("Ctrl-C ends it."))


def _offer(pacs: str | None, received: Path | None) -> None:
    """Hands the archive and what was received on to the sessions, in their environment.

    Raises:
        PacsError: the archive's address, credentials or certificate cannot be used.
    """
    if pacs:
        os.environ[ADDRESS] = open_archive(pacs).access.address
    if received:
        os.environ[RECEIVED_VARIABLE] = str(received.resolve())


def _refuse_without_extra() -> None:
    if any(find_spec(name) is None for name in NEEDED):
        raise NoduleRiskError(_("The web page needs more packages: pip install 'nodulerisk[web]'."))


def _token(asked: str | None, none: bool, alone: bool) -> str | None:
    """The token to demand; None: none is.

    Raises:
        NoduleRiskError: other machines could come in without one, or guess it.
    """
    if none and not alone:
        raise NoduleRiskError(
            _(
                "Anyone on the network could see the patients' CTs: --no-token is for 127.0.0.1"
                " only."
            )
        )
    if none:
        return None
    if asked is not None and len(asked) < SHORTEST_TOKEN:
        words = _("This token can be guessed: use {shortest} characters or more, or leave it out.")
        raise NoduleRiskError(words.format(shortest=SHORTEST_TOKEN))
    return asked or secrets.token_urlsafe(32)


def _refuse_unclear_door(
    token: bool, tokens: Path | None, user_header: str | None, proxies: tuple[str, ...]
) -> None:
    if token + (tokens is not None) + (user_header is not None) > 1:
        raise NoduleRiskError(
            _("There is one way in: --token or --no-token, --tokens, or --trust-user-header.")
        )
    if user_header and not proxies:
        raise NoduleRiskError(
            _("Anyone can send this header: name the proxy that alone may, by --trusted-proxy.")
        )


def _root(path: str) -> str:
    """The path, beginning with a slash but not ending with one; empty for none.

    Raises:
        NoduleRiskError: a browser could take it for something else, such as another server.
    """
    path = path.rstrip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9_-][A-Za-z0-9._~-]*)*", path):
        raise NoduleRiskError(_("--root-path is letters, digits and slashes, as /nodules."))
    return path


def _warn(host: str, encrypted: bool) -> None:
    """Says what it means to listen to other machines."""
    echo(
        _(
            "Listening at {host}: every machine on its network reaches this page. A token, or what"
            " the trusted proxy says, is the only lock: who has a token can use the page."
        ).format(host=host),
        err=True,
    )
    if not encrypted:
        echo(
            _(
                "The traffic is not encrypted: who can read along on the network sees the patients'"
                " CTs and the token. Give --certificate, or serve it behind a server that encrypts,"
                " named by --trusted-proxy."
            ),
            err=True,
        )


def _log(verbose: bool) -> None:
    """A line for each session's start and end; aiohttp's own lines name addresses, so they are for
    those who ask."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("LungNoduleRiskWeb").setLevel(logging.INFO)
    logging.getLogger("aiohttp").setLevel(logging.WARNING if verbose else logging.CRITICAL)
