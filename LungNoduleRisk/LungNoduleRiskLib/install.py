"""The Python packages that assessing needs: installed when the user first assesses, never when the
module opens."""

from __future__ import annotations

import importlib
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

import slicer

from LungNoduleRiskLib import resource
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.spoken import say
from nodulerisk.language.texts import _

if TYPE_CHECKING:
    from packaging.requirements import Requirement

REQUESTER = "Lung Nodule Risk"
TORCH = "torch>=2.4"
EXPLAINING_NEEDS = "monai>=1.5"
IMPORTED_AS = {"pillow": "PIL", "scikit-image": "skimage"}  # the others by their own names
NO_PYTORCH_EXTENSION = _(
    "the PyTorch extension is missing: install it in the Extensions Manager and restart Slicer"
)
PIP_FAILED = _(
    "pip failed: no network, or packages that do not fit together; the Python console shows what it"
    " said"
)
INTEL_MAC = _(
    "This Slicer is built for Macs with Intel processors, for which PyTorch is no longer made. On a"
    " Mac with Apple silicon, install the Slicer that is built for it; otherwise use another"
    " computer."
)
RESTART = _(
    "These packages were updated, but Slicer still has the old versions loaded: {names}. Restart"
    " Slicer now?"
)


def ensurePackages(*also: str) -> None:
    """Installs what is missing once the user agrees; nothing is remembered, so that another call
    tries again.

    Torch goes first, since it is the one that may not be there for this computer.

    Args:
        also: requirements beside the module's own, of one action alone.

    Raises:
        NoduleRiskError: the user declined, pip failed, the PyTorch extension is missing (fault 41),
            there is no PyTorch for this computer, or Slicer must be restarted (fault 83).
    """
    if missingPackages(*also):
        _refuseIntelMac()
        before = _loadedPackages()
        _installMissing(also)
        _offerRestart(before)
    _refuseOutdated(also)


def missingPackages(*also: str) -> list[str]:
    """The requirements that Slicer's Python does not satisfy."""
    from slicer.packaging import pip_check

    importlib.invalidate_caches()  # pip runs in a process of its own
    return [str(needed) for needed in _requirements(*also) if not pip_check(needed)]


def dependencyStatus() -> str:
    """One line per requirement: its name, and the installed version or ``missing``."""
    return "\n".join(f"{one.name} {say(_installed(one.name))}" for one in _requirements())


def _installMissing(also: tuple[str, ...]) -> None:
    try:
        _install(also)
    except CalledProcessError as error:
        raise _refusal(PIP_FAILED, also) from error
    except (RuntimeError, ImportError, OSError) as error:
        raise _refusal(str(error), also) from error
    if missing := missingPackages(*also):
        raise _refusal(_("still missing: {names}").format(names=", ".join(missing)), also)


def _install(also: tuple[str, ...]) -> None:
    from packaging.requirements import Requirement
    from slicer import packaging

    if not packaging.pip_check(TORCH):
        _installTorch()
    needed = packaging.load_requirements(resource("requirements.txt"))
    packaging.pip_ensure(
        [*needed, *map(Requirement, also)],
        requester=REQUESTER,
        prompt_restart=False,  # whoever agrees to Slicer's own offer is not told from who does not
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
        raise _refusal(_("PyTorch was declined"))


def _refuseIntelMac() -> None:
    from slicer.packaging import pip_check

    if (sys.platform, platform.machine()) == ("darwin", "x86_64") and not pip_check(TORCH):
        raise NoduleRiskError(INTEL_MAC)


def _loadedPackages() -> dict[str, str]:
    """The installed version, by name, of each package of which something is loaded."""
    modules = packages_distributions().items()
    names = {name for module, names in modules if module in sys.modules for name in names}
    return {name: _installed(name) for name in names}


def _offerRestart(before: dict[str, str]) -> None:
    """Offers to restart Slicer where packages were updated that it had loaded; a restart ends the
    action that needed them."""
    importlib.invalidate_caches()
    changed = sorted(name for name, number in before.items() if _installed(name) != number)
    question = RESTART.format(names=", ".join(changed))
    if changed and slicer.util.confirmYesNoDisplay(say(question)):
        slicer.util.restart()
        raise NoduleRiskError(_("Slicer is being restarted."))


def _refuseOutdated(also: tuple[str, ...]) -> None:
    """Refuses to work with a package of which a version is loaded that is too old."""
    outdated = [
        f"{needed.name} {_loaded(needed)}"
        for needed in _requirements(*also)
        if not _serves(_loaded(needed), needed)
    ]
    if outdated:
        words = _(
            "Slicer has too old a version of a package loaded ({names}), and the new one is"
            " installed: restart Slicer."
        )
        raise NoduleRiskError(words.format(names=", ".join(outdated)))


def _loaded(needed: Requirement) -> str | None:
    """Version of a package that is loaded; None where it is not, or does not say."""
    module = sys.modules.get(IMPORTED_AS.get(needed.name, needed.name))
    number = vars(module).get("__version__") if module is not None else None
    return number if isinstance(number, str) else None


def _serves(number: str | None, needed: Requirement) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return number is None or needed.specifier.contains(Version(number), prereleases=True)
    except InvalidVersion:  # such as OpenVINO's, which ends with the build
        return True


def _requirements(*also: str) -> list[Requirement]:
    from packaging.requirements import Requirement
    from slicer.packaging import load_requirements

    listed = load_requirements(resource("requirements.txt"))
    return [*listed, Requirement(TORCH), *map(Requirement, also)]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return _("missing")


def _refusal(reason: str, also: tuple[str, ...] = ()) -> NoduleRiskError:
    python = shutil.which("PythonSlicer") or "PythonSlicer"
    named = " ".join(f'"{needed}"' for needed in (TORCH, *also))
    command = f'"{python}" -m pip install -r "{resource("requirements.txt")}" {named}'
    return NoduleRiskError(
        _(
            "The Python packages that this needs are not installed ({reason}). To try again, press"
            " the button again; or run this in a terminal: {command}. Behind a proxy, set the"
            " environment variable HTTPS_PROXY before you start Slicer."
        ).format(reason=reason, command=command)
    )
