"""Ctrl-C, also where native code swallows it.

Python raises ``KeyboardInterrupt`` in whatever bytecode comes next. When that is a function which a C library
called back, such as the one that hands XGBoost its data, ctypes prints the exception and drops it: the library
fails with an error that says nothing of the keyboard, or goes on, perhaps without the data. What was asked for
is therefore remembered; who called the library asks again after it.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

EXIT_CODE: Final = 128 + signal.SIGINT
_asked = False


def remember() -> None:
    """From now on, remember that Ctrl-C was pressed; it is raised as before. Only for the main thread.

    A process that was started to ignore it, as by ``nohup``, goes on ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
        sys.unraisablehook = _dropped


def asked() -> bool:
    """Return whether Ctrl-C was pressed since :func:`remember`."""
    return _asked


def raise_if_asked() -> None:
    """Raise the ``KeyboardInterrupt`` that a library may have dropped."""
    if _asked:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
    signal.default_int_handler(number, frame)


def _dropped(what: sys.UnraisableHookArgs) -> None:
    """Print what could not be raised, but for the interruption that is answered later."""
    if not issubclass(what.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(what)
