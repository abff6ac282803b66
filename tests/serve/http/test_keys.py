"""API keys: what is made is accepted, and nothing else."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ml_sys.serve.http.keys import accepts, digest, new_key
from ml_sys.settings import ServeSettings

KEY, DIGEST = new_key()
OTHER = tuple(new_key()[1] for _ in range(3))


def test_a_new_key_is_random_url_safe_and_fits_its_digest():
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    for key, known in keys:
        assert re.fullmatch(r"mlsys_[A-Za-z0-9_-]{43}", key)
        assert known == digest(key) == "sha256:" + hashlib.sha256(key.encode()).hexdigest()
        assert accepts(key, (known,))
        assert accepts(key.encode(), (known,))


def test_the_settings_take_a_digest_and_no_key():
    assert ServeSettings(api_keys=(DIGEST,)).api_keys == (DIGEST,)
    with pytest.raises(ValidationError):
        ServeSettings(api_keys=(KEY,))


def test_a_key_is_accepted_wherever_its_digest_stands_among_several():
    for at in range(len(OTHER) + 1):
        assert accepts(KEY, (*OTHER[:at], DIGEST, *OTHER[at:]))


def test_a_key_is_refused_without_digests_and_once_its_digest_is_taken_out():
    assert not accepts(KEY, ())
    assert not accepts(KEY, OTHER)


def test_a_digest_is_no_key():
    assert not accepts(DIGEST, (DIGEST,))


@given(st.one_of(st.text(), st.binary()))
def test_anything_else_is_refused_and_never_an_error(shown):
    octets = shown.encode("utf-8", "surrogatepass") if isinstance(shown, str) else shown
    assert not accepts(octets, (DIGEST, *OTHER))


@given(at=st.integers(0, len(KEY) - 1), with_=st.characters(codec="ascii"))
def test_a_key_with_another_character_is_refused(at, with_):
    changed = KEY[:at] + with_ + KEY[at + 1 :]
    assert accepts(changed, (DIGEST,)) == (changed == KEY)
