"""API keys: made here, shown once, and known to the service only by their SHA-256 digests.

A key is 256 random bits, so a plain digest is enough: a slow one protects what can be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "mlsys_"  # lets people and scanners for leaked secrets see what it is
_KEY_BYTES = 32


def new_key() -> tuple[str, str]:
    """Return a new key, to be given to its user, and its digest, to be put into the settings."""
    key = PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    return key, digest(key)


def digest(key: str | bytes) -> str:
    """Return ``sha256:`` and the 64 hexadecimal digits of the key's digest."""
    octets = key.encode() if isinstance(key, str) else key
    return "sha256:" + hashlib.sha256(octets).hexdigest()


def accepts(key: str | bytes, digests: Iterable[str]) -> bool:
    """Return whether the key is one of those that the digests are of.

    The time it takes tells nothing about the digests: each is compared in full, also after one has fitted.
    """
    shown = digest(key)
    fits = False
    for known in digests:
        fits |= hmac.compare_digest(shown, known)
    return fits
