"""Where a file is: on this machine or at an address of storage, to be read and replaced alike."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias, overload

from ml_sys.durable import replacing, storage_errors
from ml_sys.engine.addresses import BLOCK_BYTES, Address
from ml_sys.errors import UsageError
from ml_sys.scratch import scratch_folder
from ml_sys.settings.base import is_address, without_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

# Prefix of the temporary folders for what is downloaded, and for what is to be uploaded.
SCRATCH = "mlsys-storage"
_LOCAL = "file://"

Place: TypeAlias = Path | Address


@overload
def place_of(where: None) -> None: ...
@overload
def place_of(where: str | Path) -> Place: ...
def place_of(where: str | Path | None) -> Place | None:
    """Return where a file or folder is, which may be left out: at an address of storage, or on this machine.

    Raises
    ------
    UsageError
        If an address holds keys, which would be shown and kept.

    Examples
    --------
    >>> place_of("s3://bucket/usage/2024.csv").name, place_of("usage/2024.csv").name
    ('2024.csv', '2024.csv')
    """
    if where is None:
        return None
    text = str(where)
    if not is_address(text):
        return Path(where)
    try:
        without_keys(text)
    except ValueError as error:
        raise UsageError("an address of storage holds keys", hint=str(error)) from error
    if text.startswith(_LOCAL):
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        return Path(url2pathname(urlsplit(text).path))
    return Address(text)


@contextmanager
def at_hand(place: Place) -> Iterator[Path]:
    """Give a file of this machine: the place, or a copy of it in a temporary folder that is gone afterwards.

    Raises
    ------
    InputError
        If it cannot be read.
    StorageError
        If there is not enough room for the copy.
    """
    if isinstance(place, Path):
        yield place
        return
    with scratch_folder(SCRATCH) as folder:
        copy = folder / "copy"
        with place.open(buffering=0) as source, storage_errors(folder), copy.open("xb") as sink:
            shutil.copyfileobj(source, sink, BLOCK_BYTES)
        yield copy


@contextmanager
def replacing_at(place: Place) -> Iterator[IO[bytes]]:
    """Replace a file whole or not at all by what the block writes; see `ml_sys.durable`.

    What goes to an address is written to a temporary folder first, and uploaded once it is whole.
    """
    if isinstance(place, Path):
        with replacing(place) as sink:
            yield sink
        return
    with scratch_folder(SCRATCH) as folder:
        whole = folder / "whole"
        with storage_errors(folder), whole.open("xb") as sink:
            yield sink
        place.upload(whole)
