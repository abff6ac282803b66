"""From files to a snapshot in one command, and a description judged by the next."""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import RunCommand
from tests.data.proposing.folders import World, tables_of, with_column, world, write


class Terminal(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def made() -> World:
    return world()


def weekly(made: World) -> dict[str, list[dict[str, object]]]:
    """Return users with their day of conversion, and what they do by the week."""
    weeks: dict[tuple[int, dt.date], int] = {}
    for one in made.events:
        week = one["at"] - dt.timedelta(one["at"].weekday())
        weeks[one["user_id"], week] = weeks.get((one["user_id"], week), 0) + 1
    usage = [{"user_id": user, "week": week, "actions": n} for (user, week), n in weeks.items()]
    bought = made.bought
    users = with_column(made.users, "paid_on", lambda row: bought.get(row["user_id"], ""))
    return {"users": users, "weekly_usage": usage}


def test_files_become_a_settings_file_and_a_snapshot(made: World, mlsys: RunCommand, tmp_path: Path) -> None:
    write(tmp_path / "export", weekly(made))
    done = mlsys("init", "export")
    assert done.returncode == 0, done.stderr
    assert "Written: conf/mlsys.toml. Read it: the reason for every choice is beside it." in done.stdout
    assert done.stdout.endswith("Next:\n  mlsys train\n  mlsys score\n")
    assert len(list((tmp_path / "artifacts" / "snapshots").glob("[0-9a-f]*"))) == 1
    text = (tmp_path / "conf" / "mlsys.toml").read_text(encoding="utf-8")
    assert (
        "# export/weekly_usage.csv: one row for each user_id and week\n[schema.tables.weekly_usage]" in text
    )
    checked = mlsys("ingest", "--check")
    assert checked.returncode == 0, checked.stderr
    assert "Nothing in the description leaks" in checked.stdout


def test_a_settings_file_that_is_there_is_kept_unless_forced(
    made: World, mlsys: RunCommand, tmp_path: Path
) -> None:
    write(tmp_path / "export", weekly(made))
    (tmp_path / "mine.toml").write_text("seed = 1\n")
    kept = mlsys("init", "export", "--out", "mine.toml")
    assert (kept.returncode, kept.stderr.splitlines()[0]) == (2, "error: mine.toml exists already")
    assert (tmp_path / "mine.toml").read_text() == "seed = 1\n"
    forced = mlsys("init", "export", "--out", "mine.toml", "--force", "--json")
    assert forced.returncode == 0, forced.stderr
    shown = json.loads(forced.stdout)
    assert [one["kind"] for one in shown["tables"]] == ["entities", "periods"]
    assert shown["ingested"]["is_new"]


def two_dates(made: World, folder: Path) -> None:
    """Write events with two dates of which neither is named for what it is."""
    events = [
        {"user_id": one["user_id"], "date_a": one["at"], "date_b": one["at"] + dt.timedelta(2)}
        for one in made.events
    ]
    write(folder, {"users": weekly(made)["users"], "events": events})


def test_without_a_terminal_nothing_is_asked_and_one_line_names_the_flag(
    made: World, mlsys: RunCommand, tmp_path: Path
) -> None:
    two_dates(made, tmp_path / "export")
    done = mlsys("init", "export")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: events: which column says when it happened?\n  answer with --at date_a|date_b\n"
    )
    assert not (tmp_path / "conf").exists()


def test_on_a_terminal_it_asks_until_the_answer_is_one(
    made: World, mlsys: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_dates(made, tmp_path / "export")
    monkeypatch.setattr(sys, "stdin", Terminal("neither\ndate_b\n"))
    done = mlsys("init", "export")
    assert "events: which column says when it happened? (date_a, date_b)" in done.stderr
    assert "'neither' is not one of these" in done.stderr
    assert 'at = "date_b"' in (tmp_path / "conf" / "mlsys.toml").read_text(encoding="utf-8")


LEAKY = """
[schema.tables.users]
kind = "entities"
file = "export/users.csv"
id = "user_id"
converted_on = "paid_on"

[schema.tables.usage]
kind = "periods"
file = "export/weekly_usage.csv"
id = "user_id"
at = "week"
measures.actions.column = "actions"

[schema.attributes.fee]
kind = "number"
"""


def test_a_description_with_a_leak_fails_its_check_and_stores_nothing(
    made: World, mlsys: RunCommand, tmp_path: Path
) -> None:
    tables = weekly(made)
    tables["users"] = with_column(tables["users"], "fee", lambda row: 9 if row["paid_on"] else "")
    write(tmp_path / "export", tables)
    (tmp_path / "leaky.toml").write_text(LEAKY, encoding="utf-8")
    done = mlsys("--config", "leaky.toml", "ingest", "--check")
    assert done.returncode == 1
    assert "users.fee" in done.stdout
    assert "a model would learn what is known only after paying" in done.stderr
    assert not (tmp_path / "artifacts").exists()
    shown = json.loads(mlsys("--config", "leaky.toml", "ingest", "--check", "--json").stdout)
    assert [(one["table"], one["column"], one["sure"]) for one in shown["verdicts"]] == [
        ("users", "fee", True)
    ]


def test_events_and_purchases_are_described_as_they_are(
    made: World, mlsys: RunCommand, tmp_path: Path
) -> None:
    write(tmp_path / "export", tables_of(made))
    mlsys("init", "export")
    text = (tmp_path / "conf" / "mlsys.toml").read_text(encoding="utf-8")
    assert 'kind = "events"\nfile = "export/events.csv"\n' in text


def test_however_files_are_written_the_snapshot_is_the_same(
    made: World, mlsys: RunCommand, tmp_path: Path
) -> None:
    def snapshot(name: str, **how: Any) -> str:
        folder = write(tmp_path / name / "export", tables_of(made), **how)
        done = mlsys("init", "export", "--json", cwd=folder.parent)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["ingested"]["id"])

    plain = snapshot("plain")
    assert snapshot("pipes", delimiter="|") == plain
    assert snapshot("days_first", day=lambda day: f"{day:%d.%m.%Y}") == plain
    midnight = dt.time(tzinfo=dt.UTC)
    assert snapshot("seconds", day=lambda day: int(dt.datetime.combine(day, midnight).timestamp())) == plain


def test_tables_of_a_database_are_checked_as_files_are(
    made: World, mlsys: RunCommand, tmp_path: Path
) -> None:
    tables = weekly(made)
    tables["users"] = with_column(tables["users"], "fee", lambda row: 9 if row["paid_on"] else "")
    write(tmp_path / "export", tables)
    with duckdb.connect(str(tmp_path / "base.duckdb")) as base:
        for name in tables:
            base.execute(
                f"CREATE TABLE {name} AS FROM read_csv('{tmp_path}/export/{name}.csv', all_varchar = true)"
            )
    described = LEAKY.replace('file = "export/users.csv"', 'file = "users"').replace(
        "export/weekly_usage.csv", "weekly_usage"
    )
    (tmp_path / "leaky.toml").write_text(
        f'[ingest]\nsource = "sql"\ndatabase = "{tmp_path}/base.duckdb"\n{described}', encoding="utf-8"
    )
    done = mlsys("--config", "leaky.toml", "ingest", "--check")
    assert (done.returncode, "users.fee" in done.stdout) == (1, True), done.stderr
