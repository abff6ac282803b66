"""Nothing that prepares, trains, scores or promotes talks to anybody: no socket is opened at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.place import SAMPLE, SETTINGS

# Every Python process that inherits the environment writes down what it does with sockets.
WATCH = """
import os, sys

def watch(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":  # which opens none
        with open(os.environ["SEEN_SOCKETS"], "a") as file:
            file.write(f"{sys.argv[:3]}: {event}\\n")

sys.addaudithook(watch)
"""
ALL_IN_ONE = """
import json, sys
from pathlib import Path
from tests import commandline

for argv in json.loads(sys.argv[1]):
    done = commandline.run(*argv, cwd=Path.cwd())
    assert done.returncode == 0, (argv, done.stderr)
"""


@pytest.fixture
def watched(tmp_path: Path):
    """Run a Python command that is watched; return what it and its children did with sockets."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    seen = tmp_path / "seen"
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tmp_path / 'watch'}{os.pathsep}{Path(__file__).parents[1]}",
        "SEEN_SOCKETS": str(seen),
    }

    def run(*argv: str) -> str:
        seen.write_text("")
        done = subprocess.run(
            [sys.executable, *argv],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return seen.read_text()

    return run


def test_a_socket_of_a_child_is_seen(watched):
    inner = "import socket; socket.socket().close()"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"
    assert "socket.__new__" in watched("-c", outer)


@pytest.mark.slow
def test_ingest_train_score_and_promote_open_no_socket(watched, tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mlsys.toml").write_text(SETTINGS)
    roles = {"customers": "customers", "noncustomers": "noncustomers", "usage": "usage_actions"}
    commands = [
        ["sample", "tables", *SAMPLE],
        ["ingest", *(f"--{role}=tables/{name}.csv" for role, name in roles.items())],
        ["train"],
        ["promote", "1.0.0", "--force", "--reason", "to be watched"],
        ["score", "tables/noncustomers.csv", "--out", "ranked.csv"],
    ]
    assert not watched("-c", ALL_IN_ONE, json.dumps(commands))
    assert (tmp_path / "ranked.csv").is_file()
