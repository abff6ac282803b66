"""When an ingest is refused: of each table, too large a share of rows that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_sys.data.checking.scalars import Fault
from ml_sys.data.ingesting.refusing import refuse_bad
from ml_sys.data.ingesting.run import IngestRun, OpenTable
from ml_sys.data.quarantine import MERGED_DUPLICATE, UNCOVERED
from ml_sys.data.reading.rows import BadRow, RawTable
from ml_sys.data.usage import LATER, UNFINISHED
from ml_sys.errors import TooManyRejectedError
from ml_sys.form import PLAIN_WORDS, Form, Noun, Words

READ = 10


def refused(
    folder: Path, *reasons: str, share: float = 0.2, was_given: bool = False, words: Words = PLAIN_WORDS
) -> TooManyRejectedError | None:
    """Return the refusal of a table of ten rows, of which some are bad for these reasons."""
    opened = {
        name: OpenTable(name, RawTable(f"{name}.csv", (), iter(())), {}) for name in ("entities", "usage")
    }
    run = IngestRun(opened, Form(words=words), lambda _table, _rows: None)
    for name in opened:
        run.count(name, READ)
    run.quarantine.add("usage", "usage.csv", [BadRow(at, one, "x") for at, one in enumerate(reasons, 2)])
    try:
        refuse_bad(run, run.quarantine.to_table(), share, folder, was_given=was_given)
    except TooManyRejectedError as error:
        return error
    return None


def test_as_many_bad_rows_as_the_share_allows_pass_and_one_more_does_not(tmp_path: Path) -> None:
    assert refused(tmp_path, "bad", "bad") is None
    error = refused(tmp_path, "bad", "bad", "worse")
    assert error is not None
    assert "usage.csv" in str(error)
    assert "bad (2), worse (1)" in str(error)
    assert len(list((tmp_path / "quarantine").glob("*.parquet"))) == 1


def test_merged_rows_and_those_of_a_period_that_is_not_over_are_not_bad(tmp_path: Path) -> None:
    assert refused(tmp_path, *[MERGED_DUPLICATE] * 9, *[UNFINISHED] * 9, "bad") is None


@pytest.mark.parametrize("reason", [LATER, UNCOVERED])
def test_rows_later_than_a_day_that_was_given_are_no_surprise(tmp_path: Path, reason: str) -> None:
    assert refused(tmp_path, *[reason] * 5, was_given=True) is None
    assert refused(tmp_path, *[reason] * 5) is not None


def test_the_most_frequent_reasons_are_told_first_and_three_at_most(tmp_path: Path) -> None:
    error = refused(tmp_path, *"dcccbbbbaaaaa")
    assert "a (5), b (4), c (3)" in str(error)
    assert "d (1)" not in str(error)


@pytest.mark.parametrize(
    ("reason", "hinted"),
    [
        (LATER, "--as-of DATE"),
        (f"day {Fault.NOT_DATE.reason}", "set dates under [schema.tables.usage]"),
        (f"day {Fault.NOT_EPOCH.reason}", "set dates under [schema.tables.usage]"),
        (f"day {Fault.OUT_OF_TIME.reason}", "set dates under [schema.tables.usage]"),
    ],
)
def test_what_is_wrong_most_often_tells_what_may_help(tmp_path: Path, reason: str, hinted: str) -> None:
    error = refused(tmp_path, reason, reason, reason, "bad")
    assert error is not None
    assert hinted in error.hint
    other = refused(tmp_path, "bad", "bad", "bad", reason)
    assert other is not None
    assert hinted not in other.hint


def test_what_is_no_surprise_is_none_in_the_words_of_the_description_either(tmp_path: Path) -> None:
    words = Words(entity=Noun("account", "accounts"))
    assert refused(tmp_path, *[UNCOVERED] * 5, was_given=True, words=words) is None
