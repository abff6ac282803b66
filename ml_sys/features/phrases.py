"""A phrase for every feature, in words that sales people use.

Features that tell the same of a company, such as the sums and maxima of all windows, share a statement. A
feature that is registered elsewhere is a statement of its own, under its own name.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ml_sys.features.derived import NEVER_DAYS, OBJECTS, WINDOWS_DAYS
from ml_sys.features.firmographics import MISSING
from ml_sys.features.spoken_numbers import count, number, share, shortened

if TYPE_CHECKING:
    from collections.abc import Callable

_WINDOW = re.compile(r"(actions|users)_(?:crm_)?([a-z]+)_(sum|max)_(\d+)d")
_WEEKS = re.compile(r"weeks_(present|active)_(\d+)d")
_WEEK_DAYS = 7
_MAX_LOG_RANK = 12.0
_ACTIONS, _USERS = ("action", "actions"), ("user", "users")
_WEEKLY_USERS, _PEOPLE = ("weekly user", "weekly users"), ("person", "people")


@dataclass(frozen=True)
class Phrase:
    """How a feature reads in words.

    Attributes
    ----------
    statement : str
        What it is about; features of one statement are one reason.
    of_number : callable
        What is said of a number.
    zero : str
        What is said of 0; nothing of its own where empty.
    blank : str
        What is said where its value is not known; by default that of the statement.
    of_text : callable
        What is said of a text.
    """

    statement: str
    of_number: Callable[[float], str]
    zero: str = ""
    blank: str = ""
    of_text: Callable[[str], str] = str

    def say(self, value: float | str | None) -> str:
        """Return the phrase for a value; None and NaN are blanks."""
        if value is None or value != value:
            return self.blank or f"{self.statement} not known"
        if isinstance(value, str):
            return self.of_text(value)
        return self.zero if self.zero and not value else self.of_number(float(value))


@lru_cache(maxsize=4096)
def phrase_of(feature: str) -> Phrase:
    """Return the phrase of a feature; of one that this package does not know, its name and value."""
    if feature in PHRASES:
        return PHRASES[feature]
    if (window := _WINDOW.fullmatch(feature)) and window[2] in OBJECTS:
        return _of_window(window[1], window[2], window[3], int(window[4]))
    if weeks := _WEEKS.fullmatch(feature):
        return _of_weeks(weeks[1], int(weeks[2]))
    return Phrase(
        feature,
        lambda value: f"{feature} is {number(value)}",
        blank=f"{feature} is not known",
        of_text=lambda text: f"{feature} is {shortened(text)}",
    )


def _counting(statement: str, noun: tuple[str, str], rest: str, zero: str) -> Phrase:
    """Make a phrase of a number, its noun and what comes after."""
    return Phrase(statement, lambda value: f"{count(value, *noun)} {rest}", zero)


def _last(days: int) -> str:
    return "last day" if days == 1 else f"last {days} days"


def _place(obj: str) -> str:
    return "in email" if obj == "email" else f"on {obj}"


def _of_window(kind: str, obj: str, statistic: str, days: int) -> Phrase:
    """Phrase the sum or the largest week of a measure."""
    last, place = _last(days), _place(obj)
    # A window of one week has no busier week than itself.
    when = (
        f"in the busiest week of the {last}" if statistic == "max" and days > _WEEK_DAYS else f"in the {last}"
    )
    if kind == "actions":
        return _counting(f"{obj} activity", _ACTIONS, f"{place} {when}", f"no actions {place} in the {last}")
    statement, zero = f"{obj} users", f"nobody used {obj} in the {last}"
    if statistic == "max" or days <= _WEEK_DAYS:
        return _counting(statement, _PEOPLE, f"used {obj} {when}", zero)
    # Users of each week are added up: that is no number of people.
    return _counting(statement, _WEEKLY_USERS, f"of {obj} {when}, added up", zero)


def _of_weeks(kind: str, days: int) -> Phrase:
    what, never = ("active", "not active") if kind == "active" else ("usage recorded", "no usage recorded")
    return Phrase(
        "weeks of usage",
        lambda value: f"{what} in {count(value, 'week', 'weeks')} of the {_last(days)}",
        zero=f"{never} in the {_last(days)}",
    )


def _growth(statement: str, what: str, none: str, days: int, longer_days: int) -> Phrase:
    """Phrase a rate over that of a longer window; it is 0 where the recent window is empty."""

    def changed(value: float) -> str:
        times = number(value)
        if times == "1":
            return f"{what} in the last {days} days is at its {longer_days}-day rate"
        moved = "rose" if value > 1 else "fell"
        return f"{what} {moved} to {times}× its {longer_days}-day rate in the last {days} days"

    return Phrase(statement, changed, zero=f"{none} in the last {days} days")


def _week_over_week(value: float) -> str:
    # The feature counts one action too many on either side, so no figure is made of it.
    return f"{'more' if value > 0 else 'fewer'} actions in the last 7 days than in the 7 before"


def _users_change(value: float) -> str:
    side = "more" if value > 0 else "fewer"
    change = count(abs(value), f"{side} weekly user", f"{side} weekly users")
    return f"{change} in the last 28 days than in the 28 before"


def _spread(value: float) -> str:
    """Say of how many equally used tools the entropy would be."""
    tools = math.exp(min(value, math.log(len(OBJECTS))))
    return f"actions in the last 28 days spread as over {count(tools, 'tool', 'tools')}"


def _share_of(obj: str) -> Phrase:
    return Phrase(
        "mix of tools",
        lambda value: f"{share(value)} of actions in the last 28 days are {_place(obj)}",
        zero=f"no actions {_place(obj)} in the last 28 days",
    )


def _days_ago(what: str, never: str) -> Phrase:
    return Phrase(
        f"time since {what}",
        lambda value: never if value == NEVER_DAYS else f"{what} {count(value, 'day', 'days')} ago",
        zero=f"{what} today",
    )


def _rank(value: float) -> str:
    rank = 10.0 ** min(max(value, 0.0), _MAX_LOG_RANK)
    # Two leading digits say enough; a float32 of the logarithm does not hold many more.
    digits = math.floor(math.log10(rank)) - 1
    return f"traffic rank about {round(rank, -digits):,.0f}"


def _range(text: str) -> str:
    spaced = shortened(text).replace("_", " ")
    return f"employees: {re.sub('[0-9]+', lambda digits: f'{int(digits[0]):,}', spaced)}"


def _industry(text: str) -> str:
    return "industry not known" if text == MISSING else f"industry: {shortened(text).replace('_', ' ')}"


_EACH_WINDOW = [(days, _last(days)) for days in WINDOWS_DAYS]
_NO_RANK, _NO_SIZE = "no traffic rank known", "number of employees not known"

PHRASES: dict[str, Phrase] = {
    **{
        f"actions_{days}d": _counting("activity", _ACTIONS, f"in the {last}", f"no actions in the {last}")
        for days, last in _EACH_WINDOW
    },
    **{
        f"users_{days}d": _counting(
            "users",
            _USERS if days <= _WEEK_DAYS else _WEEKLY_USERS,
            f"in the {last}, all tools added up",
            f"no users in the {last}",
        )
        for days, last in _EACH_WINDOW
    },
    **{
        f"most_users_{days}d": _counting(
            "users",
            _PEOPLE,
            f"used one tool in the busiest week of the {last}",
            f"nobody used any tool in the {last}",
        )
        for days, last in _EACH_WINDOW
    },
    **{
        f"actions_per_active_week_{days}d": _counting(
            "activity", _ACTIONS, f"in an average active week of the {last}", f"not active in the {last}"
        )
        for days, last in _EACH_WINDOW
    },
    **{
        f"objects_used_{days}d": _counting(
            "mix of tools",
            (f"of {len(OBJECTS)} tools",) * 2,
            f"used in the {last}",
            f"no tool used in the {last}",
        )
        for days, last in _EACH_WINDOW
    },
    **{f"share_{obj}_28d": _share_of(obj) for obj in OBJECTS},
    **{
        f"{kind}_growth_{days}d_{longer}d": _growth(statement, what, none, days, longer)
        for kind, statement, what, none in (
            ("actions", "activity compared with before", "activity", "no activity"),
            ("users", "users compared with before", "number of users", "no users"),
        )
        for days, longer in ((7, 28), (28, 91))
    },
    "actions_week_over_week": Phrase(
        "activity compared with before",
        _week_over_week,
        zero="as many actions in the last 7 days as in the 7 before",
    ),
    "users_change_28d": Phrase(
        "users compared with before",
        _users_change,
        zero="as many weekly users in the last 28 days as in the 28 before",
    ),
    "users_per_active_week_28d": _counting(
        "users",
        _USERS,
        "in an average active week of the last 28 days",
        "no users in the active weeks of the last 28 days",
    ),
    "actions_per_user_28d": _counting(
        "actions per user",
        _ACTIONS,
        "per user and week in the last 28 days",
        "no actions by users in the last 28 days",
    ),
    "object_entropy_28d": Phrase(
        "mix of tools", _spread, zero="no more than one tool used in the last 28 days"
    ),
    "present_share_91d": Phrase(
        "weeks of usage",
        lambda value: f"usage recorded in {share(value)} of its weeks in the last 91 days",
        zero="no usage recorded in the last 91 days",
    ),
    "days_since_first_row": _days_ago("first seen", "never seen"),
    "days_since_last_row": _days_ago("last seen", "never seen"),
    "days_since_last_active": _days_ago("last active", "never active"),
    "log_rank": Phrase("traffic rank", _rank, blank=_NO_RANK),
    "unranked": Phrase(
        "traffic rank", lambda _: "site has no traffic rank", "site has a traffic rank", blank=_NO_RANK
    ),
    "rank_missing": Phrase(
        "traffic rank", lambda _: _NO_RANK, "traffic rank known, or known to be none", _NO_RANK
    ),
    "employees": Phrase(
        "company size",
        lambda value: f"about {count(float(round(value)), 'employee', 'employees')}",
        blank=_NO_SIZE,
    ),
    "employee_range": Phrase("company size", number, blank=_NO_SIZE, of_text=_range),
    "employees_missing": Phrase("company size", lambda _: _NO_SIZE, "number of employees known", _NO_SIZE),
    "industry": Phrase("industry", number, of_text=_industry),
}
