"""The terminal speaks the language that is asked for."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from nodulerisk.cli import app
from nodulerisk.language.spoken import speaking

REFUSED = ["assess", "missing.nrrd", "--out", "out", "--point", "1,2"]
FEHLER, ERROR = "Fehler:", "Error:"


@pytest.fixture(autouse=True)
def english_afterwards():
    with speaking("en"):
        yield


@pytest.mark.parametrize(
    "arguments",
    [
        ["--language", "de", *REFUSED],
        ["--language=de", *REFUSED],
        [*REFUSED, "--language", "de"],
        [REFUSED[0], "--language=de", *REFUSED[1:]],
    ],
)
def test_a_refusal_is_in_the_language_asked_for(arguments):
    assert CliRunner().invoke(app, arguments).stderr.startswith(FEHLER)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LANG": "de_DE.UTF-8"}, FEHLER),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, ERROR),
        ({"LANG": "C.UTF-8", "LUNGNODULERISK_LANGUAGE": "de"}, FEHLER),
        ({"LANG": "pt_PT.UTF-8"}, ERROR),
    ],
)
def test_otherwise_the_environment_decides(variables, expected, monkeypatch):
    for name in ("LUNGNODULERISK_LANGUAGE", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert CliRunner().invoke(app, REFUSED, env=variables).stderr.startswith(expected)


def test_a_language_that_is_not_there_is_refused():
    refused = CliRunner().invoke(app, [*REFUSED, "--language", "fr"])
    assert refused.exit_code == 2 and "choose en, zh_CN, de, es" in refused.stderr


def test_without_a_command_the_help_is_shown():
    assert "Commands" in CliRunner().invoke(app, []).output
