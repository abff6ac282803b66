"""The reader of model files: what XGBoost writes is read, anything else is refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.model.files import ubjson


def length(size):
    return b"l" + struct.pack(">i", size)


def text(value):
    content = value.encode()
    return length(len(content)) + content


def written(value):
    """A document of draft 12, containers without the type and count that they may begin with."""
    if isinstance(value, dict):
        return b"{" + b"".join(text(name) + written(one) for name, one in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b"".join(map(written, value)) + b"]"
    if isinstance(value, str):
        return b"S" + text(value)
    if isinstance(value, float):
        return b"D" + struct.pack(">d", value)
    if value is None or isinstance(value, bool):
        return {None: b"Z", True: b"T", False: b"F"}[value]
    return b"L" + struct.pack(">q", value)


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=5),
)
documents = st.recursive(
    leaves,
    lambda one: st.one_of(st.lists(one, max_size=4), st.dictionaries(st.text(max_size=3), one)),
    max_leaves=12,
)


@given(documents)
def test_what_a_document_says_is_read(document):
    assert ubjson.read(written(document)) == document


@given(document=documents, data=st.data())
def test_a_document_that_ends_early_is_refused(document, data):
    content = written(document)
    with pytest.raises(ValueError, match=r"ends too early|no UBJSON|more items than bytes"):
        ubjson.read(content[: data.draw(st.integers(0, len(content) - 1))])


@given(document=documents, more=st.binary(min_size=1, max_size=3))
def test_what_follows_a_document_is_refused(document, more):
    with pytest.raises(ValueError, match="follow the document"):
        ubjson.read(written(document) + more)


@given(st.binary(max_size=60))
def test_no_bytes_do_worse_than_be_refused(content):
    try:
        ubjson.read(content)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("code", "kind"),
    [("i", ">i1"), ("U", ">u1"), ("I", ">i2"), ("l", ">i4"), ("L", ">i8"), ("d", ">f4"), ("D", ">f8")],
)
def test_an_array_of_one_type_comes_as_an_array_of_numpy(code, kind):
    numbers = np.array([0, 1, 7, 100], dtype=kind)
    content = b"[$" + code.encode() + b"#" + length(numbers.size) + numbers.tobytes()
    found = ubjson.read(content)
    assert found.dtype == np.dtype(kind)
    assert found.tolist() == numbers.tolist()
    for at, number in enumerate(numbers):
        assert ubjson.read(code.encode() + numbers[at : at + 1].tobytes()) == number


def test_containers_may_say_how_much_they_hold():
    assert ubjson.read(b"[#i\x03TFZ") == [True, False, None]
    assert ubjson.read(b"{#i\x01" + text("a") + b"T") == {"a": True}
    assert ubjson.read(b"{$i#i\x02" + text("a") + b"\x05" + text("b") + b"\xff") == {"a": 5, "b": -1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ends too early"),
        (b"x", "no UBJSON"),
        (b"S" + length(-1), "a length that is none"),
        (b"SS" + text("a"), "a length that is none"),
        (b"[$i\x00", "a type without a count"),
        (b"[#" + length(2**31 - 1), "more items than bytes"),
        (b"[$Z#" + length(2**31 - 1), "more items than bytes"),
        (b"[$d#" + length(20) + bytes(79), "ends too early"),
        (b"S" + length(1) + b"\xff", "no UBJSON"),
        (b"[" * 100_000, "nested too deep"),
        (b"{" + text("a") + b"T" + text("a") + b"T}", "there twice"),
    ],
)
def test_what_is_no_document_is_refused_with_a_reason(content, reason):
    with pytest.raises(ValueError, match=reason):
        ubjson.read(content)
