"""Files at an address of storage, such as ``s3://bucket/key``: read as a stream, replaced whole.

Invariant: all that is read of a file is of one version, and what is written there was complete before.
"""

from __future__ import annotations

import io
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast

from ml_sys.errors import InputError, MlsysError, StorageError, UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyarrow import NativeFile
    from pyarrow.fs import FileInfo, FileSystem

BLOCK_BYTES = 8 << 20  # read at a time, as each request takes a while
# What file systems raise: also for a bad address, a missing package, and where Arrow was built without one.
_REFUSALS = (OSError, ValueError, ImportError, NotImplementedError)
_BUCKETS = ("s3", "gs", "gcs")
_AGAIN = "run the same command again, once nothing writes there"
_HINT = "check the address, and the keys and the endpoint in the environment"
_FORM = "an address has the form s3://bucket/folder/file"
_HINTS = (
    (
        r"ACCESS_DENIED|ACCESS_KEY|SIGNATURE|TOKEN|FORBIDDEN|credential",
        "check the keys in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that "
        "they allow this",
    ),
    (
        r"NETWORK_CONNECTION|REQUEST_TIMEOUT|connect|resolve host|timed out",
        "check the network, the proxy and AWS_ENDPOINT_URL, and run the same command again",
    ),
    (r"NO_SUCH_BUCKET|Bucket '.*' not found", "check the name of the bucket, and AWS_ENDPOINT_URL"),
)


@dataclass(frozen=True, order=True)
class Address:
    """A file or folder of storage, with what a `Path` has to read and list it.

    The first time it is opened says which version of the file is read; see :meth:`check`.

    Attributes
    ----------
    text : str
        As ``s3://bucket/key``, written as it is and not as a URL escapes it. ``gs://`` and, with fsspec,
        ``fsspec+PROTOCOL://`` are others. Keys and the endpoint come from the environment.
    """

    text: str
    _listed: FileInfo | None = field(default=None, repr=False, compare=False)
    _root: list[tuple[FileSystem, str]] = field(default_factory=list, repr=False, compare=False)
    _seen: list[object] = field(default_factory=list, repr=False, compare=False)

    def __str__(self) -> str:
        return self.text

    def to_plain(self) -> str:
        """Return it as plain data."""
        return self.text

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self._key).name

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return PurePosixPath(self.name).suffix

    def exists(self) -> bool:
        """Return whether there is such a file or folder."""
        from pyarrow.fs import FileType

        return self._info().type != FileType.NotFound

    def is_dir(self) -> bool:
        """Return whether it is a folder: whether keys go on from here."""
        from pyarrow.fs import FileType

        return self._info().type == FileType.Directory

    def is_file(self) -> bool:
        """Return whether it is a file."""
        return self._info().is_file

    def files_below(self) -> Iterator[tuple[tuple[str, ...], Address]]:
        """Yield the files in and below a folder, each with the names that lead to it."""
        from pyarrow.fs import FileSelector

        place, _, options = self.text.partition("?")
        with self._answering():
            files, path = self._opened()
            listed = files.get_file_info(FileSelector(path, recursive=True))
        for one in listed:
            if one.is_file:
                names = PurePosixPath(one.path.strip("/")).relative_to(path.strip("/")).parts
                text = "/".join((place.rstrip("/"), *names)) + f"{options and '?'}{options}"
                yield names, Address(text, one, self._root)

    def open(self, mode: str = "rb", buffering: int = -1) -> io.BufferedReader:
        """Open the file to read bytes; ``buffering=0`` asks for no more of them than are read.

        Raises
        ------
        InputError
            If it cannot be opened, is gone, or was replaced since it was opened first. Once all is read, as
            well.
        """
        if mode != "rb":
            raise ValueError(f"{mode!r}: it is only read; see `ml_sys.engine.places`")
        stream = _Stream(self, self.native())
        return cast("io.BufferedReader", io.BufferedReader(stream, BLOCK_BYTES) if buffering else stream)

    def native(self) -> NativeFile:
        """Open the file for readers of Arrow, which then have to :meth:`check` it at the end."""
        with self._answering():
            files, path = self._opened()
            file = files.open_input_file(path)
            identity = self._identity(file)
        if not self._seen:
            self._seen.append(identity)
        elif self._seen != [identity]:
            file.close()
            raise UnreadableFileError(self.text, "it was replaced while it was read", hint=_AGAIN)
        return file

    def check(self) -> None:
        """See that the file is still the one that was opened first.

        Raises
        ------
        InputError
            If it was replaced, or is gone.
        """
        self.native().close()

    def failed(self, why: str) -> InputError:
        """Return the error to raise where reading failed: that the file was changed, or what was said."""
        try:
            self.check()
        except InputError as changed:
            return changed
        hint = _hint_for(why)
        return UnreadableFileError(self.text, why, **({"hint": hint} if hint else {}))

    def missing(self, role: str) -> InputError:
        """Return the error that says that there is no such file."""
        from pyarrow.fs import FileType

        what = f"there is no such object ({role})"
        if self.text.partition("://")[0] in _BUCKETS:
            with suppress(OSError):
                files, root = self._file_system()
                if files.get_file_info(root).type == FileType.NotFound:
                    what = f"there is no such bucket ({role})"
        return InputError(f"{self}: {what}", hint="check the address; names tell capitals from small letters")

    def upload(self, file: Path) -> None:
        """Put a whole file there, in place of one that is there.

        Raises
        ------
        StorageError
            If it cannot be written; what was there is there still.
        """
        from pyarrow.fs import LocalFileSystem, copy_files

        try:
            files, path = self._opened()
            if self.text.endswith("/") or not self._key:
                raise ValueError("it names no file")
            # One call: Ctrl-C within it is answered once the file is whole, as closing it would end it early.
            copy_files(
                str(file),
                path,
                source_filesystem=LocalFileSystem(),
                destination_filesystem=files,
                chunk_size=BLOCK_BYTES,
            )
        except _REFUSALS as error:
            said = _said(error)
            raise StorageError(
                f"{self}: cannot be written: {said}", hint=_hint_for(said, error) or _HINT
            ) from error

    @property
    def _parts(self) -> tuple[str, str]:
        """The address of the file system, with its options, and the key."""
        place, mark, options = self.text.partition("?")
        scheme, _, rest = place.partition("://")
        bucket, _, key = rest.partition("/")
        return f"{scheme}://{bucket}{mark}{options}", key.strip("/")

    @property
    def _key(self) -> str:
        return self._parts[1]

    def _opened(self) -> tuple[FileSystem, str]:
        files, root = self._file_system()
        return files, f"{root}/{self._key}" if self._key else root

    def _file_system(self) -> tuple[FileSystem, str]:
        """Return the file system and its root, found once for what a folder lists: it may take a while."""
        if not self._root:
            from pyarrow.fs import FileSystem

            files, root = FileSystem.from_uri(self._parts[0])
            self._root.append((files, root.rstrip("/")))
        return self._root[0]

    def _info(self) -> FileInfo:
        if self._listed is not None:
            return self._listed
        with self._answering():
            files, path = self._opened()
            return files.get_file_info(path)

    def _identity(self, file: NativeFile) -> object:
        """Return what is another after a file was replaced: with S3 its ETag, its size and its time."""
        with suppress(OSError, NotImplementedError, AttributeError):
            known = file.metadata()
            if known:
                return dict(known)
        files, path = self._opened()
        info = files.get_file_info(path)
        return info.size, info.mtime_ns

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Say in one line what the storage refuses."""
        try:
            yield
        except MlsysError:
            raise
        except FileNotFoundError as error:
            gone = "it was removed while it was read" if self._seen else "there is no such object"
            raise UnreadableFileError(self.text, gone, hint=_AGAIN if self._seen else _HINT) from error
        except _REFUSALS as error:
            said = _said(error)
            raise UnreadableFileError(self.text, said, hint=_hint_for(said, error) or _HINT) from error


class _Stream(io.RawIOBase):
    """The bytes of a file, which is checked once all of them are read."""

    def __init__(self, address: Address, file: NativeFile) -> None:
        self._address = address
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            n = int(self._file.readinto(buffer))
        except OSError as error:
            raise self._address.failed(_said(error)) from error
        if not n and len(buffer):
            self._address.check()
        return n

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        self._file.close()
        super().close()


def _said(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _hint_for(said: str, error: Exception | None = None) -> str:
    """Return what to do about what storage said; empty if it does not say."""
    if isinstance(error, ImportError):
        return "install the package that it names"
    if isinstance(error, ValueError):
        return _FORM
    return next((hint for pattern, hint in _HINTS if re.search(pattern, said)), "")
