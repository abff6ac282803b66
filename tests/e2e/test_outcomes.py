"""Lists that were drawn and handed out week by week, and what came of them, by the commands alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ml_sys.data.snapshot import latest
from ml_sys.text import date_of

CALLS, WEEKS = 20, 4
LOTTERY = ("--set", "experiment.design=lottery", "--set", f"threshold.capacity={CALLS}")


@pytest.fixture
def place(registered, tmp_path) -> Path:
    return Path(shutil.copytree(registered, tmp_path / "artifacts"))


def test_lists_drawn_week_by_week_tell_what_being_called_did(mlsys, place, three_tables):
    last = latest(place).as_of - 35
    days = [date_of(last - 7 * back) for back in reversed(range(WEEKS))]
    for day in days:
        asked = ("score", three_tables / "noncustomers.csv", "--as-of", day, "--hand-out")
        done = mlsys(*asked, *LOTTERY, artifacts=place)
        assert done.returncode == 0, done.stderr
    shown = mlsys("impact", "--json", artifacts=place)
    assert shown.returncode == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert [one["cutoff"] for one in told["lists"]] == days
    assert [one["calls"] for one in told["lists"]] == [CALLS] * WEEKS
    # Everybody is in one pool only, since all windows overlap.
    assert told["companies"] == 2 * CALLS * WEEKS
    assert told["effect"]["design"] == "lottery"
    assert (told["effect"]["drawn"], told["effect"]["waited"]) == (CALLS * WEEKS, CALLS * WEEKS)
    again = mlsys("impact", artifacts=place)
    assert "What being called did" in again.stdout
