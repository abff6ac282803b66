"""Short runs of the two scripts that torment the registry; the long ones are run by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.outcomes import postgresql

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="processes are forked and killed"),
]


def torture(*argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", *argv],
        capture_output=True, text=True, timeout=1800, check=False, cwd=Path(__file__).parents[2],
        # What is killed while it writes its coverage leaves a broken file of it behind.
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert " 0 failures" in done.stdout
    return done.stdout


def test_commands_killed_at_random_lose_no_version_and_stop_no_other():
    said = torture("kill", "--rounds", "8", "--seed", "3")
    assert " killed " in said
    assert "inside" in said


def test_commands_at_the_same_time_lose_no_update():
    said = torture("race", "--seconds", "6", "--processes", "4")
    assert "add " in said
    assert "records " in said


def test_weeks_killed_in_every_step_are_completed_by_the_next_run():
    said = torture("kill", "--weekly", "--rounds", "12", "--seed", "3")
    assert said.count("killed in ") == 8  # every step


def test_weeks_killed_in_every_step_are_completed_on_postgresql_as_well():
    if postgresql.binaries() is None:
        pytest.skip("there is no PostgreSQL here: apt install postgresql")
    said = torture("kill", "--weekly", "--postgresql", "--rounds", "8", "--seed", "4")
    assert " killed " in said
