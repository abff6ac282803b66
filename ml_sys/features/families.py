"""The features of this package, written against roles of measures and of windows.

Each decorated function gives one feature, or one per window, object or amount, for any form that has what it
needs. Names come from the roles: ``most_users_{main}d`` is ``most_users_28d`` for weeks.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.elementary import log, log1p
from ml_sys.features.derived import Column, Usage, growth, ratio
from ml_sys.features.family import HISTORY, Families

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FAMILIES = Families()
family = FAMILIES.add


@family("days_since_first_row", group="tenure")
def days_since_first_row(usage: Usage) -> Column:
    """Days since the entity first appeared."""
    return usage.days_since("first")


@family("days_since_last_row", group="recency")
def days_since_last_row(usage: Usage) -> Column:
    """Days since the entity last appeared."""
    return usage.days_since("last")


@family("days_since_last_active", group="recency")
def days_since_last_active(usage: Usage) -> Column:
    """Days since the entity last did anything."""
    return usage.days_since("last_active")


@family("present_share_{long}d", group="tenure")
def present_share(usage: Usage) -> Column:
    """Share of the rows due since the first one, at most those of the long window, that are there."""
    spans = usage.spans
    due = np.clip(usage.days_since("first") / spans.unit_days + 1, 1, spans.rows_in(spans.long))
    if spans.unit_days % 1:
        due = np.rint(due)  # of months, whose lengths differ
    share: Column = (usage.rows_present(spans.long) / due).astype(np.float32)
    return share


@family("most_users_{main}d", group="users", needs=("users",))
def most_users_main(usage: Usage) -> Column:
    """Most users of one object in any row of the main window."""
    return usage.most_users(usage.spans.main)


@family("most_users_{long}d", group="users", needs=("users",))
def most_users_long(usage: Usage) -> Column:
    """Most users of one object in any row of the long window."""
    return usage.most_users(usage.spans.long)


@family("users_growth_{short}d_{main}d", group="users", needs=("users",))
def users_growth_short(usage: Usage) -> Column:
    """Users of the last row against those of the main window."""
    return _growth(usage, usage.users, usage.spans.short, usage.spans.main)


@family("users_growth_{main}d_{long}d", group="users", needs=("users",))
def users_growth_main(usage: Usage) -> Column:
    """Users of the main window against those of the long one."""
    return _growth(usage, usage.users, usage.spans.main, usage.spans.long)


@family("users_per_active_{unit}_{main}d", group="users", needs=("users",))
def users_per_active_row(usage: Usage) -> Column:
    """Users in an average active row of the main window."""
    return ratio(usage.users(usage.spans.main), usage.rows_active(usage.spans.main))


@family("actions_per_user_{main}d", group="intensity", needs=("actions", "users"))
def actions_per_user(usage: Usage) -> Column:
    """Actions per user and row of the main window."""
    return ratio(usage.actions(usage.spans.main), usage.users(usage.spans.main))


@family("actions_per_active_{unit}_{main}d", group="intensity", needs=("actions",))
def actions_per_active_row_main(usage: Usage) -> Column:
    """Actions in an average active row of the main window."""
    return ratio(usage.actions(usage.spans.main), usage.rows_active(usage.spans.main))


@family("actions_per_active_{unit}_{long}d", group="intensity", needs=("actions",))
def actions_per_active_row_long(usage: Usage) -> Column:
    """Actions in an average active row of the long window."""
    return ratio(usage.actions(usage.spans.long), usage.rows_active(usage.spans.long))


@family("actions_growth_{short}d_{main}d", group="trend", needs=("actions",))
def actions_growth_short(usage: Usage) -> Column:
    """Actions of the last row against those of the main window."""
    return _growth(usage, usage.actions, usage.spans.short, usage.spans.main)


@family("actions_growth_{main}d_{long}d", group="trend", needs=("actions",))
def actions_growth_main(usage: Usage) -> Column:
    """Actions of the main window against those of the long one."""
    return _growth(usage, usage.actions, usage.spans.main, usage.spans.long)


@family("actions_{pair}_over_{pair}", group="trend", needs=("actions",))
def actions_pair(usage: Usage) -> Column:
    """Actions of the last week, or month, minus those of the one before, on a log scale."""
    once, twice = usage.spans.pair
    last = usage.actions(once)
    return (log1p(last) - log1p(usage.actions(twice) - last)).astype(np.float32)


@family("users_change_{main}d", group="trend", needs=("users",))
def users_change(usage: Usage) -> Column:
    """Users of the main window's rows minus those of as many rows before."""
    return 2 * usage.users(usage.spans.main) - usage.users(usage.spans.double)


@family("object_entropy_{main}d", group="breadth", needs=("objects",))
def object_entropy(usage: Usage) -> Column:
    """How evenly actions spread over objects in the main window, in nats."""
    return _entropy([usage.actions(usage.spans.main, obj) for obj in usage.form.objects])


@family("objects_used_{main}d", group="breadth", needs=("objects",))
def objects_used_main(usage: Usage) -> Column:
    """Objects with any action in the main window."""
    return _objects_used(usage, usage.spans.main)


@family("objects_used_{long}d", group="breadth", needs=("objects",))
def objects_used_long(usage: Usage) -> Column:
    """Objects with any action in the long window."""
    return _objects_used(usage, usage.spans.long)


@family("actions_{window}d", group="totals", needs=("actions",), over="window")
def actions_of_window(usage: Usage, window: int) -> Column:
    """Actions of a window."""
    return usage.actions(window)


@family("users_{window}d", group="users", needs=("users",), over="window")
def users_of_window(usage: Usage, window: int) -> Column:
    """Users of a window's rows, added up."""
    return usage.users(window)


@family("share_{object}_{main}d", group="breadth", needs=("objects",), over="object")
def share_of_object(usage: Usage, object: str) -> Column:  # noqa: A002 - as in the family's name
    """Share of the main window's actions that are of an object."""
    return ratio(usage.actions(usage.spans.main, object), usage.actions(usage.spans.main))


@family("{amount}_growth_{short}d_{main}d", group="amounts", needs=("amounts",), over="amount")
def amount_growth_short(usage: Usage, amount: str) -> Column:
    """Amount of the last row against that of the main window."""
    return _growth(usage, partial(usage.amount, measure=amount), usage.spans.short, usage.spans.main)


@family("{amount}_growth_{main}d_{long}d", group="amounts", needs=("amounts",), over="amount")
def amount_growth_main(usage: Usage, amount: str) -> Column:
    """Amount of the main window against that of the long one."""
    return _growth(usage, partial(usage.amount, measure=amount), usage.spans.main, usage.spans.long)


@family("{amount}_per_active_{unit}_{main}d", group="amounts", needs=("amounts",), over="amount")
def amount_per_active_row(usage: Usage, amount: str) -> Column:
    """Amount in an average active row of the main window."""
    return ratio(usage.amount(usage.spans.main, amount), usage.rows_active(usage.spans.main))


@family("days_since_began", group=HISTORY, needs=("since",))
def days_since_began(usage: Usage) -> Column:
    """Days since the entity began to exist."""
    return usage.days_since_began()


@family("actions_share_of_all_{main}d", group=HISTORY, needs=("actions",))
def actions_share_of_all(usage: Usage) -> Column:
    """Share of all actions so far that lie in the main window."""
    return ratio(usage.actions(usage.spans.main), usage.all_actions())


@family("days_since_first_use_{object}", group=HISTORY, needs=("actions",), over="object")
def days_since_first_use(usage: Usage, object: str) -> Column:  # noqa: A002 - as in the family's name
    """Days since the first action of an object."""
    return usage.days_since_first_use(object)


def _growth(usage: Usage, of: Callable[[int], Column], recent: int, longer: int) -> Column:
    rows = usage.spans.rows_in
    return growth(of(recent), rows(recent), of(longer), rows(longer))


def _objects_used(usage: Usage, days: int) -> Column:
    used: Column = np.sum(
        [usage.actions(days, obj) > 0 for obj in usage.form.objects], axis=0, dtype=np.float32
    )
    return used


def _entropy(parts: Sequence[Column]) -> Column:
    total = np.sum(parts, axis=0, dtype=np.float64)
    out = np.zeros_like(total)
    for part in parts:
        share = np.divide(part, total, out=np.zeros_like(total), where=total > 0)
        out -= share * log(np.where(share > 0, share, 1.0))
    return out.astype(np.float32)
