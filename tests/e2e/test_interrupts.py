"""Ctrl-C ends a command with the shell's code for it, wherever it strikes, and says nothing of errors."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

# The signal comes while XGBoost calls back for its data: there ctypes drops a KeyboardInterrupt.
WHERE = {
    "in Python": "signal.raise_signal(signal.SIGINT)",
    "in a function that XGBoost calls back": """
import numpy, xgboost

class Data(xgboost.DataIter):
    def next(self, input_data):
        signal.raise_signal(signal.SIGINT)
        return False

    def reset(self):
        pass

xgboost.QuantileDMatrix(Data())
""",
    "before a library fails of it": """
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    raise RuntimeError("no data")
""",
}
# A Ctrl-C that was dropped without a trace, and a fit after it.
DROPPED = """
import ctypes
from tests.model import world as w

def pressed():
    signal.raise_signal(signal.SIGINT)

ctypes.CFUNCTYPE(None)(pressed)()
print("dropped")
w.fitted_at(w.small_world(), w.CUTOFF, w.settings())
print("went on")
"""
COMMAND = """
import signal, sys
from ml_sys import cli

@cli.app.command("pressed")
def pressed():
    exec(sys.stdin.read(), {"signal": signal})

sys.argv = ["mlsys", "pressed"]
cli.main()
"""


def run(text: str, command: str = COMMAND) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", command],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=PROJECT,
    )


@pytest.mark.parametrize("where", WHERE)
def test_ctrl_c_is_no_error(where):
    done = run(WHERE[where])
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert "--debug" not in done.stderr
    assert "Traceback" not in done.stderr


def test_no_fit_is_used_during_which_ctrl_c_was_dropped():
    done = run(DROPPED)
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert done.stdout == "dropped\n"


def test_an_error_without_ctrl_c_stays_one():
    done = run("raise RuntimeError('no data')")
    assert done.returncode == 1
    assert "no data" in done.stderr


def test_who_ignores_ctrl_c_goes_on():
    done = run(WHERE["in Python"], "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)" + COMMAND)
    assert done.returncode == 0, done.stderr
