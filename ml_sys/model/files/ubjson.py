"""Reads Universal Binary JSON (draft 12), the format of XGBoost's model files.

No maintained library reads it without a compiler, and XGBoost's own reader brings pandas and scikit-learn
into the process.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_SIZES = {code: np.dtype(kind).itemsize for code, kind in _NUMBERS.items()}
_FORMATS = {"i": ">b", "U": ">B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
_CONSTANTS = {"Z": None, "T": True, "F": False}
_DEEPEST = 64


def read(content: bytes) -> Any:
    """Return what a document says; an array of one numeric type comes as an ndarray.

    Raises
    ------
    ValueError
        If it is no such document.
    """
    reader = _Reader(content)
    try:
        value = reader.value(reader.code(), 0)
    except (struct.error, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"no UBJSON at byte {reader.at}: {error!r}") from error
    if reader.at != len(content):
        raise ValueError(f"{len(content) - reader.at} bytes follow the document")
    return value


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.at = 0

    def code(self) -> str:
        return chr(self._take(1)[0])

    def value(self, code: str, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("nested too deep")
        if code in _FORMATS:
            return struct.unpack(_FORMATS[code], self._take(_SIZES[code]))[0]
        if code in {"S", "H"}:
            return self._text()
        if code == "C":
            return self.code()
        if code == "{":
            return self._object(depth)
        if code == "[":
            return self._array(depth)
        return _CONSTANTS[code]

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count = self._head()
        members: dict[str, Any] = {}
        while count is None or len(members) < count:
            if count is None and self._peek() == "}":
                self.at += 1
                break
            name = self._text()
            if name in members:
                raise ValueError(f"{name!r} is there twice")
            members[name] = self.value(kind or self.code(), depth + 1)
        return members

    def _array(self, depth: int) -> Any:
        kind, count = self._head()
        if kind in _NUMBERS and count is not None:
            return np.frombuffer(self._take(count * _SIZES[kind]), dtype=_NUMBERS[kind])
        items: list[Any] = []
        while count is None or len(items) < count:
            code = kind or self.code()
            if count is None and code == "]":
                break
            items.append(self.value(code, depth + 1))
        return items

    def _head(self) -> tuple[str | None, int | None]:
        """Read the type and the count that a container may begin with."""
        kind = count = None
        if self._peek() == "$":
            self.at += 1
            kind = self.code()
        if self._peek() == "#":
            self.at += 1
            count = self._length()
        elif kind is not None:
            raise ValueError("a type without a count")
        if count is not None and count > len(
            self._content
        ):  # each item takes a byte at least, but for constants
            raise ValueError("more items than bytes")
        return kind, count

    def _text(self) -> str:
        return self._take(self._length()).decode()

    def _length(self) -> int:
        length = self.value(self.code(), _DEEPEST)
        if not isinstance(length, int) or length < 0:
            raise ValueError("a length that is none")
        return length

    def _peek(self) -> str:
        return chr(self._content[self.at]) if self.at < len(self._content) else ""

    def _take(self, size: int) -> bytes:
        taken = self._content[self.at : self.at + size]
        if len(taken) < size:
            raise ValueError("ends too early")
        self.at += size
        return taken
