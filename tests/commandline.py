"""The command line without a new interpreter: the same arguments, streams and exit code, in this process."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from ml_sys.cli import main


def run(*args: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``mlsys`` with these arguments in a folder; what the process would be left with is put back.

    A warning is an error where our code or a test causes it, and stands on stderr otherwise, as in a process.
    """
    words = ["mlsys", *map(str, args)]
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    code = 0
    with (
        _own_state(words, cwd, environment),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _own_warnings(),
    ):
        try:
            main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
        except BaseException:
            traceback.print_exc()
            code = 1
    return subprocess.CompletedProcess(words, code, _text(out), _text(err))


@contextlib.contextmanager
def _own_state(words: list[str], cwd: Path, environment: dict[str, str]) -> Iterator[None]:
    argv, variables, ctrl_c = sys.argv, dict(os.environ), signal.getsignal(signal.SIGINT)
    path, modules = sys.path[:], set(sys.modules)
    loggers = [logging.getLogger(), logging.getLogger("ml_sys")]
    kept = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    sys.argv = words
    os.environ.update(environment)
    try:
        yield
    finally:
        sys.argv = argv
        sys.path[:] = path
        for name in (
            set(sys.modules) - modules
        ):  # what settings named in the folder is another module elsewhere
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(f"{cwd}{os.sep}"):
                del sys.modules[name]
        os.environ.clear()
        os.environ.update(variables)
        signal.signal(signal.SIGINT, ctrl_c)
        for logger, level, handlers in kept:
            logger.setLevel(level)
            logger.handlers[:] = handlers


@contextlib.contextmanager
def _own_warnings() -> Iterator[None]:
    """What the interpreter does by default, instead of pytest's record of warnings for its summary."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        for ignored in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", ignored)
        for ours in (r"ml_sys\b", r"tests\b"):
            warnings.filterwarnings("error", module=ours)
        warnings.showwarning = _show
        yield


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined] # the BytesIO it was made with
