"""Ctrl-C ends a command with the shell's code for it, wherever it strikes, and says nothing of errors."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.conftest import hear_ctrl_c

# Ends at once where it strikes, or else as soon as XGBoost has its data.
WHERE = {
    "in Python": """
signal.raise_signal(signal.SIGINT)
print("went on")
""",
    "in functions that XGBoost calls back": """
import numpy, time, xgboost

class Data(xgboost.DataIter):
    given = False

    def next(self, input_data):
        signal.raise_signal(signal.SIGINT)
        if self.given:
            return False
        self.given = True
        input_data(data=numpy.eye(9), label=numpy.arange(9))
        return True

    def reset(self):
        signal.raise_signal(signal.SIGINT)
        self.given = False

xgboost.QuantileDMatrix(Data())
time.sleep(30)
print("went on")
""",
}
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
        [sys.executable, "-c", command], input=text, capture_output=True, text=True, timeout=300, check=False,
        preexec_fn=hear_ctrl_c,
    )  # fmt: skip


@pytest.mark.parametrize("where", WHERE)
def test_ctrl_c_is_no_error(where):
    done = run(WHERE[where])
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert not done.stdout
    assert not done.stderr.strip()


def test_who_ignores_ctrl_c_goes_on():
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    done = run(WHERE["in Python"], ignoring + COMMAND)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "went on\n"
