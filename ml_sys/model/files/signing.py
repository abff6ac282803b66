"""Ed25519 signatures of manifests: they prove who made a version, not only that it is intact.

A private key signs; its public key, or any other that the settings trust, checks. Keys are PEM files.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_sys.errors import SettingsError, StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC_SUFFIX = ".pub"
_ONLY_THE_OWNER = 0o600


@dataclass(frozen=True)
class Keys:
    """The key that signs, if there is one, and those whose signatures count.

    Attributes
    ----------
    trusted : tuple of Ed25519PublicKey
        With none, signatures are not asked for.
    """

    private: Ed25519PrivateKey | None = None
    trusted: tuple[Ed25519PublicKey, ...] = ()

    def sign(self, content: bytes) -> bytes | None:
        """Return the signature of some bytes, or None without a private key."""
        return None if self.private is None else self.private.sign(content)

    def accept(self, content: bytes, signature: bytes) -> bool:
        """Return whether any trusted key made the signature."""
        from cryptography.exceptions import InvalidSignature

        for key in self.trusted:
            try:
                key.verify(signature, content)
            except InvalidSignature:
                continue
            return True
        return False


NO_KEYS = Keys()


def read_keys(signing_key: str, trusted_keys: Sequence[str]) -> Keys:
    """Read the key files that the settings name.

    Parameters
    ----------
    signing_key : str
        File of the private key; empty for none.
    trusted_keys : sequence of str
        Files of public keys that count beside the private key's own.

    Raises
    ------
    SettingsError
        If a file cannot be read or holds no such key.
    """
    if not signing_key and not trusted_keys:
        return NO_KEYS
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    private, trusted = None, []
    if signing_key:
        try:
            read = load_pem_private_key(_read(signing_key, "registry.signing_key"), password=None)
        except (ValueError, TypeError) as error:  # a TypeError where it wants a password
            raise _no_key(signing_key, "registry.signing_key", "private") from error
        if not isinstance(read, Ed25519PrivateKey):
            raise _no_key(signing_key, "registry.signing_key", "private")
        private = read
        trusted.append(private.public_key())
    for name in trusted_keys:
        try:
            key = load_pem_public_key(_read(name, "registry.trusted_keys"))
        except ValueError as error:
            raise _no_key(name, "registry.trusted_keys", "public") from error
        if not isinstance(key, Ed25519PublicKey):
            raise _no_key(name, "registry.trusted_keys", "public")
        trusted.append(key)
    return Keys(private, tuple(trusted))


@dataclass(frozen=True)
class KeyFiles:
    """Where a private key and its public key lie; the public one's name is the other's with ``.pub``."""

    private: Path
    public: Path


def make_keys(path: Path) -> KeyFiles:
    """Write a new private key, readable only by its owner, with its public key next to it.

    Raises
    ------
    UsageError
        If one of the two files exists; keys are never overwritten.
    StorageError
        If they cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    public = path.with_name(path.name + PUBLIC_SUFFIX)
    for one in (path, public):
        if one.exists():
            raise UsageError(f"{one}: exists already", hint="keys are never overwritten; name another file")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    shown = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _ONLY_THE_OWNER)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
        public.write_bytes(shown)
    except FileExistsError as error:
        raise StorageError(f"{path}: {error.strerror}", hint="keys are never overwritten") from error
    except OSError as error:
        for half_written in (path, public):
            with suppress(OSError):
                half_written.unlink()
        raise StorageError(f"{path}: {error.strerror}", hint="name a folder that can be written") from error
    return KeyFiles(path, public)


def _read(name: str, setting: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise SettingsError(
            "settings", setting, f"{name}: {error.strerror}", hint="make one: mlsys keygen"
        ) from error


def _no_key(name: str, setting: str, kind: str) -> SettingsError:
    return SettingsError(
        "settings", setting, f"{name}: holds no {kind} Ed25519 key in PEM form", hint="make one: mlsys keygen"
    )
