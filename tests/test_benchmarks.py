"""Every benchmark runs; what it measures is for people to read."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from ml_sys.registry.audit import Change
from ml_sys.registry.store import Registry
from tests.bench.__main__ import BENCHMARKS, BY_NAME, parser


def test_the_help_lists_every_benchmark_with_what_it_measures():
    shown = parser().format_help()
    for name in (*BENCHMARKS, *BY_NAME):
        (line,) = [line for line in shown.splitlines() if line.split()[:1] == [name]]
        assert len(line.split()) > 4


@pytest.mark.slow  # each is a process of its own, most start others
@pytest.mark.parametrize("name", [*BENCHMARKS, *BY_NAME])
def test_a_benchmark_runs_at_its_smallest_size(name, registered, tmp_path):
    copied = shutil.copytree(registered, tmp_path / "artifacts")
    Registry(copied).promote("1.0.0", None, Change("test"))
    command = [sys.executable, "-m", "tests.bench", name, "--smallest", "--artifacts", str(copied)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 1
