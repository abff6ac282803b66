"""What can change a result besides data and settings: packages, Python, platform, processor, GPU, code."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

_PACKAGES = (
    "ml-sys", "imbalanced-learn", "lightgbm", "numba", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy",
    "skops", "xgboost", "xgboost-cpu",
)  # fmt: skip


def environment() -> dict[str, Any]:
    """Return package versions, Python, platform, processor and GPU."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = package_version(name)
        except PackageNotFoundError:  # xgboost has two names, and LightGBM is optional
            continue
    return {
        "packages": packages,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "gpu": gpu_model(),
    }


def cpu_model() -> str:
    """Return the processor's model; the last digits of a fit may differ between processors."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        told = ""
    named = (line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def gpu_model(drivers: Path = Path("/proc/driver/nvidia/gpus")) -> str:
    """Return the model of the first GPU that NVIDIA's Linux driver lists; empty if there is none."""
    for told in sorted(drivers.glob("*/information")):
        for line in told.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "Model":
                return value.strip()
    return ""


def git_state() -> dict[str, Any]:
    """Return the working folder's commit and whether it is dirty; empty outside a repository."""
    try:
        commit, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": commit, "dirty": bool(status)}


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - fixed words
    return done.stdout.strip()
