"""Ctrl-C, which must not strike inside a function that XGBoost calls back for its data.

Python raises ``KeyboardInterrupt`` in whatever bytecode comes next. In such a function ctypes prints the
exception, drops it, and hands the library a value that nobody chose: it fails, asks for data without end, or
ends the process over damaged memory. There Ctrl-C waits until the function is done, which takes milliseconds.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

# What ctypes calls, by module; all of a matrix's data come through them.
_CALLED_BACK: Final = {("xgboost.core", "_next_wrapper"), ("xgboost.core", "_reset_wrapper")}
_AGAIN_SECONDS: Final = 0.02
_again: threading.Timer | None = None


def install() -> None:
    """Answer Ctrl-C where it is safe, from now on; only for the main thread.

    A process that was started to ignore it, as by ``nohup``, goes on ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _again
    if _again is not None:  # however often it was pressed meanwhile, it is answered once
        _again.cancel()
        _again = None
    if not _is_called_back(frame):
        signal.default_int_handler(number, frame)
    main = threading.main_thread().ident
    _again = threading.Timer(_AGAIN_SECONDS, signal.pthread_kill, (main, number))
    _again.daemon = True
    _again.start()


def _is_called_back(frame: FrameType | None) -> bool:
    while frame is not None:
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) in _CALLED_BACK:
            return True
        frame = frame.f_back
    return False
