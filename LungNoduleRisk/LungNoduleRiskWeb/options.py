"""The options of ``serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

TOKEN_VARIABLE = "NODULERISK_TOKEN"
Host = Annotated[str, Option(help="Address to listen at; 0.0.0.0 lets other machines in.")]
Port = Annotated[int, Option(help="Port to listen at; 0: any that is free.")]
Token = Annotated[
    str | None,
    Option(
        envvar=TOKEN_VARIABLE,
        help="What opens the page; else a new one at each start. Other users of this machine can"
        " read what is on its command line: better set the variable.",
    ),
]
NoToken = Annotated[bool, Option("--no-token", help="Anyone on this machine may open the page.")]
Tokens = Annotated[
    Path | None,
    Option(
        help="File of each user's own token: a line is a name and a token. It is read again when"
        " it changes; a user who is gone from it is shut out at once."
    ),
]
UserHeader = Annotated[
    str | None,
    Option(
        metavar="HEADER", help="The trusted proxy signs users on, and names them in this header."
    ),
]
TrustedProxies = Annotated[
    list[str] | None,
    Option(
        metavar="ADDRESS",
        help="The server in front, or its network, whose word is taken for it that traffic is"
        " encrypted (X-Forwarded-Proto) and who the user is. May be given several times.",
    ),
]
RootPath = Annotated[
    str, Option(help="Path that the server in front has the page below, as /nodules.")
]
Sessions = Annotated[int, Option(min=1, help="Users at a time.")]
Reserve = Annotated[bool, Option(help="Keep one of the sessions started for whoever comes next.")]
IdleMinutes = Annotated[
    float, Option(min=1, help="Minutes until an unused session ends and its uploads are deleted.")
]
MaxUpload = Annotated[float, Option(min=0.001, help="The most that a user may upload, in GB.")]
Certificate = Annotated[Path | None, Option(help="TLS certificate (PEM): encrypts the traffic.")]
KeyFile = Annotated[
    Path | None, Option(help="Its key (PEM), where the certificate's file has none.")
]
Received = Annotated[
    Path | None, Option(help="Folder of nodulerisk listen, whose CTs the page offers.")
]
