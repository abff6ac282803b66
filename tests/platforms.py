"""Where the pinned packages have wheels: this machine, by its names, or every supported one, by the index.

``python tests/platforms.py`` needs no package and says in one line if nothing can be installed here;
``python -m tests.platforms --every`` resolves `requirements.txt` for each platform and Python, wheels only.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
# As uv names them, by system and machine as Python names them.
PLATFORMS = {
    ("Linux", "x86_64"): "x86_64-manylinux_2_28",
    ("Linux", "aarch64"): "aarch64-manylinux_2_28",
    ("Darwin", "arm64"): "aarch64-apple-darwin",
    ("Windows", "AMD64"): "x86_64-pc-windows-msvc",
}
PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
GLIBC, MACOS = (2, 28), (13,)
_UV_INSTALL = (sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--quiet", "--only-binary=:all:")
OFFERED = "Linux with glibc 2.28 or newer and macOS 13 or newer on arm64, Linux and Windows on x86-64"


def problem(system: str, machine: str, version: str, python: tuple[int, int]) -> str | None:
    """Say in one line why the pinned packages have no wheels for a machine, or None where they have.

    Parameters
    ----------
    system, machine : str
        As :mod:`platform` names them.
    version : str
        Of glibc on Linux, empty with another C library; of macOS on a Mac.
    python : tuple of int
    """
    if python > PYTHONS[-1]:
        newest = ".".join(map(str, PYTHONS[-1]))
        return f"Python {python[0]}.{python[1]} is newer than {newest}: make setup PYTHON=python{newest}"
    least = {"Linux": GLIBC, "Darwin": MACOS}.get(system, ())
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    if (system, machine) in PLATFORMS and numbers >= least:
        return None
    known = f" {version}" if version else " without glibc" if system == "Linux" else ""
    return f"{system} on {machine}{known} is none of: {OFFERED}"


def here() -> str | None:
    """Say why nothing can be installed on this machine, or None."""
    system = platform.system()
    name, version = platform.libc_ver() if system == "Linux" else ("", platform.mac_ver()[0])
    if system == "Linux" and name != "glibc":
        version = ""
    return problem(system, platform.machine(), version, sys.version_info[:2])


def every() -> bool:
    """Resolve the pins for every platform and Python, a line each, and return whether all have wheels."""
    done = True
    for name in PLATFORMS.values():
        for python in (".".join(map(str, one)) for one in PYTHONS):
            failed = _refused("--require-hashes", "-r", str(REQUIREMENTS), "--python-platform", name,
                              "--python-version", python)  # fmt: skip
            print(f"{name:<24} Python {python:<6}{failed or 'wheels for every package'}", flush=True)
            done &= not failed
    return done


def _refused(*arguments: str) -> str:
    """Return what uv says against an installation, nothing where it would install."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*_UV_INSTALL, "--target", folder]
        found = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    return " ".join(found.stderr.split()) or "refused" if found.returncode else ""


def main() -> None:
    """Check this machine, or every platform."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", action="store_true", help="every platform, by the package index")
    if parser.parse_args().every:
        if _refused("--no-deps", "packaging"):
            print("platforms: skipped, since no package index answers")
        elif not every():
            sys.exit(1)
    elif found := here():
        sys.exit(f"Some pinned package has no wheel for this machine: {found}")


if __name__ == "__main__":
    main()
