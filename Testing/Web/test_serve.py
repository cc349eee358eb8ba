"""``nodulerisk serve``: what it prints, what it refuses, and that the other commands do without
it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from typer.testing import CliRunner

from LungNoduleRiskWeb.front import server as front
from made_front import program
from nodulerisk.cli import app


def refused(*arguments: str) -> str:
    """Why."""
    result = CliRunner().invoke(app, ["serve", *arguments, "--weights", "none"])
    assert result.exit_code == 2, result.output
    return result.stderr


def test_other_machines_need_a_token():
    assert "--no-token is for 127.0.0.1 only" in refused("--host", "0.0.0.0", "--no-token")


def test_a_token_that_can_be_guessed_is_refused():
    assert "can be guessed" in refused("--token", "lung") and "can be guessed" in refused(
        "--token", ""
    )


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--tokens", "tokens", "--no-token"], "There is one way in"),
        (["--trust-user-header", "X-Remote-User"], "--trusted-proxy"),
        (["--trusted-proxy", "proxy"], "named by its address"),
        (["--tokens", "missing"], "cannot be read"),
        (["--root-path", "//elsewhere.example"], "--root-path"),
        (["--root-path", "nodules"], "--root-path"),
        (["--root-path", "/.."], "--root-path"),
        (["--root-path", "/a\r\nSet-Cookie: x"], "--root-path"),
    ],
)
def test_a_way_in_that_is_not_meant_or_not_safe_is_refused(options, why):
    assert why in " ".join(refused(*options).split())


def test_a_key_without_a_certificate_is_refused():
    assert "--certificate" in refused("--key-file", "key.pem")


def test_what_it_means_to_let_other_machines_in_is_said():
    said = refused("--host", "0.0.0.0", "--port", "0")
    assert (
        "every machine on its network" in said and "only lock" in said and "not encrypted" in said
    )


def test_a_port_in_use_is_reported():
    with closing(front.listening("127.0.0.1", 0)) as taken:
        said = refused("--port", str(taken.getsockname()[1]))
    assert "in use" in said and "--port" in said


@pytest.mark.parametrize(
    ("host", "port"), [("192.0.2.1", 0), ("127.0.0.1", 70000), ("nowhere.invalid", 0)]
)
def test_a_host_or_port_that_cannot_be_used_is_reported(host, port):
    with pytest.raises(front.ServeError, match="cannot be used"):
        front.listening(host, port)


@pytest.mark.parametrize(
    ("host", "token", "opens"),
    [
        ("127.0.0.1", "a&b", "http://127.0.0.1:8765/#token=a%26b"),
        ("::1", None, "http://[::1]:8765/"),
        ("0.0.0.0", "t", f"http://{socket.gethostname()}:8765/#token=t"),
    ],
)
def test_the_address_to_open(host, token, opens):
    assert front.address(host, 8765, front.Door(token=token), None) == opens


def test_without_the_extra_it_says_what_to_install():
    hidden = (
        "import sys; sys.modules['aiohttp'] = None; from nodulerisk.cli import app; app(['serve'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", hidden], capture_output=True, text=True, timeout=60
    )
    assert "pip install 'nodulerisk[web]'" in result.stderr and "Traceback" not in result.stderr


def test_it_opens_with_what_it_prints_and_ends_with_ctrl_c():
    with program(
        [sys.executable, "-m", "nodulerisk.cli", "serve", "--port", "0"], dict(os.environ)
    ) as serving:
        url = next(line.split()[1] for line in serving.stdout if line.startswith("Open"))
        place, token = re.fullmatch(r"(http://127\.0\.0\.1:\d+/)#token=([\w-]{43})", url).groups()
        assert urlopen(f"{place}healthz").read() == b"ok"
        for given, status in ((token, "404"), ("another token", "403")):
            asked = Request(f"{place}nowhere", headers={"Authorization": f"Bearer {given}"})
            with pytest.raises(HTTPError, match=status):
                urlopen(asked)
        loaded = Path(f"/proc/{serving.pid}/maps").read_text()
        assert "libtorch" not in loaded and "slicer" not in loaded
        serving.send_signal(signal.SIGINT)
        assert serving.wait(timeout=10) == 0


def test_fault_46_a_token_of_the_users_own_is_not_printed():
    own = {**os.environ, "NODULERISK_TOKEN": "a token of the hospital's own"}
    with program([sys.executable, "-m", "nodulerisk.cli", "serve", "--port", "0"], own) as serving:
        line = next(line for line in serving.stdout if line.startswith("Open"))
    assert line.rstrip().endswith("/#token=…, with your token") and "hospital" not in line
