"""Places here and at addresses, which are read and replaced alike; no temporary file is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_sys.engine.addresses import Address
from ml_sys.engine.places import SCRATCH, Place, at_hand, place_of, replacing_at
from ml_sys.engine.storage import Storage
from ml_sys.errors import InputError, StorageError, UsageError
from tests.engine import s3
from tests.serve.servers import until
from tests.test_durable import largest_file


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3.s3_server("places"):
        yield "s3://places"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(params=["here", "there"])
def place(request: pytest.FixtureRequest, bucket: str, tmp_path: Path) -> Place:
    """A file with something in it."""
    if request.param == "here":
        here = tmp_path / "list.csv"
        here.write_bytes(b"old")
        return here
    s3.put(f"{bucket}/list.csv", b"old")
    return Address(f"{bucket}/list.csv")


def content(place: Place) -> bytes:
    return place.read_bytes() if isinstance(place, Path) else s3.get(str(place))


def test_a_place_is_a_path_unless_it_is_an_address(tmp_path: Path) -> None:
    assert place_of(None) is None
    assert place_of("C:/data/usage.csv") == Path("C:/data/usage.csv")
    assert place_of(tmp_path) == tmp_path
    blank = tmp_path / "a blank"
    assert place_of(blank.as_uri()) == blank
    assert place_of("gs://bucket/one.csv") == Address("gs://bucket/one.csv")


@pytest.mark.parametrize(
    "keys",
    ["s3://AKIA123:s3cr3t@bucket/one.csv", "s3://AKIA123:s3cr/3t+@bucket/one.csv"]
    + [
        f"abfs://box@account/one.csv?tenant_id=1&{name}=s3cr3t"
        for name in ("client_secret", "SIG", "account_key")
    ],
)
def test_an_address_that_holds_keys_is_refused_and_not_shown(keys: str) -> None:
    with pytest.raises(UsageError) as caught:
        place_of(keys)
    assert "s3cr" not in str(caught.value)
    assert "AWS_SECRET_ACCESS_KEY" in caught.value.hint


@pytest.mark.parametrize(
    "where",
    [
        "abfs://box@account.dfs.core.windows.net/one.csv",
        "s3://bucket/a=b?region=eu-west-1",
        "s3://b/x:y@z",
        "fsspec+sftp://host:22/one.csv",
    ],
)
def test_an_address_that_names_no_secret_is_taken(where: str) -> None:
    assert place_of(where) == Address(where)


def test_a_file_is_at_hand_whole_and_its_copy_is_gone_afterwards(place: Place, temporary: Path) -> None:
    with at_hand(place) as file:
        assert file.read_bytes() == b"old"
        assert (file == place) == isinstance(place, Path)
    assert list(temporary.iterdir()) == []


def test_a_full_temporary_folder_is_said_in_one_line_and_nothing_is_left(
    bucket: str, temporary: Path
) -> None:
    there = Address(f"{bucket}/large.csv")
    s3.put(str(there), b"x" * 3000)
    with largest_file(1), pytest.raises(StorageError, match="File too large"), at_hand(there):
        pass
    with largest_file(1), pytest.raises(StorageError, match="File too large"), replacing_at(there) as sink:
        sink.write(b"y" * 3000)
    assert s3.get(str(there)) == b"x" * 3000
    assert list(temporary.iterdir()) == []


def test_no_copy_is_left_of_a_file_that_is_not_there(bucket: str, temporary: Path) -> None:
    with pytest.raises(InputError, match="no such object"), at_hand(Address(f"{bucket}/nothing")):
        pass
    assert list(temporary.iterdir()) == []


def test_a_file_is_replaced_whole_and_only_at_the_end(place: Place, temporary: Path) -> None:
    with replacing_at(place) as sink:
        sink.write(b"much more")
        sink.seek(0)
        sink.truncate()
        sink.write(b"new")
        assert content(place) == b"old"
    assert content(place) == b"new"
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("failure", [KeyboardInterrupt, InputError("too many rows")])
def test_what_fails_in_between_leaves_the_old_file(
    place: Place, temporary: Path, failure: BaseException
) -> None:
    def write() -> None:
        with replacing_at(place) as sink:
            sink.write(b"new")
            raise failure

    with pytest.raises((KeyboardInterrupt, InputError)):
        write()
    assert content(place) == b"old"
    assert list(temporary.iterdir()) == []


def test_what_cannot_be_uploaded_leaves_no_copy(bucket: str, temporary: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"), replacing_at(Address("s3://nowhere/list.csv")) as sink:
        sink.write(b"new")
    assert list(temporary.iterdir()) == []


KILLED = """
import os, signal, sys
from ml_sys.engine.places import place_of, replacing_at

with replacing_at(place_of(sys.argv[1])) as sink:
    sink.write(b"half")
    sink.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_the_old_file_and_the_next_one_removes_what_it_left(
    bucket: str, temporary: Path
) -> None:
    s3.put(f"{bucket}/killed.csv", b"old")
    environment = os.environ | {"TMPDIR": str(temporary)}
    argv = [sys.executable, "-c", KILLED, f"{bucket}/killed.csv"]
    assert subprocess.run(argv, check=False, env=environment).returncode == -signal.SIGKILL
    assert s3.get(f"{bucket}/killed.csv") == b"old"
    assert any(one.name.startswith(SCRATCH) for one in temporary.iterdir())
    with replacing_at(Address(f"{bucket}/killed.csv")) as sink:
        sink.write(b"new")
    assert s3.get(f"{bucket}/killed.csv") == b"new"
    assert list(temporary.iterdir()) == []


SIZE = 24_000_000  # several parts of an upload
UPLOADING = f"""
import sys
from itertools import count
from ml_sys.engine.places import place_of, replacing_at
from ml_sys.engine.storage import Storage

address, kind = sys.argv[1:]
for number in count():  # until it is killed
    if kind == "list":
        with replacing_at(place_of(address)) as sink:
            sink.write(bytes({SIZE}))
    else:
        Storage(address).put("parts", {{str(number): {SIZE}}}, lambda _: bytes({SIZE}))
"""


def killed_while_it_uploads(address: str, kind: str) -> None:
    argv = [sys.executable, "-c", UPLOADING, address, kind]
    with subprocess.Popen(argv, env=os.environ | {"TMPDIR": tempfile.gettempdir()}) as process:
        try:
            until(lambda: s3.unfinished(f"s3://{kind}-uploads") > 0, 600)  # however busy the machine is
        finally:
            process.kill()


@pytest.mark.slow  # a process, a server and some megabytes
def test_a_list_whose_upload_is_killed_stays_whole_and_the_next_one_replaces_it(temporary: Path) -> None:
    with s3.s3_server("list-uploads"):
        address = "s3://list-uploads/list.csv"
        s3.put(address, b"old")
        killed_while_it_uploads(address, "list")
        assert s3.get(address) in (b"old", bytes(SIZE))
        assert any(one.name.startswith(SCRATCH) for one in temporary.iterdir())
        with replacing_at(Address(address)) as sink:
            sink.write(b"new")
        assert s3.get(address) == b"new"
        assert s3.names("s3://list-uploads") == ["list.csv"]
    assert list(temporary.iterdir()) == []


def parts_there() -> set[str]:
    prefix = "put/parts/"
    return {name.removeprefix(prefix) for name in s3.names("s3://part-uploads") if name.startswith(prefix)}


@pytest.mark.slow  # a process, a server and some megabytes
def test_a_part_whose_upload_is_killed_is_not_there_and_the_next_command_puts_it() -> None:
    with s3.s3_server("part-uploads"):
        address = "s3://part-uploads/put"
        killed_while_it_uploads(address, "part")
        before = parts_there()
        assert all(len(s3.get(f"{address}/parts/{name}")) == SIZE for name in before)
        killed = str(len(before))
        assert Storage(address).put("parts", {killed: SIZE}, lambda _: bytes(SIZE)) == [killed]
        assert parts_there() == {*before, killed}
