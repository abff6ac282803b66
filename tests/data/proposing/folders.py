"""Small tables of a made-up product, written in as many ways as companies do."""

from __future__ import annotations

import csv
import datetime as dt
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIRST = dt.date(2023, 1, 1)
DAYS = 240
COUNTRIES = ("AT", "BE", "CH", "DE", "ES", "FR", "IT", "NL")
KINDS = ("opened", "searched", "shared", "exported")

Row = dict[str, Any]
Day = Callable[[dt.date], object]


@dataclass(frozen=True)
class World:
    """Who there is, what they do, and who pays."""

    users: list[Row]
    events: list[Row]
    purchases: list[Row]

    @property
    def bought(self) -> dict[int, dt.date]:
        """Return the day of the first purchase of each that bought."""
        first: dict[int, dt.date] = {}
        for one in sorted(self.purchases, key=lambda row: row["purchased_on"]):
            first.setdefault(one["user_id"], one["purchased_on"])
        return first


def world(n: int = 500, seed: int = 3) -> World:
    """Make users that sign up over some months, use the product, and pay more often the more they use it."""
    luck = random.Random(seed)  # noqa: S311 - nothing here is secret
    users, events, purchases = [], [], []
    for at in range(n):
        user, began = 1001 + at, FIRST + dt.timedelta(luck.randrange(DAYS - 60))
        eager = luck.random()
        pays = began + dt.timedelta(luck.randint(5, 55)) if luck.random() < 0.3 * eager else None
        users.append({"user_id": user, "country": luck.choice(COUNTRIES), "signed_up": began})
        for _ in range(int(2 + 20 * eager * luck.random())):
            day = began + dt.timedelta(luck.randrange(60))
            minutes = round(luck.expovariate(0.1), 1) + 0.1
            events.append({"user_id": user, "at": day, "event": luck.choice(KINDS), "minutes": minutes})
        for again in range(1 + luck.randrange(2)) if pays else ():
            order, day, amount = (
                70001 + 3 * len(purchases),
                pays + dt.timedelta(30 * again),
                luck.choice((9, 19, 49)),
            )
            purchases.append({"order_id": order, "user_id": user, "purchased_on": day, "amount": amount})
    luck.shuffle(events)
    luck.shuffle(users)
    luck.shuffle(purchases)
    return World(users, events, purchases)


def write_csv(
    path: Path, rows: Sequence[Row], *, delimiter: str = ",", header: bool = True, day: Day = str
) -> Path:
    """Write rows as CSV; days as a function says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        if header:
            writer.writerow(rows[0])
        for row in rows:
            writer.writerow([day(value) if isinstance(value, dt.date) else value for value in row.values()])
    return path


def write(folder: Path, tables: Mapping[str, Sequence[Row]], **how: Any) -> Path:
    """Write tables as CSV files of a folder."""
    for name, rows in tables.items():
        write_csv(folder / f"{name}.csv", rows, **how)
    return folder


def tables_of(made: World) -> dict[str, list[Row]]:
    """Return the three tables by name."""
    return {"users": made.users, "events": made.events, "purchases": made.purchases}


def renamed(rows: Sequence[Row], **names: str) -> list[Row]:
    """Return rows with other names of columns."""
    return [{names.get(name, name): value for name, value in row.items()} for row in rows]


def with_column(rows: Sequence[Row], name: str, value: Callable[[Row], object]) -> list[Row]:
    """Return rows with a further column."""
    return [{**row, name: value(row)} for row in rows]
