"""On which machines set-up goes on, and what it says on the others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import platforms


@pytest.mark.parametrize(
    ("system", "machine", "version"),
    [
        ("Linux", "x86_64", "2.28"),
        ("Linux", "aarch64", "2.41"),
        ("Darwin", "arm64", "13.0"),
        ("Windows", "AMD64", ""),
    ],
)
def test_set_up_goes_on_where_every_package_has_a_wheel(system, machine, version):
    for python in platforms.PYTHONS:
        assert platforms.problem(system, machine, version, python) is None


@pytest.mark.parametrize(
    ("machine", "python", "said"),
    [
        (("Darwin", "x86_64", "14.2"), (3, 12), "Darwin on x86_64 14.2 is none of"),
        (("Darwin", "arm64", "12.7"), (3, 12), "Darwin on arm64 12.7 is none of"),
        (("Linux", "x86_64", "2.17"), (3, 12), "Linux on x86_64 2.17 is none of"),
        (("Linux", "x86_64", ""), (3, 12), "without glibc"),
        (("Linux", "riscv64", "2.41"), (3, 12), "Linux on riscv64"),
        (("Windows", "ARM64", ""), (3, 12), "Windows on ARM64"),
        (("Linux", "x86_64", "2.41"), (3, 15), "make setup PYTHON=python3.14"),
    ],
)
def test_elsewhere_one_line_says_why_not(machine, python, said):
    found = platforms.problem(*machine, python)
    assert said in found
    assert "\n" not in found


def test_the_check_of_this_machine_needs_no_package():
    done = subprocess.run([sys.executable, "-I", "-S", platforms.__file__], check=False)
    assert done.returncode == 0
