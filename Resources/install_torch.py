"""Installs torch into an environment: ``install_torch.py PYTHON VERSION [cpu|cuda]``.

Linux's default build brings gigabytes of CUDA: without an NVIDIA GPU, or where the CPU is asked
for, the CPU build is taken, from wherever pip is set up to look, else from the PyTorch project's
own index.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def pip_install(python: str, *arguments: str, silent: bool = False) -> bool:
    command = [python, "-m", "pip", "install", "--quiet", *arguments]
    return subprocess.run(command, capture_output=silent).returncode == 0


def main() -> None:
    python, version, *asked = sys.argv[1:]
    cuda = asked == ["cuda"] or not asked and shutil.which("nvidia-smi")
    if sys.platform != "linux" or cuda:
        done = pip_install(python, f"torch=={version}")
    else:
        cpu_build = f"torch=={version}+cpu"
        done = pip_install(python, cpu_build, silent=True) or pip_install(
            python, cpu_build, "--index-url", CPU_INDEX
        )
    if not done:
        sys.exit(
            f"torch {version} could not be installed. Install torch into the environment by hand,"
            " then run make again."
        )


if __name__ == "__main__":
    main()
