"""Split the body of a batch into its companies without parsing it as a whole.

Parsing some megabytes of JSON takes up to half a second, during which no other thread runs. The bytes alone
show where each company ends, and each is then parsed by itself.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic_core import from_json

from ml_sys.serve.contract.requests import RequestError, unknown_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FIELD = "companies"
_BLOCK_BYTES = 1 << 18
_MAX_ENVELOPE_BYTES = 65_536
_QUOTE, _COMMA, _BRACKET = b'",['
# A bracket and a brace differ in this bit alone.
_ROUND, _OPENS, _CLOSES = 0x20, b"{"[0], b"}"[0]
_FORM = {"field": FIELD, "problem": 'the body must be {"companies": [...]}'}


@dataclass
class _Places:
    """Where the list of companies begins and ends, and the commas in between; -1 if not found."""

    start: int = -1
    end: int = -1
    commas: list[NDArray[np.intp]] | None = None
    n_commas: int = 0


def split(body: bytes, most: int) -> list[bytes]:
    """Return the JSON of each company of ``{"companies": [...]}``.

    Parameters
    ----------
    most : int
        Companies allowed.

    Raises
    ------
    RequestError
        If the body is something else, or holds more companies. A part need not be valid JSON.
    """
    places = _find(body, most)
    if places.n_commas >= most:
        raise RequestError([{"field": FIELD, "problem": f"at most {most} companies at a time"}], 413)
    whole = places.end >= 0
    envelope = body[: places.start + 1] + body[places.end :] if whole else body
    if len(envelope) > _MAX_ENVELOPE_BYTES:
        raise RequestError([_FORM])
    try:
        content = from_json(envelope)
    except ValueError as error:
        raise RequestError([{"field": "body", "problem": f"no JSON: {error}"}]) from None
    if not isinstance(content, dict) or not isinstance(content.get(FIELD), list):
        raise RequestError([_FORM])
    if unknown := [name for name in content if name != FIELD]:
        raise RequestError(unknown_fields(unknown))
    if not whole or content[FIELD]:  # the key is there twice
        raise RequestError([_FORM])
    cuts = [places.start, *np.concatenate([*(places.commas or []), [places.end]]).tolist()]
    parts = [body[low + 1 : high] for low, high in itertools.pairwise(cuts)]
    return [] if len(parts) == 1 and not parts[0].strip() else parts


def _find(body: bytes, most: int) -> _Places:
    """Find the list at depth 2, in blocks, so that no step takes long; stop if there are too many."""
    found = _Places(commas=[])
    quotes = depth = 0
    for offset, block in _blocks(body):
        octets = np.frombuffer(block, dtype=np.uint8)
        counted = np.cumsum(octets == _QUOTE, dtype=np.int64) + quotes
        outside = counted % 2 == 0
        either = octets | _ROUND
        steps = ((either == _OPENS) & outside).astype(np.int64) - ((either == _CLOSES) & outside)
        depths = np.cumsum(steps) + depth
        _note(found, octets, (depths, steps, outside), offset)
        if found.end >= 0 or found.n_commas >= most:
            break
        quotes, depth = int(counted[-1]), int(depths[-1])
    return found


def _note(
    found: _Places,
    octets: NDArray[np.uint8],
    seen: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    offset: int,
) -> None:
    """Add what one block says."""
    depths, steps, outside = seen
    low = 0
    if found.start < 0:
        starts = np.flatnonzero((depths == 2) & (steps == 1) & (octets == _BRACKET))
        if not starts.size:
            return
        low = int(starts[0]) + 1
        found.start = offset + low - 1
    ends = np.flatnonzero((depths[low:] == 1) & (steps[low:] == -1))
    high = low + int(ends[0]) if ends.size else octets.size
    if ends.size:
        found.end = offset + high
    commas = (octets[low:high] == _COMMA) & outside[low:high] & (depths[low:high] == 2)
    places = np.flatnonzero(commas) + (offset + low)
    found.n_commas += places.size
    assert found.commas is not None  # noqa: S101 - made by the caller
    found.commas.append(places)


def _blocks(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield pieces with their positions; escapes are masked, and no piece ends within one."""
    at = 0
    while at < len(body):
        block = body[at : at + _BLOCK_BYTES]
        if (len(block) - len(block.rstrip(b"\\"))) % 2:
            block = body[at : at + len(block) + 1]
        yield at, block.replace(b"\\\\", b"__").replace(b'\\"', b"__") if b"\\" in block else block
        at += len(block)
