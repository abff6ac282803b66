"""The hosts that a request may name, so that no web page reaches this service through its own name.

A page can make its own host name point to this machine (DNS rebinding) and then send requests as if from
here. The host that it names gives it away.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ANY = "*"
_KEPT = 256
_LONGEST = 300


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached only from this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Hosts:
    """The hosts that requests may name.

    Parameters
    ----------
    names : iterable of str
        Names and addresses without a port; ``*.example.com`` stands for every name below it, ``*`` for any.
        If empty, only this machine's own names: ``localhost`` and its loopback addresses.
    """

    def __init__(self, names: Iterable[str]) -> None:
        every = {name.casefold().strip("[]") for name in names}
        self._exact = {name for name in every if not name.startswith(ANY)}
        self._endings = tuple(name[len(ANY) :] for name in every if name.startswith(ANY))
        self._any = ANY in every
        self._own = not every
        self._known = lru_cache(maxsize=_KEPT)(self._has)

    def allows(self, header: bytes) -> bool:
        """Return whether a request may have this ``Host``, with or without a port."""
        return self._any or (len(header) < _LONGEST and self._known(header))

    def _has(self, header: bytes) -> bool:
        host = header.decode("latin-1").casefold()
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        if self._own:
            return is_loopback(name)
        return name in self._exact or name.endswith(self._endings)
