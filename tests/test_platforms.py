"""On which machines set-up goes on, and what it says on the others."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import platforms

PROJECT = Path(__file__).parents[1]


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


@pytest.fixture
def ask_index(tmp_path):
    """Ask an index of packages at an address about every platform, as `make platforms` does."""

    def ask(address: str) -> subprocess.CompletedProcess[str]:
        own = {"UV_DEFAULT_INDEX": address, "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_HTTP_RETRIES": "0"}
        command = [sys.executable, "-m", "tests.platforms", "--every"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
        return subprocess.run(
            command, cwd=PROJECT, env={**environment, **own}, capture_output=True, text=True, check=False
        )

    return ask


def test_where_no_index_answers_one_line_says_so_and_nothing_fails(ask_index):
    with socket.socket() as bound:  # and nobody listens
        bound.bind(("127.0.0.1", 0))
        done = ask_index(f"http://127.0.0.1:{bound.getsockname()[1]}/simple")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "platforms: skipped, since no package index answers\n"


class Pages(SimpleHTTPRequestHandler):
    """The files in a folder, without a word on stderr."""

    def log_message(self, *arguments):
        pass


class Index(ThreadingHTTPServer):
    """A package index that many may ask at once."""

    request_queue_size = 500


@pytest.mark.slow
def test_a_pin_without_a_wheel_fails_where_an_index_answers(ask_index, tmp_path):
    page = tmp_path / "simple" / "packaging"
    page.mkdir(parents=True)
    (page / "index.html").write_text('<a href="packaging-1.0-py3-none-any.whl">packaging</a>')
    with zipfile.ZipFile(page / "packaging-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            "packaging-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: packaging\nVersion: 1.0"
        )
        wheel.writestr("packaging-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any")
        wheel.writestr("packaging-1.0.dist-info/RECORD", "")
    with Index(("127.0.0.1", 0), partial(Pages, directory=tmp_path)) as index:
        answering = threading.Thread(target=index.serve_forever)
        answering.start()
        done = ask_index(f"http://127.0.0.1:{index.server_port}/simple")
        index.shutdown()
        answering.join()
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert len(lines) == len(platforms.PLATFORMS) * len(platforms.PYTHONS)
    assert all("not found in the package registry" in line for line in lines)
