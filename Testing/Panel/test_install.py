"""Missing packages are installed by the real pip, into a throw-away environment, from packages made
here."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from subprocess import CalledProcessError
from types import SimpleNamespace
from zipfile import ZipFile

import pytest
import slicer

from LungNoduleRiskLib import install, resource
from nodulerisk.errors import NoduleRiskError

ABSENT = [
    "h5py",
    "jinja2",
    "matplotlib",
    "openvino",
    "platformdirs",
    "plotly",
    "safetensors",
    "skimage",
    "torch",
]


@dataclass
class User:
    """Answers Slicer's question whether to install; what was asked."""

    agrees: bool = True
    asked: list[str] = field(default_factory=list)

    def __call__(self, question: str, *title, **details) -> bool:
        self.asked.append(question)
        return self.agrees


@pytest.fixture(autouse=True)
def user(host, monkeypatch) -> User:
    """At the stand-in Slicer; other boxes are dismissed at once."""
    user = User()
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", user)
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda *text, **details: None)
    return user


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch) -> Path:
    """An empty environment that PythonSlicer installs into, whose packages this process sees as
    well: site-packages."""
    venv.create(tmp_path / "slicer", with_pip=False)
    python, launcher = (
        tmp_path / "slicer" / "bin" / "python",
        tmp_path / "slicer" / "bin" / "PythonSlicer",
    )
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", str(launcher.parent), prepend=":")
    monkeypatch.setenv("PIP_PYTHON", str(python))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    base = {"base": str(tmp_path / "slicer"), "platbase": str(tmp_path / "slicer")}
    packages = Path(sysconfig.get_path("purelib", "venv", base))
    monkeypatch.syspath_prepend(packages)
    return packages


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """The only place where pip looks: a folder of wheels."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def needs(tmp_path, monkeypatch):
    """Lets the module need these packages: `needs("one>=2", "two")`; and of torch what this Python
    has, unless said."""

    def need(*requirements: str, torch: str = f"torch=={version('torch')}"):
        path = tmp_path / "with blank" / "requirements.txt"
        path.parent.mkdir()
        path.write_text("# needed\n" + "\n".join(requirements) + "\n")
        monkeypatch.setattr(install, "resource", {"requirements.txt": path}.get)
        monkeypatch.setattr(install, "TORCH", torch)
        return path

    return need


def wheel(folder: Path, name: str, number: str, *requires: str) -> None:
    """A package with nothing in it but its name, version and needs; its module says the
    version."""
    info = f"{name}-{number}.dist-info"
    needed = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    with ZipFile(folder / f"{name}-{number}-py3-none-any.whl", "w") as file:
        file.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n{needed}"
        )
        file.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr(f"{name}.py", f"__version__ = {number!r}\n")
        files = f"{name}.py", f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD"
        file.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in files))


def refused() -> NoduleRiskError:
    """The refusal that must come, which always says what to do."""
    with pytest.raises(NoduleRiskError) as caught:
        install.ensurePackages()
    message = str(caught.value)
    assert re.search(
        r'PythonSlicer" -m pip install -r "/.*with blank/requirements.txt" "\w*torch.*"', message
    )
    assert "press the button again" in message and "HTTPS_PROXY" in message
    return caught.value


def test_what_is_missing_is_installed_once_the_user_agrees(user, needs, index, environment):
    needs("tinyone>=2", "tinytwo")
    wheel(index, "tinyone", "1.0")
    wheel(index, "tinyone", "2.1", "tinythree")
    wheel(index, "tinytwo", "1.0")
    wheel(index, "tinythree", "1.0")
    assert install.missingPackages() == ["tinyone>=2", "tinytwo"]
    install.ensurePackages()
    assert len(user.asked) == 1 and user.asked[0].startswith("2 Python packages")
    assert install.missingPackages() == []
    assert sorted(path.name for path in environment.glob("*.dist-info")) == [
        "tinyone-2.1.dist-info",
        "tinythree-1.0.dist-info",
        "tinytwo-1.0.dist-info",
    ]


def test_nothing_is_asked_where_nothing_is_missing(user, needs):
    needs("numpy>=1.26")
    install.ensurePackages()
    assert user.asked == []


def test_fault_41_without_a_network_it_is_refused_and_a_retry_works(needs, index, monkeypatch):
    needs("tinyone")
    wheel(index, "tinyone", "1.0")
    with monkeypatch.context() as away:
        away.delenv("PIP_NO_INDEX")
        away.delenv("PIP_FIND_LINKS")
        away.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
        away.setenv("PIP_RETRIES", "0")
        error = refused()
    assert "pip failed" in str(error) and isinstance(error.__cause__, CalledProcessError)
    assert install.missingPackages() == ["tinyone"]
    install.ensurePackages()
    assert install.missingPackages() == []


def test_fault_41_packages_that_do_not_fit_together_are_refused(needs, index, environment):
    needs("tinyone", "tinytwo")
    wheel(index, "tinyone", "1.0", "tinythree==1.0")
    wheel(index, "tinytwo", "1.0", "tinythree==2.0")
    wheel(index, "tinythree", "1.0")
    wheel(index, "tinythree", "2.0")
    assert isinstance(refused().__cause__, CalledProcessError)
    assert not any(environment.iterdir())


def test_fault_41_a_user_who_declines_is_told_how_to_go_on(user, needs, index, environment):
    needs("tinyone")
    wheel(index, "tinyone", "1.0")
    user.agrees = False
    assert "declined" in str(refused())
    assert not any(environment.iterdir())


def test_fault_41_without_the_pytorch_extension_nothing_else_is_asked(user, needs):
    needs("tinyone", torch="tinytorch>=2.4")
    assert "PyTorch extension is missing: install it in the Extensions Manager" in str(refused())
    assert user.asked == []


@pytest.fixture
def pytorch(monkeypatch):
    """The PyTorch extension, in a Slicer where it answers with this: `pytorch(installTorch)`."""

    def extension(installTorch):
        logic = SimpleNamespace(installTorch=installTorch)
        monkeypatch.setitem(
            sys.modules, "PyTorchUtils", SimpleNamespace(PyTorchUtilsLogic=lambda: logic)
        )

    return extension


def test_torch_comes_by_the_pytorch_extension(needs, index, pytorch):
    def installTorch(askConfirmation, torchVersionRequirement):
        assert askConfirmation
        subprocess.run(
            ["PythonSlicer", "-m", "pip", "install", "tinytorch" + torchVersionRequirement],
            check=True,
        )
        return "torch"

    needs("numpy", torch="tinytorch>=2.4")
    wheel(index, "tinytorch", "2.3")
    wheel(index, "tinytorch", "2.5")
    pytorch(installTorch)
    install.ensurePackages()
    assert version("tinytorch") == "2.5"


def test_fault_41_a_user_who_declines_torch_is_asked_nothing_else(user, needs, pytorch):
    needs("tinyone", torch="tinytorch>=2.4")
    pytorch(lambda **choices: None)
    assert "PyTorch was declined" in str(refused())
    assert user.asked == []


def test_fault_41_what_the_pytorch_extension_cannot_install_is_refused(needs, pytorch):
    def installTorch(**choices):
        raise CalledProcessError(1, "light_the_torch")

    needs(torch="tinytorch>=2.4")
    pytorch(installTorch)
    assert "pip failed" in str(refused())


# What is loaded already (fault 83)


@pytest.fixture
def restart(monkeypatch):
    """Answers the offer to restart: `restart(agrees)`; the list grows with each restart."""

    def offer(agrees: bool) -> list[str]:
        restarts: list[str] = []
        monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", User(agrees))
        monkeypatch.setattr(slicer.util, "restart", lambda: restarts.append("now"), raising=False)
        return restarts

    return offer


@pytest.fixture
def loaded(index, monkeypatch):
    """Installs version 1 of a package and loads it, as Slicer has packages of its own loaded."""

    def load(name: str) -> None:
        wheel(index, name, "1.0")
        subprocess.run(["PythonSlicer", "-m", "pip", "install", f"{name}==1.0"], check=True)
        importlib.invalidate_caches()
        monkeypatch.setitem(sys.modules, name, importlib.import_module(name))

    return load


@pytest.mark.parametrize("agrees", [True, False])
def test_fault_83_an_old_version_that_is_loaded_asks_for_a_restart(
    needs, index, loaded, restart, agrees
):
    needs("tinyone>=2")
    loaded("tinyone")
    wheel(index, "tinyone", "2.0")
    restarts = restart(agrees)
    with pytest.raises(NoduleRiskError, match="is being restarted" if agrees else "restart Slicer"):
        install.ensurePackages()
    assert version("tinyone") == "2.0" and len(restarts) == agrees
    with pytest.raises(NoduleRiskError, match="tinyone 1.0.*restart Slicer"):
        install.ensurePackages()  # until it was restarted
    assert len(restarts) == agrees


def test_a_loaded_package_that_names_its_build_is_not_taken_for_an_old_one(
    needs, loaded, monkeypatch
):
    needs("tinyone>=1")
    loaded("tinyone")
    built = "2026.4.1-22982-e213a147257-releases/2026/4"  # as OpenVINO says it
    monkeypatch.setattr(sys.modules["tinyone"], "__version__", built, raising=False)
    install.ensurePackages()


@pytest.mark.parametrize("agrees", [True, False])
def test_fault_83_a_restart_for_a_package_of_others_ends_the_action_too(
    needs, index, loaded, restart, agrees
):
    needs("tinytwo")
    loaded("tinythree")
    wheel(index, "tinytwo", "1.0", "tinythree>=2")
    wheel(index, "tinythree", "2.0")
    restarts = restart(agrees)
    if agrees:
        with pytest.raises(NoduleRiskError, match="is being restarted"):
            install.ensurePackages()
    else:
        install.ensurePackages()
    assert len(restarts) == agrees


def test_fault_83_a_mac_without_pytorch_is_refused_by_name(user, needs, monkeypatch):
    needs("tinyone", torch="tinytorch>=2.4")
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with pytest.raises(NoduleRiskError, match="Macs with Intel processors"):
        install.ensurePackages()
    assert user.asked == []


def test_fault_83_what_an_action_needs_beside_is_installed_too(user, needs, index):
    needs("numpy>=1.26")
    wheel(index, "tinyone", "1.0")
    assert install.missingPackages("tinyone>=1") == ["tinyone>=1"]
    install.ensurePackages("tinyone>=1")
    assert install.missingPackages("tinyone>=1") == [] and len(user.asked) == 1


def test_slicers_own_tests_install_nothing(needs, index, environment, monkeypatch):
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: True)
    needs("tinyone")
    wheel(index, "tinyone", "1.0")
    assert "still missing: tinyone" in str(refused())
    assert not any(environment.iterdir())


def test_the_status_names_each_requirement_and_what_is_installed(needs):
    needs("numpy>=1.26", "tinyone>=2")
    assert install.dependencyStatus().splitlines() == [
        f"numpy {version('numpy')}",
        "tinyone missing",
        f"torch {version('torch')}",
    ]


def test_the_requirements_are_those_of_the_package():
    """Slicer's panel needs all but the terminal's packages; torch comes by the PyTorch
    extension."""
    from slicer.packaging import load_requirements

    project = tomllib.loads(
        (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    needed = [name for name in project["dependencies"] if not name.startswith(("rich", "typer"))]
    listed = [str(requirement) for requirement in load_requirements(resource("requirements.txt"))]
    assert sorted([*listed, install.TORCH]) == sorted(needed)


def test_the_panel_opens_in_a_slicer_without_the_packages():
    """Slicer brings the others: the panel must open, or nobody could press what installs these."""
    root = Path(__file__).parents[2]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({ABSENT})); from host import start;"
        " start().openModule()"
    )
    paths = os.pathsep.join([str(root / "LungNoduleRisk"), str(root / "Testing" / "Host")])
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": paths})
