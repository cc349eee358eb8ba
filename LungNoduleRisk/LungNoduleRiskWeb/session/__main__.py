"""The process of one session: ``python -m LungNoduleRiskWeb.session``, started by the front, and
ended with it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread

from trame_slicer import module as trame_slicer_module
from wslink import protocol as wslink_protocol
from wslink.chunking import StreamUnChunker

from LungNoduleRiskWeb.agreed import KEY_VARIABLE, NETWORKS_VARIABLE, READY_LINE, RECEIVED_VARIABLE
from LungNoduleRiskWeb.session.archiving import Archiving
from LungNoduleRiskWeb.session.controller import Controller
from LungNoduleRiskWeb.session.page import build_page
from LungNoduleRiskWeb.session.routes import Routes, in_the_language_of, only_with
from LungNoduleRiskWeb.session.speaking import SpeakingServer
from LungNoduleRiskWeb.session.uploads import Limits
from LungNoduleRiskWeb.session.viewer import Viewer
from nodulerisk.engine.running import networks_at
from nodulerisk.pacs.access import ADDRESS, access_to


def make_server(options: argparse.Namespace, key: str, networks: str) -> SpeakingServer:
    """The session's trame server: scene, views, page and routes, behind the front's key."""
    server = SpeakingServer()
    server.enable_module(trame_slicer_module)
    viewer = Viewer(server)
    make_networks = partial(networks_at, address=networks, key=key)
    controller = Controller(server, viewer, make_networks, options.weights, options.device)
    limits = Limits(max_bytes=int(1e9 * options.max_upload_gb))
    access = access_to(None) if ADDRESS in os.environ else None
    received_in = Path(os.environ[RECEIVED_VARIABLE]) if RECEIVED_VARIABLE in os.environ else None
    archiving = Archiving(controller, access, received_in, options.folder, limits)
    build_page(server, controller, viewer, archiving)
    routes = Routes(controller, options.folder, limits)

    @server.controller.add("on_server_bind")
    def _bind(wslink_server) -> None:
        middlewares = only_with(key), in_the_language_of(server.speak)
        wslink_server.app.middlewares.extend(middlewares)
        routes.add_to(wslink_server.app)

    @server.controller.add("on_server_ready")
    def _ready(**_) -> None:
        print(READY_LINE, flush=True)  # trame keeps wslink from saying it

    return server


def _end_with_front(folder: Path) -> None:
    """Leaves no process and no upload behind when the front was killed."""
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written there, and its end closes it
    shutil.rmtree(folder.parent, ignore_errors=True)  # the session's own, with its temporary files
    os._exit(1)


def _bound_memory() -> None:
    """So that one session cannot end the others; wslink's own way takes the gigabytes that a
    message announces."""
    wslink_protocol.UnChunker = StreamUnChunker
    with suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text(
            "1000"
        )  # where memory ends, this process does: not the front


def _keep_traces() -> None:
    """wslink tells a browser where in the server's files something failed; the log has it, too."""
    send = wslink_protocol.WslinkHandler.sendWrappedError

    async def send_without_trace(self, rpcid, code, message, data=None, client_id=None):
        named = {"method": data["method"]} if isinstance(data, dict) else data
        return await send(self, rpcid, code, message, named, client_id)

    wslink_protocol.WslinkHandler.sendWrappedError = send_without_trace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--folder", type=Path, required=True, help="for uploads; deleted with the session"
    )
    parser.add_argument("--weights", default="open")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--max-upload-gb", type=float, default=4.0)
    options = parser.parse_args()
    Thread(target=_end_with_front, args=(options.folder,), daemon=True).start()
    _bound_memory()
    _keep_traces()
    server = make_server(options, os.environ[KEY_VARIABLE], os.environ[NETWORKS_VARIABLE])
    server.start(
        port=options.port,
        host="127.0.0.1",
        open_browser=False,
        show_connection_info=False,
        timeout=0,
    )


if __name__ == "__main__":
    main()
