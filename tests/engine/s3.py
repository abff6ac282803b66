"""An S3 server in a thread of the tests: every request that it answers was made over the loopback."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from pyarrow.fs import FileSelector, FileSystem


@contextmanager
def s3_server(bucket: str) -> Iterator[str]:
    """Start one with a bucket, have this process and those that it starts use it, and return an address."""
    from moto.server import ThreadedMotoServer  # takes half a second to import

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "some",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": host,
            "no_proxy": host,
        }.items():
            patched.setenv(name, value)
        files, _ = FileSystem.from_uri(f"s3://{bucket}?allow_bucket_creation=true")
        files.create_dir(bucket)
        try:
            yield f"s3://{bucket}/snapshots"
        finally:
            server.stop()


def put(address: str, content: bytes) -> None:
    """Write an object."""
    files, path = _at(address)
    with files.open_output_stream(path, compression=None) as sink:
        sink.write(content)


def get(address: str) -> bytes:
    """Read an object."""
    files, path = _at(address)
    with files.open_input_stream(path, compression=None) as source:
        return source.read()


def remove(address: str) -> None:
    """Remove an object."""
    files, path = _at(address)
    files.delete_file(path)


def names(address: str) -> list[str]:
    """Return the keys below an address."""
    files, path = _at(address)
    found = files.get_file_info(FileSelector(path, recursive=True))
    return sorted(one.path.removeprefix(f"{path}/") for one in found if one.is_file)


def allow(requests: int) -> None:
    """Have the server answer so many requests before it asks whose they are; it knows nobody."""
    _asked("POST", "/moto-api/reset-auth", str(requests))


def unfinished(bucket: str) -> int:
    """Return how many uploads to a bucket were begun and not completed."""
    return _asked("GET", f"/{bucket.removeprefix('s3://')}?uploads").count(b"<UploadId>")


def _asked(method: str, path: str, body: str | None = None) -> bytes:
    server = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    assert server.hostname is not None
    connection = HTTPConnection(server.hostname, server.port)
    with closing(connection):
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        assert answer.status == HTTPStatus.OK
        return answer.read()


def _at(address: str) -> tuple[FileSystem, str]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return FileSystem.from_uri(f"s3://{bucket}")[0], f"{bucket}/{key}".rstrip("/")
