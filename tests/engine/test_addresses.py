"""Files at addresses of a real S3 server: one version is read, and what is refused is said in a line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ml_sys.engine import addresses
from ml_sys.engine.addresses import Address
from ml_sys.errors import InputError, MlsysError, StorageError
from tests.engine import s3

CONTENT = bytes(range(256)) * 100


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3.s3_server("files"):
        yield "s3://files"


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "BLOCK_BYTES", 1000)


def test_a_file_is_read_as_it_is_in_pieces_of_any_size(bucket: str, small_blocks: None) -> None:
    s3.put(f"{bucket}/a/one.bin", CONTENT)
    one = Address(f"{bucket}/a/one.bin")
    with one.open() as file:
        assert file.read(4) + file.read(5000) + file.read() == CONTENT
    with one.open(buffering=0) as file:
        assert (file.read(4), file.tell(), file.seek(100), file.read(3)) == (
            CONTENT[:4],
            4,
            100,
            CONTENT[100:103],
        )
    with pytest.raises(ValueError, match="only read"):
        one.open("wb")


def test_names_are_taken_as_they_are_written_and_a_folder_lists_them(bucket: str) -> None:
    for name in ("a b.csv", "50%25.csv", "ümlaut#1.csv", "deeper/c.csv"):
        s3.put(f"{bucket}/names/{name}", name.encode())
    folder = Address(f"{bucket}/names/")
    assert (folder.is_dir(), folder.is_file(), folder.exists()) == (True, False, True)
    listed = sorted(folder.files_below())
    assert [names for names, _ in listed] == [
        ("50%25.csv",), ("a b.csv",), ("deeper", "c.csv"), ("ümlaut#1.csv",)
    ]  # fmt: skip
    found = [one for _, one in listed]
    for (*_, name), one in listed:
        again = Address(str(one))
        assert again.is_file()
        assert one.is_file()
        with again.open() as file:
            assert file.read().decode().endswith(name)
    assert (found[1].suffix, str(found[1])) == (".csv", f"{bucket}/names/a b.csv")
    assert str(found[2]) == f"{bucket}/names/deeper/c.csv"


def test_options_of_the_address_stand_in_those_of_what_a_folder_holds(bucket: str) -> None:
    s3.put(f"{bucket}/options/one.csv", b"1")
    [(_, one)] = Address(f"{bucket}/options?region=us-east-1").files_below()
    assert str(one) == f"{bucket}/options/one.csv?region=us-east-1"
    with one.open() as file:
        assert file.read() == b"1"


def test_a_file_that_was_replaced_between_two_readings_is_refused(bucket: str) -> None:
    s3.put(f"{bucket}/replaced", b"the old")
    one = Address(f"{bucket}/replaced")
    with one.open() as file:
        assert file.read() == b"the old"
    s3.put(f"{bucket}/replaced", b"the new")
    with pytest.raises(
        InputError, match=f"^{bucket}/replaced: .* it was replaced while it was read"
    ) as caught:
        one.open()
    assert "run the same command again" in caught.value.hint
    with Address(f"{bucket}/replaced").open() as file:  # a new command
        assert file.read() == b"the new"


@pytest.mark.parametrize("new", [b"y" * 30_000, b"short", None])
def test_a_file_that_is_replaced_or_removed_while_it_is_read_is_refused(
    bucket: str, small_blocks: None, new: bytes | None
) -> None:
    s3.put(f"{bucket}/during", b"x" * 30_000)
    with Address(f"{bucket}/during").open() as file:
        assert file.read(10) == b"x" * 10
        if new is None:
            s3.remove(f"{bucket}/during")
        else:
            s3.put(f"{bucket}/during", new)
        what = "removed" if new is None else "replaced"
        with pytest.raises(InputError, match=f"it was {what} while it was read"):
            file.read()


def test_what_arrow_reads_is_checked_at_the_end(bucket: str, tmp_path: Path) -> None:
    s3.put(f"{bucket}/native", b"12345678")
    one = Address(f"{bucket}/native")
    with one.native() as file:
        assert file.read(4) == b"1234"
        one.check()
        s3.put(f"{bucket}/native", b"12345679")
        with pytest.raises(InputError, match="it was replaced"):
            one.check()


def said_of(address: str) -> MlsysError:
    with pytest.raises(InputError) as caught:
        Address(address).open()
    assert caught.value.message.startswith(f"{address}: cannot be read: ")
    assert "\n" not in caught.value.message
    return caught.value


def test_what_is_not_there_is_named_with_its_bucket(bucket: str) -> None:
    assert "there is no such object" in said_of(f"{bucket}/nothing.csv").message
    for address, what in ((f"{bucket}/nothing.csv", "object"), ("s3://nowhere/one.csv", "bucket")):
        assert not Address(address).exists()
        assert str(Address(address).missing("usage")) == f"{address}: there is no such {what} (usage)"


def test_keys_that_allow_nothing_are_named(bucket: str, tmp_path: Path) -> None:
    s3.put(f"{bucket}/secret.csv", b"1")
    (tmp_path / "one").write_bytes(b"2")
    s3.allow(0)
    try:
        assert "AWS_ACCESS_KEY_ID" in said_of(f"{bucket}/secret.csv").hint
        with pytest.raises(InputError, match=f"^{bucket}: cannot be read") as caught:
            list(Address(bucket).files_below())
        assert "AWS_ACCESS_KEY_ID" in caught.value.hint
        with pytest.raises(StorageError, match=f"^{bucket}/secret.csv: cannot be written: ") as refused:
            Address(f"{bucket}/secret.csv").upload(tmp_path / "one")
        assert "AWS_ACCESS_KEY_ID" in refused.value.hint
    finally:
        s3.allow(10**9)
    assert s3.get(f"{bucket}/secret.csv") == b"1"


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("nowhere://there/one.csv", "s3://bucket/folder/file"),
        ("s3:///one.csv", "s3://bucket/folder/file"),
        ("fsspec+nowhere://there/one.csv", "s3://bucket/folder/file"),
        ("fsspec+sftp://there/one.csv", "install the package"),
    ],
)
def test_an_address_that_makes_no_sense_or_needs_a_package_is_named(address: str, hint: str) -> None:
    assert hint in said_of(address).hint


def test_any_file_system_of_fsspec_is_read_and_written(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(CONTENT)
    there = Address("fsspec+memory://folder/one.bin")
    there.upload(tmp_path / "one")
    [(_, listed)] = Address("fsspec+memory://folder").files_below()
    assert listed == there
    with listed.open() as file:
        assert file.read() == CONTENT


def test_a_file_is_put_there_in_place_of_the_old_one(bucket: str, tmp_path: Path) -> None:
    s3.put(f"{bucket}/lists/list.csv", b"old")
    (tmp_path / "new").write_bytes(CONTENT)
    Address(f"{bucket}/lists/list.csv").upload(tmp_path / "new")
    assert s3.get(f"{bucket}/lists/list.csv") == CONTENT
    assert s3.names(f"{bucket}/lists") == ["list.csv"]


@pytest.mark.parametrize("place", ["", "/", "/folder/"])
def test_what_names_no_file_is_not_written_to(bucket: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"1")
    with pytest.raises(StorageError, match="it names no file"):
        Address(bucket + place).upload(tmp_path / "new")


def test_a_bucket_that_is_not_there_is_not_written_to(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"1")
    with pytest.raises(StorageError, match=r"^s3://nowhere/list.csv: cannot be written: ") as caught:
        Address("s3://nowhere/list.csv").upload(tmp_path / "new")
    assert "name of the bucket" in caught.value.hint


def test_a_parquet_file_that_is_damaged_is_no_fault_of_the_storage(bucket: str) -> None:
    s3.put(f"{bucket}/damaged.parquet", b"PAR1 and no more")
    one = Address(f"{bucket}/damaged.parquet")
    with pytest.raises(Exception, match="magic bytes"), one.native() as file:
        pq.ParquetFile(file)
    assert "CSV" in one.failed("it is damaged").hint


@pytest.mark.slow  # asks several times before it gives up
def test_a_server_that_went_away_is_named_with_what_to_look_at(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"1")
    with s3.s3_server("gone"):
        s3.put("s3://gone/one.csv", b"1")
        one = Address("s3://gone/one.csv")
        reading = one.open(buffering=0)
        server = os.environ["AWS_ENDPOINT_URL"]
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (("AWS_ENDPOINT_URL", server), ("AWS_REGION", "us-east-1")):
            patched.setenv(name, value)
        for ask in (lambda: reading.read(1), lambda: Address("s3://gone/one.csv").open()):
            with pytest.raises(InputError, match=r"^s3://gone/one.csv: cannot be read: ") as caught:
                ask()
            assert "AWS_ENDPOINT_URL" in caught.value.hint
        with pytest.raises(StorageError, match=r"^s3://gone/one.csv: cannot be written: ") as refused:
            one.upload(tmp_path / "new")
        assert "AWS_ENDPOINT_URL" in refused.value.hint
    reading.close()
