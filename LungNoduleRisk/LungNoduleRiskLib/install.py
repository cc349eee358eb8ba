"""The Python packages that assessing needs: installed when the user first assesses, never when the
module opens."""

from __future__ import annotations

import importlib
import shutil
from importlib.metadata import PackageNotFoundError, version
from subprocess import CalledProcessError

from LungNoduleRiskLib import resource
from nodulerisk.errors import NoduleRiskError

REQUESTER = "Lung Nodule Risk"
TORCH = "torch>=2.4"
NO_PYTORCH_EXTENSION = (
    "the PyTorch extension is missing: install it in the Extensions Manager and restart Slicer"
)
PIP_FAILED = (
    "pip failed: no network, or packages that do not fit together; the Python console shows what it"
    " said"
)


def ensurePackages() -> None:
    """Installs what is missing once the user agrees; nothing is remembered, so that another call
    tries again.

    Torch goes first, since after the others Slicer may offer to restart.

    Raises:
        NoduleRiskError: the user declined, pip failed, or the PyTorch extension is missing (fault
            41).
    """
    try:
        _install()
    except CalledProcessError as error:
        raise _refusal(PIP_FAILED) from error
    except (RuntimeError, ImportError, OSError) as error:
        raise _refusal(str(error)) from error
    missing = missingPackages()
    if missing:
        raise _refusal(f"still missing: {', '.join(missing)}")


def missingPackages() -> list[str]:
    """The requirements that Slicer's Python does not satisfy."""
    from slicer.packaging import pip_check

    importlib.invalidate_caches()  # pip runs in a process of its own
    return [str(requirement) for requirement in _requirements() if not pip_check(requirement)]


def dependencyStatus() -> str:
    """One line per requirement: its name, and the installed version or ``missing``."""
    return "\n".join(
        f"{requirement.name} {_installed(requirement.name)}" for requirement in _requirements()
    )


def _install() -> None:
    from slicer import packaging

    if not packaging.pip_check(TORCH):
        _installTorch()
    packaging.pip_ensure(
        packaging.load_requirements(resource("requirements.txt")), requester=REQUESTER
    )


def _installTorch() -> None:
    """The PyTorch extension picks the build for this computer's GPU; it also imports torch, but
    only this once."""
    from packaging.requirements import Requirement

    try:
        from PyTorchUtils import PyTorchUtilsLogic
    except ImportError as error:
        raise _refusal(NO_PYTORCH_EXTENSION) from error
    versions = str(Requirement(TORCH).specifier)
    if (
        PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=versions)
        is None
    ):
        raise _refusal("PyTorch was declined")


def _requirements() -> list:
    from packaging.requirements import Requirement
    from slicer.packaging import load_requirements

    return [*load_requirements(resource("requirements.txt")), Requirement(TORCH)]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _refusal(reason: str) -> NoduleRiskError:
    python = shutil.which("PythonSlicer") or "PythonSlicer"
    return NoduleRiskError(
        f"The Python packages that assessing needs are not installed ({reason}). To try again,"
        " press Assess again; "
        f'or run this in a terminal: "{python}" -m pip install -r "{resource("requirements.txt")}"'
        f' "{TORCH}". '
        "Behind a proxy, set the environment variable HTTPS_PROXY before you start Slicer."
    )
