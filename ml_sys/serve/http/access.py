"""Request ids, and the access log.

A line of the log has the request's id, method, route, status, time and the version that answered. It never
has an address, a query, the requested path (which may name a company), a key or a body.
"""

from __future__ import annotations

import itertools
import logging
import random
import re
import secrets
from http import HTTPStatus

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_PREFIX = secrets.token_hex(4)  # tells processes apart; each server process imports this module anew
_NUMBERS = itertools.count(1)
_MILLISECONDS = 1000.0
_log = logging.getLogger("ml_sys.access")


def request_id(shown: bytes | None) -> str:
    """Return the caller's request id, or a new one if it gave none or an invalid one."""
    if shown is not None and _ID.fullmatch(shown):
        return shown.decode("ascii")
    return f"{_PREFIX}-{next(_NUMBERS):x}"


class AccessLog:
    """Write a line for a share of the requests, and for each request that failed with 500 or more.

    Parameters
    ----------
    share : float
        Share of the requests, 0 to 1.
    seed : int, optional
        Makes the choice repeatable.
    """

    def __init__(self, share: float, seed: int | None = None) -> None:
        self._share = share
        # Random, not every n-th: callers that take turns would else always or never be seen.
        self._draw = random.Random(seed).random  # noqa: S311 – a sample is no secret

    def record(
        self, *, request_id: str, method: str, route: str, status: int, seconds: float, version: str | None
    ) -> None:
        """Write the line of one request, if it is drawn or its status is 500 or more.

        Parameters
        ----------
        route : str
            The template, e.g. ``/companies/{id}``; never the path itself.
        seconds : float
            From the request's head to the end of the response.
        version : str or None
            The model version that answered.
        """
        failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if not failed and (not self._share or self._draw() >= self._share):
            return
        milliseconds = round(seconds * _MILLISECONDS, 3)
        _log.info(
            "%s %s %d in %.1f ms, request %s, version %s",
            method,
            route,
            status,
            milliseconds,
            request_id,
            version or "none",
            extra={
                "request_id": request_id,
                "method": method,
                "route": route,
                "status": status,
                "milliseconds": milliseconds,
                "version": version,
            },
        )
