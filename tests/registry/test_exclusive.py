"""One writer at a time, and readers that never wait."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml_sys.errors import BusyError
from ml_sys.registry.exclusive import (
    Registering,
    locked_and_cleaned,
    note_registering,
    registering_noted,
    remove_note,
)
from ml_sys.registry.store import Registry
from tests.registry.versions import add, promote, registry_with, tree

HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_writer_waits_for_another_one_and_says_so_when_that_takes_too_long(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    promote(registry, "1.0.0")
    impatient = Registry(tmp_path, wait_seconds=0.2)
    before = tree(tmp_path)
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "registry.lock")]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder,
        contextlib.ExitStack() as at_last,
    ):
        at_last.callback(holder.kill)
        assert holder.stdout.readline() == "held\n"
        for act in (impatient.recover, lambda: add(impatient, "2.0.0"), lambda: promote(impatient, "1.1.0")):
            began = time.monotonic()
            with pytest.raises(BusyError, match=r"another process has been writing .* for 0\.2 s") as caught:
                act()
            assert time.monotonic() - began >= 0.2
            assert "registry.lock_timeout_seconds" in caught.value.hint
        assert impatient.read().production == "1.0.0"
        impatient.open("1.0.0")
        assert tree(tmp_path) == before
        threading.Timer(0.3, holder.stdin.close).start()
        promote(registry, "1.1.0")
    assert registry.read().production == "1.1.0"


def test_readers_see_every_state_in_order_while_a_writer_writes(tmp_path):
    registry = registry_with(tmp_path, "1.0.0", "1.1.0")
    seen, problems, stop = [], [], threading.Event()

    def look() -> None:
        reader = Registry(tmp_path)
        while not stop.is_set():
            index = reader.read()
            seen.append(index.sequence)
            problems.append(reader.index_problem())
            reader.open(reader.resolve(None))
            if index.production is not None:
                assert index.versions[index.production].status == "production"

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        for n in range(40):
            add(registry, f"2.{n}.0") if n % 4 == 0 else promote(registry, f"1.{n % 2}.0")
            while n % 5 == 0 and not looking.done() and seen[-1:] != [registry.read().sequence]:
                time.sleep(0.001)  # the reader's turn
        stop.set()
        looking.result()
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
    assert set(problems) == {""}


@pytest.mark.parametrize("content", ["[", "[]", "{}", '{"version": "1.0.0", "seal": "a", "more": 1}', "\x00"])
def test_a_note_that_says_nothing_of_a_version_is_none(tmp_path, content):
    assert registering_noted(tmp_path) is None
    note_registering(tmp_path, Registering("1.0.0", "a"))
    assert registering_noted(tmp_path) == Registering("1.0.0", "a")
    (tmp_path / "registering.json").write_text(content)
    assert registering_noted(tmp_path) is None
    remove_note(tmp_path)
    remove_note(tmp_path)
    assert not (tmp_path / "registering.json").exists()


def test_who_holds_the_lock_first_clears_what_killed_writers_left_in_both_folders(tmp_path):
    models = tmp_path / "models"
    for folder in (tmp_path, models):
        (folder / ".tmp-half").mkdir(parents=True)
        (folder / "kept").write_text("mine")
    with locked_and_cleaned(tmp_path, models, 1):
        assert not list(tmp_path.rglob(".tmp-*"))
    assert (tmp_path / "kept").exists()
    assert (models / "kept").exists()


@pytest.mark.parametrize(
    "content",
    [
        *(
            "",
            "[]",
            "[" * 200_000,
            "\udcff",
            '{"version": 5, "seal": "0"}',
            '{"version": null, "seal": null}',
        ),
        '{"version": "../../elsewhere/1.2.0", "seal": "0"}',
    ],
    ids=lambda content: content[:40],
)
def test_a_note_that_names_no_version_is_passed_over_and_stops_nobody(tmp_path, content):
    registry = registry_with(tmp_path, "1.0.0")
    (tmp_path / "registering.json").write_bytes(content.encode(errors="surrogateescape"))
    assert registering_noted(tmp_path) is None
    promote(registry, "1.0.0")
    assert not (tmp_path / "registering.json").exists()
