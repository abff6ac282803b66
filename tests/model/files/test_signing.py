"""Keys: where they are written, and whose signatures count."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ml_sys.errors import SettingsError, UsageError
from ml_sys.model.files.signing import NO_KEYS, make_keys, read_keys


def test_keys_are_made_in_a_folder_that_is_not_there_yet_and_only_their_owner_reads_the_private_one(
    tmp_path: Path,
) -> None:
    made = make_keys(tmp_path / "some" / "where" / "mine.pem")
    assert made.public == tmp_path / "some" / "where" / "mine.pem.pub"
    assert made.private.stat().st_mode & 0o777 == 0o600
    for gone in (made.public, made.private):  # one of the two is enough to refuse
        with pytest.raises(UsageError, match="exists already"):
            make_keys(made.private)
        gone.unlink()
    assert make_keys(made.private) == made


def test_a_signature_counts_of_the_own_key_and_of_every_trusted_one(tmp_path: Path) -> None:
    ours, theirs, others = (make_keys(tmp_path / name) for name in ("ours", "theirs", "others"))
    keys = read_keys(str(ours.private), [str(theirs.public)])
    for signer in (ours, theirs):
        signature = read_keys(str(signer.private), []).sign(b"content")
        assert signature is not None
        assert keys.accept(b"content", signature)
        assert not keys.accept(b"other content", signature)
    stranger = read_keys(str(others.private), []).sign(b"content")
    assert stranger is not None
    assert not keys.accept(b"content", stranger)
    assert read_keys("", []) == NO_KEYS
    assert NO_KEYS.sign(b"content") is None


def test_trusted_keys_count_without_a_key_of_ones_own(tmp_path: Path) -> None:
    theirs = make_keys(tmp_path / "theirs")
    keys = read_keys("", [str(theirs.public)])
    signature = read_keys(str(theirs.private), []).sign(b"content")
    assert signature is not None
    assert keys.accept(b"content", signature)
    assert keys.sign(b"content") is None


def test_a_key_of_another_kind_is_refused_with_its_setting(tmp_path: Path) -> None:
    other = Ed448PrivateKey.generate()
    private, public = tmp_path / "private", tmp_path / "public"
    private.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(SettingsError, match="private Ed25519 key"):
        read_keys(str(private), [])
    with pytest.raises(SettingsError, match="public Ed25519 key"):
        read_keys("", [str(public)])
