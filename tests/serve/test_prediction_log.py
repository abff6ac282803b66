"""The log of predictions: nothing accepted is lost, whatever the disk and other processes do."""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ml_sys.errors import ResolveError, StorageError
from ml_sys.outcomes.lists import storable
from ml_sys.serve import prediction_log, sqlite_sink
from ml_sys.serve.prediction_log import Logged, PredictionLog
from ml_sys.serve.sinks import make_sink
from ml_sys.serve.sqlite_sink import SqliteSink
from ml_sys.serve.stored import as_row
from ml_sys.settings import Settings

AT = 1_767_225_600.25  # 2026-01-01 00:00:00.250 UTC
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
PATIENCE = 60.0
ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(sys.platform == "win32", reason="has no such rights, limits or signals")


def logged(number: int, company: str | None = None) -> Logged:
    """A prediction that its probability tells from all others."""
    return Logged(AT + number, "1.2.3", company, b"row %d" % number, number / 2**20)


def numbers(first: int, count: int) -> list[Logged]:
    return [logged(number) for number in range(first, first + count)]


def kept(path: Path, columns: str = "probability * 1048576") -> list[tuple[object, ...]]:
    """Read what is in the file, in the order in which it was written."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {columns} FROM predictions ORDER BY rowid").fetchall()  # noqa: S608


def wait_until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.005)


def run(script: str, *argv: object) -> subprocess.Popen[str]:
    """Start a process that has this file's imports."""
    head = "import sys; from pathlib import Path; from tests.serve.test_prediction_log import *\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + script, *map(str, argv)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


class Flaky:
    """A sink in memory that raises where its script says so, and works from its end on."""

    def __init__(self, script: Sequence[Exception | None] = ()) -> None:
        self.script = list(script)
        self.kept: list[Logged] = []
        self.tries = 0
        self.sizes: list[int] = []
        self.is_closed = False
        self.close_fails = False

    def write(self, predictions: Sequence[Logged]) -> None:
        self.tries += 1
        error = self.script.pop(0) if self.script else None
        if error:
            raise error
        self.sizes.append(len(predictions))
        self.kept += predictions

    def close(self) -> None:
        self.is_closed = True
        if self.close_fails:
            raise OSError("stale handle")


class Broken(Flaky):
    """A sink that never works, and knows the first prediction of each batch that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[Logged] = set()
        self.at: list[float] = []

    def write(self, predictions: Sequence[Logged]) -> None:
        self.at.append(time.monotonic())
        self.tries += 1
        self.seen.add(predictions[0])
        raise OSError(28, "No space left on device")


class Held(Flaky):
    """A sink whose writes last until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def write(self, predictions: Sequence[Logged]) -> None:
        self.let_go.wait(PATIENCE)
        super().write(predictions)


class NoClose:
    """What is no sink, as it cannot be closed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, predictions: Sequence[Logged]) -> None: ...


class OnFile(Flaky):
    """A sink of the user's own."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path


def refuses(path: Path) -> None:
    raise RuntimeError(f"no server at {path}")


def refuses_clearly(path: Path) -> None:
    raise StorageError(f"{path}: is full")


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_log, "FIRST_RETRY_SECONDS", 0.002)
    monkeypatch.setattr(prediction_log, "LAST_RETRY_SECONDS", 0.01)


# What is in the file


def test_every_field_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "predictions.sqlite"
    log = PredictionLog(SqliteSink(path), 100)
    log.start()
    third = 0.1 + 0.2
    assert log.offer([Logged(AT, "2.0.1", "c-17", b"\x00\x01", third), Logged(AT, "2.0.1", None, b"", 1.0)])
    assert log.close(PATIENCE) == 0
    assert kept(path, "*") == [
        ("2026-01-01T00:00:00.250Z", "2.0.1", "c-17", blake2b(b"\x00\x01", digest_size=8).hexdigest(), third),
        ("2026-01-01T00:00:00.250Z", "2.0.1", None, blake2b(b"", digest_size=8).hexdigest(), 1.0),
    ]


@given(millisecond=st.integers(0, 4_102_444_800_000))
@example(1_079_298_240_541)  # a little less than that many, once divided and multiplied
def test_every_millisecond_of_the_century_is_kept(millisecond: int) -> None:
    text = as_row(Logged(millisecond / 1000, "1.0.0", None, b"", 0.5))[0]
    assert dt.datetime.fromisoformat(str(text)) == EPOCH + dt.timedelta(milliseconds=millisecond)
    assert len(str(text)) == len("2026-01-01T00:00:00.000Z")


def test_sqlite_s_date_functions_understand_the_time(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "log")
    sink.write([logged(0)])
    sink.close()
    assert kept(tmp_path / "log", "strftime('%s', at)") == [(str(int(AT)),)]


@pytest.mark.parametrize(
    "company", ["Zoë & Søn 株式会社", "half \ud83d of a pair", "'; DROP TABLE predictions", "a\x00b", ""]
)
def test_no_id_holds_up_the_log(tmp_path: Path, company: str) -> None:
    sink = SqliteSink(tmp_path / "log")
    sink.write([logged(0, company), Logged(AT, "1.0.0", company, b"", float("nan"))])
    sink.close()
    held = company.replace("\ud83d", r"\ud83d").replace("\x00", r"\x00")
    assert kept(tmp_path / "log", "company, probability") == [(held, 0.0), (held, None)]


@posix
def test_a_closed_log_is_one_file_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "log"
    before = os.umask(0)
    try:
        sink = SqliteSink(path)
        sink.write(numbers(0, 700))
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
        assert modes == {"log": 0o600, "log-wal": 0o600, "log-shm": 0o600}
        sink.close()
    finally:
        os.umask(before)
    assert [one.name for one in path.parent.iterdir()] == ["log"]
    assert len(kept(path)) == 700


@posix
def test_a_log_that_is_there_is_continued_and_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for first in (0, 3):
        sink = SqliteSink(path)
        sink.write(numbers(first, 3))
        sink.close()
        path.chmod(0o640)
    assert kept(path) == [(number,) for number in range(6)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_readers_do_not_stop_the_writer(tmp_path: Path) -> None:
    sink = SqliteSink(tmp_path / "log")
    with closing(sqlite3.connect(tmp_path / "log", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM predictions").fetchone() == (0,)
        sink.write([logged(0)])
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM predictions").fetchone() == (1,)
    sink.close()


# Files that cannot be used


def test_a_path_that_sqlite_would_take_for_memory_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sink = SqliteSink(Path(":memory:"))
    sink.write([logged(0)])
    sink.close()
    assert kept(tmp_path / ":memory:") == [(0,)]


def test_a_batch_that_cannot_be_written_leaves_nothing_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_sink, "_BUSY_SECONDS", 0.05)
    sink = SqliteSink(tmp_path / "log")
    with closing(sqlite3.connect(tmp_path / "log", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="log: database is locked"):
            sink.write(numbers(0, 600))
        other.execute("ROLLBACK")
    assert kept(tmp_path / "log") == []
    sink.write(numbers(0, 600))
    sink.close()
    assert len(kept(tmp_path / "log")) == 600


# The queue


def test_what_waits_at_the_end_is_written(tmp_path: Path) -> None:
    log = PredictionLog(SqliteSink(tmp_path / "log"), 50_000)
    assert log.offer(numbers(0, 50_000))
    assert (log.waiting, log.written) == (50_000, 0)
    log.start()
    assert log.close(PATIENCE) == 0
    assert (log.waiting, log.written) == (0, 50_000)
    assert kept(tmp_path / "log") == [(number,) for number in range(50_000)]


def test_a_log_that_was_never_started_still_writes_what_it_took(tmp_path: Path) -> None:
    log = PredictionLog(SqliteSink(tmp_path / "log"), 10)
    log.offer(numbers(0, 10))
    assert log.close(PATIENCE) == 0
    assert len(kept(tmp_path / "log")) == 10


def test_a_full_log_takes_all_or_none() -> None:
    sink = Held()
    log = PredictionLog(sink, 10)
    log.start()
    assert log.offer(numbers(0, 8))
    assert not log.offer(numbers(8, 3))
    assert log.waiting == 8
    assert log.offer(numbers(8, 2))
    assert not log.offer([logged(10)])
    assert log.offer([])
    sink.let_go.set()
    wait_until(lambda: log.written == 10)
    assert log.offer([logged(10)])
    assert log.close(PATIENCE) == 0
    assert sink.kept == numbers(0, 11)


def test_predictions_being_written_count_as_waiting() -> None:
    sink = Held()
    log = PredictionLog(sink, 4)
    log.start()
    log.offer(numbers(0, 4))
    wait_until(lambda: not log._queue)
    assert not log.offer([logged(4)])
    sink.let_go.set()
    log.close(PATIENCE)


def test_a_closed_log_takes_nothing() -> None:
    sink = Flaky()
    log = PredictionLog(sink, 10)
    log.start()
    assert log.close(PATIENCE) == 0
    assert not log.offer([logged(0)])
    assert not log.offer([])
    assert sink.is_closed
    assert log.close(PATIENCE) == 0


def test_a_change_to_what_was_offered_comes_too_late() -> None:
    sink, offered = Flaky(), numbers(0, 3)
    log = PredictionLog(sink, 10)
    log.offer(offered)
    offered.clear()
    log.close(PATIENCE)
    assert sink.kept == numbers(0, 3)


def test_batches_are_bounded() -> None:
    sink = Flaky()
    log = PredictionLog(sink, 10_000)
    log.offer(numbers(0, 4500))
    log.close(PATIENCE)
    assert sink.sizes == [2000, 2000, 500]


def test_many_that_wait_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_log, "PAUSE_SECONDS", 3 * PATIENCE)
    sink = Flaky()
    log = PredictionLog(sink, 100)
    log.start()
    log.offer(numbers(0, 49))
    time.sleep(0.05)
    assert log.written == 0
    log.offer([logged(49)])
    wait_until(lambda: log.written == 50)
    log.close(PATIENCE)


def test_few_that_wait_are_written_soon() -> None:
    log = PredictionLog(Flaky(), 10_000)
    log.start()
    log.offer([logged(0)])
    wait_until(lambda: log.written == 1)
    log.close(PATIENCE)


def test_threads_that_offer_at_once_lose_nothing() -> None:
    sink = Flaky()
    log = PredictionLog(sink, 1000)
    log.start()

    def offer(first: int) -> None:
        for number in range(first, first + 3000, 3):
            while not log.offer(numbers(number, 3)):
                time.sleep(0.001)

    threads = [threading.Thread(target=offer, args=(first,)) for first in range(0, 12_000, 3000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.close(PATIENCE) == 0
    assert sorted(sink.kept) == numbers(0, 12_000)
    for first in range(0, 12_000, 3000):  # each thread's own order is kept
        own = [one for one in sink.kept if logged(first) <= one < logged(first + 3000)]
        assert own == numbers(first, 3000)


@given(
    sizes=st.lists(st.integers(0, 30), max_size=25),
    script=st.lists(st.booleans(), max_size=12),
    capacity=st.integers(1, 60),
    batch=st.integers(1, 20),
    pause=st.sampled_from([0.0, 0.0005]),
)
def test_what_is_accepted_is_written_once_and_in_order(
    sizes: list[int], script: list[bool], capacity: int, batch: int, pause: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prediction_log, "BATCH_ROWS", batch)
        for name in ("PAUSE_SECONDS", "FIRST_RETRY_SECONDS", "LAST_RETRY_SECONDS"):
            patch.setattr(prediction_log, name, 0.001)
        sink = Flaky([OSError("full") if fails else None for fails in script])
        log = PredictionLog(sink, capacity)
        log.start()
        accepted: list[Logged] = []
        for size in sizes:
            offered = numbers(len(accepted), size)
            waited = log.waiting
            if log.offer(offered):
                accepted += offered
            else:  # it can only have become shorter since
                assert waited + size > capacity
            assert log.waiting <= capacity
            time.sleep(pause)
        assert log.close(PATIENCE) == 0
        assert sink.kept == accepted
        assert (log.written, log.waiting, log.problem) == (len(accepted), 0, "")
        assert max(sink.sizes, default=0) <= batch


# Failures


@pytest.mark.usefixtures("quick_retries")
def test_a_failing_sink_is_tried_until_it_works_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ml_sys")
    sink = Flaky(
        [StorageError("/disk/log: database or disk is full"), *[OSError(5, "Input/output error")] * 4]
    )
    log = PredictionLog(sink, 100)
    log.start()
    log.offer([logged(3, "company-77")])
    wait_until(lambda: log.written == 1)
    wait_until(lambda: not log.problem)
    sink.script = [ValueError("odd\nrow of company-77 has 0.25")]
    log.offer([logged(4, "company-77")])
    assert log.close(PATIENCE) == 0
    assert sink.kept == [logged(3, "company-77"), logged(4, "company-77")]
    assert [record.getMessage() for record in caplog.records] == [
        "predictions cannot be stored, trying again: /disk/log: database or disk is full",
        "predictions are stored again; none was lost",
        "predictions cannot be stored, trying again: ValueError: odd",
        "predictions are stored again; none was lost",
    ]


def test_tries_become_rarer_and_the_last_problem_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_log, "FIRST_RETRY_SECONDS", 0.01)
    sink = Broken()
    log = PredictionLog(sink, 2)
    log.start()
    log.offer(numbers(0, 2))
    wait_until(lambda: sink.tries >= 4)
    assert log.problem == "OSError: [Errno 28] No space left on device"
    assert not log.offer([logged(2)])
    log.close(0.0)
    gaps = np.diff(sink.at[:4])
    assert (gaps >= [0.01, 0.02, 0.04]).all()


@pytest.mark.usefixtures("quick_retries")
def test_what_could_not_be_written_in_time_is_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    sink = Broken()
    log = PredictionLog(sink, 5000)
    log.start()
    log.offer(numbers(0, 4100))
    wait_until(lambda: bool(log.problem))
    began = time.monotonic()
    assert log.close(0.2) == 4100
    assert time.monotonic() - began < PATIENCE
    assert caplog.messages[-1] == (
        "4100 predictions could not be stored: OSError: [Errno 28] No space left on device"
    )
    wait_until(lambda: sink.is_closed)
    assert sink.seen == {logged(0)}  # what comes later is not tried before what could not be written


def test_closing_does_not_wait_for_a_sink_that_hangs() -> None:
    sink = Held()
    log = PredictionLog(sink, 10)
    log.start()
    log.offer(numbers(0, 3))
    assert log.close(0.1) == 3
    sink.let_go.set()


def test_closing_interrupts_the_wait_between_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_log, "FIRST_RETRY_SECONDS", 10 * PATIENCE)
    sink = Flaky([OSError("once")])
    log = PredictionLog(sink, 10)
    log.start()
    log.offer([logged(0)])
    wait_until(lambda: bool(log.problem))
    assert log.close(PATIENCE) == 0
    assert sink.kept == [logged(0)]


def test_a_sink_that_does_not_close_has_lost_nothing(caplog: pytest.LogCaptureFixture) -> None:
    sink = Flaky()
    sink.close_fails = True
    log = PredictionLog(sink, 10)
    log.offer([logged(0)])
    assert log.close(PATIENCE) == 0
    assert caplog.messages == ["the prediction log did not close: OSError: stale handle"]


FULL_DISK = """
import resource
path = Path(sys.argv[1])
log = PredictionLog(SqliteSink(path), 20_000)
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, limit[1]))
log.start()
assert log.offer(numbers(0, 20_000))
wait_until(lambda: bool(log.problem))
assert str(path) in log.problem
assert log.waiting > 0
assert log.waiting + log.written == 20_000
resource.setrlimit(resource.RLIMIT_FSIZE, limit)
wait_until(lambda: log.written == 20_000)
print(log.close(PATIENCE))
"""


@posix
def test_a_disk_that_was_full_for_a_while_loses_nothing(tmp_path: Path) -> None:
    out, err = run(FULL_DISK, tmp_path / "log").communicate(timeout=300)
    assert out == "0\n", err
    assert kept(tmp_path / "log") == [(number,) for number in range(20_000)]


# Processes

KILLED = """
log = PredictionLog(SqliteSink(Path(sys.argv[1])), 20_000)
log.start()
number = 0
while True:
    if log.offer(numbers(number, 50)):
        number += 50
    print(log.written, flush=True)
    time.sleep(0.001)
"""


@posix
def test_what_was_said_to_be_written_survives_a_kill(tmp_path: Path) -> None:
    said = 0
    with run(KILLED, tmp_path / "log") as process:
        while said < 5000:
            said = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()  # of what has been read in part already, which communicate() forgets
    said = max([said, *(int(line) for line in rest.split("\n")[:-1])])
    found = kept(tmp_path / "log")
    assert len(found) >= said
    assert found == [(number,) for number in range(len(found))]


AT_ONCE = """
print("ready", flush=True)
sys.stdin.readline()
first = int(sys.argv[2])
log = PredictionLog(SqliteSink(Path(sys.argv[1])), 10_000)
log.start()
for number in range(first, first + 5000, 10):
    assert log.offer(numbers(number, 10))
    if number % 500 == 0:
        time.sleep(0.02)
print(log.close(PATIENCE))
"""


@pytest.mark.slow  # starts processes
def test_processes_write_one_new_file_at_once(tmp_path: Path) -> None:
    starts = range(0, 20_000, 5000)
    processes = [run(AT_ONCE, tmp_path / "log", first) for first in starts]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:  # all make the file at the same moment
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert out == "0\n", err  # on stderr stands who had to wait for another one
    found = [int(number) for (number,) in kept(tmp_path / "log")]
    assert sorted(found) == list(range(20_000))
    for first in starts:
        assert [number for number in found if first <= number < first + 5000] == list(
            range(first, first + 5000)
        )
    SqliteSink(tmp_path / "log").close()  # two that close at the same instant leave it to the next one
    assert [one.name for one in tmp_path.iterdir()] == ["log"]


def test_writing_predictions_imports_nothing_heavy(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from ml_sys.serve import sinks
from ml_sys.serve.sqlite_sink import SqliteSink
SqliteSink(Path(sys.argv[1])).close()
heavy = {"pandas", "sklearn", "imblearn", "scipy", "xgboost", "skops", "numpy", "pydantic"}
heavy |= {"sqlalchemy", "alembic"}
print(sorted(heavy & set(sys.modules)))
"""
    SqliteSink(tmp_path / "log").close()  # to make the file takes more
    argv = [sys.executable, "-c", script, str(tmp_path / "log")]
    process = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT)
    assert process.stdout == "[]\n"


# What is too old


@pytest.mark.parametrize("order", [1, -1])
def test_old_predictions_are_forgotten_and_young_ones_kept(tmp_path: Path, order: int) -> None:
    days = [0, 399, 401, 1000, 5][::order]
    sink = SqliteSink(tmp_path / "log")
    now = time.time()
    sink.write([Logged(now - day * 86_400, "1.2.3", str(day), b"", 0.5) for day in days for _ in range(3000)])
    log = PredictionLog(sink, 100, keep_days=400)
    log.start()
    wait_until(lambda: not {("401",), ("1000",)} & set(kept(tmp_path / "log", "company")))
    log.offer([logged(0, "new")])
    log.close(PATIENCE)
    left = [company for (company,) in kept(tmp_path / "log", "company")]
    assert {one: left.count(one) for one in left} == {"0": 3000, "399": 3000, "5": 3000, "new": 1}


@pytest.mark.parametrize("keep_days", [0, 400])
def test_nothing_is_forgotten_that_is_young_or_where_all_is_kept(tmp_path: Path, keep_days: int) -> None:
    rounds: list[bool] = []

    class Watched(SqliteSink):
        def prune(self, before: float) -> bool:
            rounds.append(super().prune(before))
            return rounds[-1]

    sink = Watched(tmp_path / "log")
    at = time.time() - (0 if keep_days else 5000 * 86_400)
    sink.write([Logged(at, "1.2.3", None, b"", 0.5)] * 10)
    log = PredictionLog(sink, 100, keep_days=keep_days)
    log.start()
    wait_until(lambda: not keep_days or False in rounds)
    log.offer([Logged(time.time(), "1.2.3", None, b"", 0.5)])
    wait_until(lambda: log.written == 1)
    log.close(PATIENCE)
    assert bool(rounds) == bool(keep_days)
    assert len(kept(tmp_path / "log")) == 11


def test_forgetting_goes_on_after_the_last_row_and_begins_anew(tmp_path: Path) -> None:
    with closing(SqliteSink(tmp_path / "log")) as sink:
        sink.write(numbers(0, 12_000))
        rounds = [sink.prune(AT + 7000) for _ in range(4)]
        assert rounds == [True, True, True, False]
        assert kept(tmp_path / "log") == [(number,) for number in range(7000, 12_000)]
        assert [sink.prune(AT + 99_999) for _ in range(2)] == [True, False]
        assert kept(tmp_path / "log") == []


def test_a_sink_that_cannot_delete_keeps_what_it_is_given(caplog: pytest.LogCaptureFixture) -> None:
    class Full(Flaky):
        tried = 0

        def prune(self, before: float) -> bool:
            self.tried += 1
            assert before == pytest.approx(time.time() - 7 * 86_400, abs=60)
            raise OSError("disk full")

    sink = Full()
    log = PredictionLog(sink, 100, keep_days=7)
    log.start()
    wait_until(lambda: sink.tried > 0)
    log.offer(numbers(0, 5))
    assert log.close(PATIENCE) == 0
    assert sink.kept == numbers(0, 5)
    assert sink.tried == 1
    assert caplog.text.count("old predictions cannot be deleted") == 1


COMPANIES_OF_EVERY_SHAPE = [
    "4711", "a'; DROP TABLE predictions; --", '"', "%", "_", "a\x00b", "a\nb", "=1+1", "株式会社",
    "\ud800", " ", "-5", "null",
]  # fmt: skip


@pytest.mark.parametrize("company", COMPANIES_OF_EVERY_SHAPE)
def test_a_company_is_forgotten_while_a_server_writes(tmp_path: Path, company: str) -> None:
    path = tmp_path / "log"
    others = [one for one in COMPANIES_OF_EVERY_SHAPE if one != company]
    with closing(SqliteSink(path)) as sink:
        sink.write([logged(n, one) for n, one in enumerate([company, *others, company])])
        assert sqlite_sink.forget(path, company, dry_run=True) == 2
        assert len(kept(path)) == len(others) + 2
        assert sqlite_sink.forget(path, company) == 2
        assert sqlite_sink.forget(path, company) == 0
        sink.write([logged(99, "new")])
    assert kept(path, "company") == [(storable(one),) for one in [*others, "new"]]


def test_what_is_forgotten_is_in_no_byte_of_the_log_any_more(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with closing(SqliteSink(path)) as sink:
        sink.write([logged(n, "secret-company" if n % 2 else f"other-{n}") for n in range(500)])
        assert sqlite_sink.forget(path, "secret-company") == 250
        assert all(b"secret-company" not in file.read_bytes() for file in tmp_path.iterdir())


# Sinks by name


def named(name: str, path: str = "", root: Path = Path("artifacts")) -> Settings:
    """Settings that name a sink, and its path."""
    chosen = {"prediction_log": name, "prediction_log_path": path}
    return Settings.model_validate({"artifacts_dir": root, "serve": chosen})


@pytest.mark.parametrize("name", ["store", "sqlite"])  # it was called by the other one once
def test_the_names_of_sinks(tmp_path: Path, name: str) -> None:
    assert make_sink(named("none", root=tmp_path)) is None
    assert list(tmp_path.iterdir()) == []
    for path, made in (("", "outcomes.sqlite"), (str(tmp_path / "log"), "log")):
        sink = make_sink(named(name, path, tmp_path))
        assert isinstance(sink, SqliteSink)
        sink.write([logged(0)])
        sink.close()
        assert kept(tmp_path / made) == [(0,)]


def test_a_sink_of_one_s_own_is_made_with_the_path(tmp_path: Path) -> None:
    sink = make_sink(named(f"{__name__}:OnFile", str(tmp_path / "log")))
    assert isinstance(sink, OnFile)
    assert sink.path == tmp_path / "log"
    log = PredictionLog(sink, 10)
    log.offer([logged(0)])
    log.close(PATIENCE)
    assert sink.kept == [logged(0)]


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [
        ("NoClose", "has no method close", "write"),
        ("AT", "TypeError: 'float' object is not callable", "the path of its file"),
        ("refuses", "RuntimeError: no server at here", "the path of its file"),
        ("Flakey", "has no attribute 'Flakey'", "Flaky"),
    ],
)
def test_what_is_no_sink_is_refused(name: str, said: str, hint: str) -> None:
    with pytest.raises(ResolveError, match=said) as caught:
        make_sink(named(f"{__name__}:{name}", "here"))
    assert hint in caught.value.hint


def test_a_sink_s_own_clear_error_is_shown_as_it_is() -> None:
    with pytest.raises(StorageError, match=r"^here: is full$"):
        make_sink(named(f"{__name__}:refuses_clearly", "here"))
