"""API keys: made here, shown once, and known to the service only by their SHA-256 digests.

A key is 256 random bits, so a plain digest is enough: slow digests are for secrets that can be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "mlsys_"  # lets people and secret scanners recognise a key
_KEY_BYTES = 32


def new_key() -> tuple[str, str]:
    """Return a new key for its user, and its digest for the settings."""
    key = PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    return key, digest(key)


def digest(key: str | bytes) -> str:
    """Return the key's digest: ``sha256:`` and 64 hexadecimal digits."""
    octets = key.encode() if isinstance(key, str) else key
    return "sha256:" + hashlib.sha256(octets).hexdigest()


def accepts(key: str | bytes, digests: Iterable[str]) -> bool:
    """Return whether the key matches one of the digests.

    The time it takes reveals nothing: every digest is compared in full, even after a match.
    """
    shown = digest(key)
    fits = False
    for known in digests:
        fits |= hmac.compare_digest(shown, known)
    return fits
