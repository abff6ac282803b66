"""An S3 server in a thread of the tests: every request that it answers was made over the loopback."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pyarrow.fs import FileSystem


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
