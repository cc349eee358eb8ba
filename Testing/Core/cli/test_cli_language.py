"""The terminal speaks the language that is asked for."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from nodulerisk.cli import app
from nodulerisk.language.spoken import use

REFUSED = ["assess", "missing.nrrd", "--out", "out", "--point", "1,2"]
FEHLER, ERROR = "Fehler:", "Error:"


@pytest.fixture(autouse=True)
def english_afterwards():
    yield
    use("en")


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


@pytest.mark.parametrize("name", ["zh", "zh-Hans", "zh_CN.UTF-8"])
def test_a_language_is_known_by_any_of_its_names(name):
    refused = CliRunner().invoke(app, [*REFUSED, "--language", name])
    assert refused.stderr.startswith("错误")


def test_a_language_that_is_not_there_is_refused():
    refused = CliRunner().invoke(app, [*REFUSED, "--language", "fr"])
    assert refused.exit_code == 2 and "choose en, zh_CN, de, es" in refused.stderr


def test_without_a_command_the_help_is_shown():
    assert "Commands" in CliRunner().invoke(app, []).output
