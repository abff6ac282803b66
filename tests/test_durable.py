"""A file that a user may have seen before is replaced whole, or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import pytest

from ml_sys.durable import replacing
from ml_sys.errors import StorageError
from ml_sys.jobs.models.report import write_report
from ml_sys.registry.store import Registry
from ml_sys.sample.generator import generate
from ml_sys.scoring import ranking

resource = pytest.importorskip("resource", reason="limits are of Unix")
BLOCK = 1024  # what `ulimit -f` counts in
TABLE = pd.DataFrame(
    {"id": [f"company-{number * 7919}" for number in range(3000)], "probability": 0.123456789}
)


@contextmanager
def largest_file(blocks: int) -> Iterator[None]:
    """Let no file grow beyond some blocks, as `ulimit -f` does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (blocks * BLOCK, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("before", [b"last week's list", None])
@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_a_list_that_does_not_fit_leaves_the_one_before_and_says_so(tmp_path, name, before):
    path = tmp_path / name
    if before is not None:
        path.write_bytes(before)
    with largest_file(16), pytest.raises(StorageError, match=f"{name}: File too large") as caught:
        ranking.write_table(TABLE, path)
    assert "nothing was changed there" in caught.value.hint
    assert names(tmp_path) == ([] if before is None else [name])
    assert before is None or path.read_bytes() == before
    ranking.write_table(TABLE, path)
    assert names(tmp_path) == [name]
    read = pd.read_csv(path) if name.endswith("csv") else pd.read_parquet(path)
    pd.testing.assert_frame_equal(read, TABLE)


@pytest.mark.parametrize("name", ["report.html", "report.json"])
def test_a_report_that_does_not_fit_leaves_the_one_before(registered, tmp_path, name):
    artifact = Registry(registered).open("1.0.0")
    path = tmp_path / name
    path.write_text("last week's report")
    with largest_file(16), pytest.raises(StorageError, match=f"{name}: File too large"):
        write_report(artifact, path)
    assert names(tmp_path) == [name]
    assert path.read_text() == "last week's report"


def test_a_sample_that_does_not_fit_leaves_the_one_before(tmp_path):
    generate(tmp_path, companies=20, weeks=5, seed=1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with largest_file(16), pytest.raises(StorageError, match="File too large"):
        generate(tmp_path, companies=2000, weeks=30, seed=2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_score_on_a_full_disk_fails_in_one_line_and_the_old_list_stands(registered, three_tables, tmp_path):
    out = tmp_path / "list.csv"
    out.write_text("last week's list")
    command = [sys.executable, "-m", "ml_sys", "score", three_tables / "noncustomers.csv", "--out", out]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 16; exec "$@"', "bash", *map(str, command), "--artifacts", str(registered)],
        capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"error: {out}: File too large" in done.stderr
    assert "Written" not in done.stdout
    assert names(tmp_path) == ["list.csv"]
    assert out.read_text() == "last week's list"


def test_a_write_that_is_interrupted_leaves_nothing_behind(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"old")

    def interrupted():
        with replacing(path) as sink:
            sink.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == ["list.csv"]
    assert path.read_bytes() == b"old"


def test_a_replaced_file_keeps_its_rights_and_a_link_stays_a_link(tmp_path):
    (tmp_path / "kept").mkdir()
    path, link = tmp_path / "kept" / "list.csv", tmp_path / "link.csv"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    with replacing(link) as sink:
        sink.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_is_no_file_is_written_to_as_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with replacing(pipe) as sink:
        sink.write(b"rows")
    assert os.read(reader, 10) == b"rows"
    os.close(reader)
    assert names(tmp_path) == ["pipe"]


def killed_while_writing(path):
    """Kill a process in the middle of replacing a file."""
    child = os.fork()
    if child == 0:
        with replacing(path) as sink:
            sink.write(b"half")
            sink.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_what_a_killed_writer_left_is_gone_when_the_file_is_written_next(tmp_path):
    path, other = tmp_path / "list.csv", tmp_path / ".tmp-0123456789abcdef"
    other.write_bytes(b"of somebody else")
    killed_while_writing(path)
    assert len(names(tmp_path)) == 2
    with replacing(path) as sink:
        sink.write(b"new")
    assert names(tmp_path) == [other.name, "list.csv"]


def test_what_another_writer_is_still_writing_stays(tmp_path):
    path = tmp_path / "list.csv"
    with replacing(path) as first:
        first.write(b"first")
        with replacing(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["list.csv"]
