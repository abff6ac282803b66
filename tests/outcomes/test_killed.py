"""Killed at random instants while lists are handed out: none is recorded in part, and none is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ml_sys.outcomes.store import opened_store
from ml_sys.settings import Settings

ROOT = Path(__file__).parents[2]
COMPANIES = 3000
ROUNDS = 10
# Hands out a list of every day from the first on that has none, and says each that is recorded.
HAND_OUT = """
import sys
from ml_sys.outcomes.lists import ListEntry
from ml_sys.outcomes.store import opened_store
from ml_sys.settings import Settings
from tests.outcomes.test_store import listed
settings = Settings.model_validate({"artifacts_dir": sys.argv[1], "store": {"url": sys.argv[2]}})
with opened_store(settings) as store:
    print("open", flush=True)
    companies = [ListEntry(str(n), n + 1, 0.5, "A", n < 50, float(n < 50)) for n in range(int(sys.argv[3]))]
    for day in range(len(store.lists()), 10_000):
        store.hand_out(listed(str(day), day, recorded=len(companies)), companies)
        print(day, flush=True)
"""


@pytest.mark.slow
def test_a_writer_killed_at_any_instant_leaves_whole_lists_and_the_next_one_goes_on(
    store_settings: Settings,
) -> None:
    rng = np.random.default_rng(7)
    arguments = [str(store_settings.artifacts_dir), store_settings.store.url, str(COMPANIES)]
    said = -1
    for number in range(ROUNDS):
        with subprocess.Popen(
            [sys.executable, "-c", HAND_OUT, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "open\n"
            days = [writer.stdout.readline() for _ in range(number % 2)]  # each other one has time for a list
            time.sleep(rng.uniform(0, 0.4))
            writer.send_signal(signal.SIGKILL)
            days += writer.stdout.read().split()
        said = max([said, *map(int, days)])
        with opened_store(store_settings) as store:
            lists = store.lists(replaced=True)
            held = store.entries([one.list_id for one in lists]).groupby("list_id").size()
        assert [one.cutoff for one in lists] == list(range(len(lists)))
        assert len(lists) >= said + 1
        assert (held == COMPANIES).all()
        assert len(held) == len(lists)
    assert said > 0
