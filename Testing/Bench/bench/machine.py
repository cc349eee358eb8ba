"""The machine that is measured, its libraries, and a process's memory."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
LIBRARIES = ("torch", "openvino", "numpy", "scipy")


def machine() -> dict[str, str]:
    """The machine and versions, in words, by heading."""
    memory_kb = _first(r"MemTotal:\s+(\d+)", "/proc/meminfo")
    return {
        "Date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Processor": _first(r"model name\s*:\s*(.+)", "/proc/cpuinfo")
        or platform.processor()
        or platform.machine(),
        "Vector units": ", ".join(flag for flag in FLAGS if flag in cpu_flags()) or "unknown",
        "Threads": f"{cores()} (every core this process may use)",
        "Memory": f"{int(memory_kb) / 1e6:.0f} GB" if memory_kb else "unknown",
        "Load before": f"{load():.1f}"
        + (" (other work was running: the times are too long)" if busy() else ""),
        "System": platform.platform(),
        "Python": platform.python_version(),
        "Libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float:
    """Processes that wanted to run in the last minute, on average."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def busy() -> bool:
    """Whether other work disturbs the measurement."""
    return load() > 0.3 * cores()


def cpu_flags() -> set[str]:
    """The processor's flags as Linux names them; empty elsewhere."""
    return set((_first(r"flags\s*:\s*(.+)", "/proc/cpuinfo") or "").split())


def multiplies_bf16() -> bool:
    """Whether a bf16 matrix product is done in hardware."""
    return bool(cpu_flags() & {"amx_bf16", "avx512_bf16"})


def peak_mb() -> float:
    """The most memory (MB) that this process has held; NaN if the system does not tell."""
    return float(_first(r"VmHWM:\s+(\d+)", "/proc/self/status") or "nan") / 1024


def _first(pattern: str, path: str) -> str | None:
    found = re.search(pattern, Path(path).read_text()) if Path(path).exists() else None
    return found[1].strip() if found else None
