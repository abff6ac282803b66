"""Configure standard logging: lines for people, or one JSON object per line.

Records go to stderr, never to stdout, which belongs to results. A ``conf/logging.toml`` in the current folder
replaces the defaults kept here, in the form of :func:`logging.config.dictConfig`.
"""

from __future__ import annotations

import logging.config
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

from ml_sys.errors import SettingsError, nearest
from ml_sys.text import visible

LOGGING_FILE = Path("conf/logging.toml")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

DEFAULTS: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "human": {"()": "ml_sys.logs.Lines", "fmt": "{levelname}: {message}", "style": "{"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "{levelname}{name}{message}",
            "style": "{",
            "rename_fields": {"levelname": "level", "name": "logger"},
            "timestamp": True,
        },
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "human"}
    },
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {"ml_sys": {"level": "INFO"}},
}


class Lines(logging.Formatter):
    """Lines for people, in which no character of an id or a name is a command to the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text, with a traceback's lines."""
        return visible(super().format(record), keep="\n\t")


def configure(*, json_lines: bool, level: str) -> None:
    """Set up logging for this process, replacing what was set up before.

    Parameters
    ----------
    json_lines : bool
        Write one JSON object a line: every handler takes the formatter named ``json``.
    level : str
        Lowest level of mlsys's own records, e.g. ``"debug"``, in any case; empty keeps the configuration's.

    Raises
    ------
    SettingsError
        If there is no such level, or ``conf/logging.toml`` cannot be read or used.
    """
    if level and level.upper() not in LEVELS:
        near = nearest(level, LEVELS)
        hint = f"did you mean {near}?" if near else f"one of {', '.join(LEVELS)}"
        raise SettingsError("--log-level", level, "is not a level", hint=hint)
    from_file = LOGGING_FILE.is_file()
    config = _read(LOGGING_FILE) if from_file else deepcopy(DEFAULTS)
    try:
        _adapt(config, json_lines=json_lines, level=level.upper())
        logging.config.dictConfig(config)
    except (ValueError, TypeError, AttributeError, ImportError, OSError) as error:
        why = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
        place = str(LOGGING_FILE) if from_file else "built-in defaults"
        raise SettingsError(
            place, "logging", why, hint="see logging.config.dictConfig for the form"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        problem = f"cannot be read as TOML: {error}"
        raise SettingsError(str(path), "file", problem, hint="fix that line") from error


def _adapt(config: dict[str, Any], *, json_lines: bool, level: str) -> None:
    """Put the flags into a configuration, and leave out the formatters that no handler uses.

    Building a formatter imports its library, which a command that writes no JSON need not wait for.
    """
    config.setdefault("disable_existing_loggers", False)  # True would silence whatever was imported before
    if level:
        config.setdefault("loggers", {}).setdefault("ml_sys", {})["level"] = level
    handlers, formatters = config.get("handlers", {}).values(), config.setdefault("formatters", {})
    if json_lines:
        formatters.setdefault("json", DEFAULTS["formatters"]["json"])
        for handler in handlers:
            handler["formatter"] = "json"
    used = {handler.get("formatter") for handler in handlers}
    config["formatters"] = {name: entry for name, entry in formatters.items() if name in used}
