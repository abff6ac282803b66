"""A version on disk: written once, verified before a byte of it is parsed, never a pickle.

A version's folder holds plain files and a manifest with the SHA-256 of each. The *seal*, kept outside in the
registry, is the digest of the manifest and of its signature, so that no byte of the folder can change unseen.
What the files say is :mod:`ml_sys.model.files.serialization`'s part.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from ml_sys.durable import write_file
from ml_sys.errors import UnverifiedError
from ml_sys.model.files.signing import NO_KEYS, Keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
FORMAT = 4
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Artifact:
    """A version's files, verified, in memory.

    Attributes
    ----------
    manifest : dict
        ``version``, ``entry``, ``feature_schema``, ``files`` and the facts of its making.
    files : dict of str to bytes
        Content of every file but the manifest and its signature.
    seal : str
        SHA-256 of the manifest and, after a plus, of its signature if it has one.
    named : frozenset of str
        Import paths that the current settings name; no other that its files name is followed.
    """

    folder: Path
    manifest: dict[str, Any]
    files: dict[str, bytes]
    seal: str
    named: frozenset[str] = frozenset()

    def text(self, name: str) -> str:
        """Return a file's text."""
        return self.file(name).decode()

    def json(self, name: str) -> Any:
        """Return what a JSON file says."""
        return json.loads(self.file(name))

    def file(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises
        ------
        UnverifiedError
            If the version has no such file.
        """
        if name not in self.files:
            raise UnverifiedError(self.folder / name, "is missing")
        return self.files[name]


def write_artifact(
    folder: Path, files: Mapping[str, bytes], facts: Mapping[str, Any], keys: Keys = NO_KEYS
) -> str:
    """Write a version's files and, last, their manifest and its signature.

    Parameters
    ----------
    folder : Path
        An existing, empty folder.
    files : mapping of str to bytes
    facts : mapping
        What the manifest says beside the digests; plain data.
    keys : Keys
        Signs the manifest if it holds a private key.

    Returns
    -------
    str
        The seal.
    """
    for name, content in files.items():
        write_file(folder / name, content)
    digests = {name: _digest(files[name]) for name in sorted(files)}
    manifest = (
        json.dumps({"format": FORMAT, **facts, "files": digests}, indent=2, allow_nan=False) + "\n"
    ).encode()
    write_file(folder / MANIFEST, manifest)
    signature = keys.sign(manifest)
    if signature is not None:
        write_file(folder / SIGNATURE, signature)
    return _seal(manifest, signature)


def open_artifact(folder: Path, seal: str | None, keys: Keys = NO_KEYS) -> Artifact:
    """Read a version's files, each verified; nothing of them is parsed before that but the manifest.

    Parameters
    ----------
    folder : Path
        Named for the version.
    seal : str or None
        What the registry holds; None where it does not know the version yet.
    keys : Keys
        With trusted keys, one of them must have signed the manifest.

    Raises
    ------
    UnverifiedError
        If a file is missing, extra, no plain file or not what was registered, or the signature is missing or
        wrong; the message names the file.
    """
    present = _plain_files(folder)
    if MANIFEST not in present:
        raise UnverifiedError(folder / MANIFEST, "is missing")
    content = _read(present.pop(MANIFEST))
    signature = _read(present.pop(SIGNATURE)) if SIGNATURE in present else None
    found = _seal(content, signature)
    if seal is not None and found != seal:
        _blame(folder, found, seal)
    _check_signature(folder, content, signature, keys)
    manifest = _parsed(folder, content)
    digests = manifest["files"]
    for name in sorted(set(present) ^ set(digests)):
        raise UnverifiedError(folder / name, "is not in the manifest" if name in present else "is missing")
    files = {}
    for name, path in present.items():
        files[name] = _read(path)
        if _digest(files[name]) != digests[name]:
            raise UnverifiedError(path, "differs from its digest in the manifest")
    return Artifact(folder, manifest, files, found)


def _plain_files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder, having refused links and everything else that is not a regular file."""
    try:
        if folder.is_symlink():
            raise UnverifiedError(folder, "is a link")
        present = {path.name: path for path in sorted(folder.iterdir())}
        for path in present.values():
            if not stat.S_ISREG(path.lstat().st_mode):
                raise UnverifiedError(path, "is not a regular file")
    except OSError as error:
        raise UnverifiedError(folder, f"cannot be read: {error.strerror}") from error
    return present


def _read(path: Path) -> bytes:
    try:
        with os.fdopen(os.open(path, _READ), "rb") as file:
            return file.read()
    except OSError as error:
        raise UnverifiedError(path, f"cannot be read: {error.strerror}") from error


def _parsed(folder: Path, content: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(content)
        if manifest.get("format", FORMAT) == FORMAT:
            digests, version = manifest["files"], manifest["entry"]["version"]
            whole = all(isinstance(one, str) for one in (*digests, *digests.values()))
        else:
            raise UnverifiedError(
                folder / MANIFEST,
                f"has format {manifest['format']}, and this mlsys reads format {FORMAT}",
                hint="use the mlsys that wrote it, or train again",
            )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnverifiedError(folder / MANIFEST, "is not a manifest") from error
    if not whole:
        raise UnverifiedError(folder / MANIFEST, "is not a manifest")
    if version != folder.name:
        raise UnverifiedError(folder / MANIFEST, f"belongs to version {version}, not to {folder.name}")
    return dict(manifest)


def _check_signature(folder: Path, content: bytes, signature: bytes | None, keys: Keys) -> None:
    if not keys.trusted:
        return
    hint = "train it again with registry.signing_key, or add its maker's key to registry.trusted_keys"
    if signature is None:
        raise UnverifiedError(folder / SIGNATURE, "is missing, and only signed versions are used", hint=hint)
    if not keys.accept(content, signature):
        raise UnverifiedError(folder / SIGNATURE, "was made by no trusted key", hint=hint)


def _seal(manifest: bytes, signature: bytes | None) -> str:
    return _digest(manifest) + ("" if signature is None else f"+{_digest(signature)}")


def _blame(folder: Path, found: str, registered: str) -> NoReturn:
    """Refuse a seal that is not the registered one, naming the file that differs."""
    (manifest, _, signature), (as_registered, _, signed) = found.partition("+"), registered.partition("+")
    if manifest != as_registered:
        raise UnverifiedError(folder / MANIFEST, "is not the one that was registered")
    if signature and signed:
        raise UnverifiedError(folder / SIGNATURE, "is not the one that was registered")
    raise UnverifiedError(
        folder / SIGNATURE, "is missing" if signed else "was not there when it was registered"
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
