"""What the features that are made of several windows or measures say in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ml_sys.features.phrasing.phrase import Phrase, counting, joined
from ml_sys.features.phrasing.spoken_numbers import count, number, share
from ml_sys.features.phrasing.window_phrases import (
    busiest,
    days_ago,
    none_of,
    on,
    on_average,
    place_of,
    rows_of_usage,
    spoken,
    user_of_row,
    using,
)
from ml_sys.form import Noun

if TYPE_CHECKING:
    from ml_sys.features.spans import Spans
    from ml_sys.form import Form, Measure


def presence_phrases(spans: Spans, row_days: int) -> dict[str, Phrase]:
    """Return the phrases of when an entity was seen; a row covers so many days at most."""
    days = spans.last(spans.long)
    return {
        f"present_share_{spans.long}d": Phrase(
            rows_of_usage(spans),
            lambda value: f"usage recorded {on(spans)} {share(value)} of its {spans.unit}s in the {days}",
            zero=f"no usage recorded in the {days}",
        ),
        "days_since_first_row": days_ago("first seen", "never seen", row_days),
        "days_since_last_row": days_ago("last seen", "never seen", row_days),
        "days_since_last_active": days_ago("last active", "never active", row_days),
    }


def action_phrases(form: Form, spans: Spans) -> dict[str, Phrase]:
    """Return the phrases of actions: how many, how often, and compared with before."""
    action, user, main = form.words.action, form.words.user, spans.main
    found: dict[str, Phrase] = {}
    for days in spans.windows:
        found[f"actions_{days}d"] = counting(
            "activity", action, f"in the {spans.last(days)}", f"no {action.many} in the {spans.last(days)}"
        )
        found[f"actions_per_active_{spans.unit}_{days}d"] = counting(
            "activity", action, on_average(spans, days), f"not active in the {spans.last(days)}"
        )
    for recent, longer in ((spans.short, main), (main, spans.long)):
        found[f"actions_growth_{recent}d_{longer}d"] = _growth(
            "activity compared with before", "activity", "no activity", recent, longer, spans
        )
    once = spans.pair[0]
    found[f"actions_{spans.of_pair}_over_{spans.of_pair}"] = Phrase(
        "activity compared with before",
        # The feature counts one action too many on either side, so no figure is made of it.
        lambda value: (
            f"{'more' if value > 0 else 'fewer'} {action.many} in the {spans.last(once)} "
            f"than in the {spans.as_many(once)} before"
        ),
        zero=f"as many {action.many} in the {spans.last(once)} as in the {spans.as_many(once)} before",
    )
    found[f"actions_per_user_{main}d"] = counting(
        f"{action.many} per {user.one}",
        action,
        f"per {user.one} and {spans.unit} in the {spans.last(main)}",
        f"no {action.many} by {user.many} in the {spans.last(main)}",
    )
    return found


def user_phrases(form: Form, spans: Spans) -> dict[str, Phrase]:
    """Return the phrases of users: how many, and compared with before."""
    user, of_row, tool = form.words.user, user_of_row(form, spans), form.words.object
    measures = [form.measures[at] for at in form.of_role("users")]
    people, used, nobody, _ = using(measures[0], form)
    together = ""
    if len(measures) > 1:
        people, used, nobody = measures[0].noun, f"used one {tool.one}", f"nobody used any {tool.one}"
        together = f", all {tool.many} added up"
    found: dict[str, Phrase] = {}
    for days in spans.windows:
        found[f"users_{days}d"] = counting(
            user.many,
            user if days <= spans.short else of_row,
            f"in the {spans.last(days)}{together}",
            f"no {user.many} in the {spans.last(days)}",
        )
        found[f"most_users_{days}d"] = counting(
            user.many, people, joined(used, busiest(spans, days)), f"{nobody} in the {spans.last(days)}"
        )
    main, before = spans.main, f"{user.many} compared with before"
    for recent, longer in ((spans.short, main), (main, spans.long)):
        found[f"users_growth_{recent}d_{longer}d"] = _growth(
            before, f"number of {user.many}", f"no {user.many}", recent, longer, spans
        )
    found[f"users_change_{main}d"] = Phrase(
        before,
        lambda value: (
            f"{_more(value, of_row)} in the {spans.last(main)} than in the {spans.as_many(main)} before"
        ),
        zero=f"as many {of_row.many} in the {spans.last(main)} as in the {spans.as_many(main)} before",
    )
    found[f"users_per_active_{spans.unit}_{main}d"] = counting(
        user.many,
        user,
        on_average(spans, main),
        f"no {user.many} {on(spans)} the active {spans.unit}s of the {spans.last(main)}",
    )
    return found


def breadth_phrases(form: Form, spans: Spans) -> dict[str, Phrase]:
    """Return the phrases of how actions spread over objects."""
    tool, action, main, n = form.words.object, form.words.action, spans.main, len(form.objects)
    about = f"mix of {tool.many}"

    def spread(value: float) -> str:
        # Of how many equally used ones the entropy would be.
        many = math.exp(min(value, math.log(n)))
        return f"{action.many} in the {spans.last(main)} spread as over {count(many, tool.one, tool.many)}"

    part = f"of {n} {tool.many}"
    found = {
        f"objects_used_{days}d": counting(
            about,
            Noun(part, part),
            f"used in the {spans.last(days)}",
            f"no {tool.one} used in the {spans.last(days)}",
        )
        for days in spans.windows
    }
    found[f"object_entropy_{main}d"] = Phrase(
        about, spread, zero=f"no more than one {tool.one} used in the {spans.last(main)}"
    )
    for obj in form.objects:
        found[f"share_{obj}_{main}d"] = _share_of(about, obj, form, main, spans)
    return found


def amount_phrases(measure: Measure, spans: Spans) -> dict[str, Phrase]:
    """Return the phrases of an amount: compared with before, and how much at a time."""
    main, noun = spans.main, measure.noun
    what = joined(noun.many, measure.verb, measure.place)
    found = {
        f"{measure.name}_growth_{recent}d_{longer}d": _growth(
            f"{what} compared with before", what, f"no {what}", recent, longer, spans, several=True
        )
        for recent, longer in ((spans.short, main), (main, spans.long))
    }
    found[f"{measure.name}_per_active_{spans.unit}_{main}d"] = counting(
        what,
        noun,
        joined(measure.place, on_average(spans, main)),
        none_of(measure, main, spans),
        verb=measure.verb,
    )
    return found


def history_phrases(form: Form, spans: Spans, row_days: int) -> dict[str, Phrase]:
    """Return the phrases of all the time before; a row covers so many days at most."""
    action, days = form.words.action, spans.last(spans.main)
    found = {
        "days_since_began": days_ago("signed up", "", 0, about="sign-up"),
        f"actions_share_of_all_{spans.main}d": Phrase(
            "activity compared with before",
            lambda value: f"{share(value)} of all {action.many} so far came in the {days}",
            zero=f"no {action.many} in the {days}",
        ),
    }
    for obj in form.objects:
        measure = next(one for one in form.measures if one.role == "actions" and one.object == obj)
        what = joined(measure.noun.one, measure.place)
        found[f"days_since_first_use_{obj}"] = days_ago(
            f"first {what}",
            joined("no", measure.noun.many, measure.place, "so far"),
            row_days,
            about=f"first {spoken(obj)}",
        )
    return found


def _growth(
    statement: str, what: str, none: str, days: int, longer_days: int, spans: Spans, *, several: bool = False
) -> Phrase:
    """Phrase a rate over that of a longer window; it is 0 where the recent window is empty."""
    its, is_at = ("their", "are at") if several else ("its", "is at")
    rate = spans.long_rate(longer_days)

    def changed(value: float) -> str:
        times = number(value)
        if times == "1":
            return f"{what} in the {spans.last(days)} {is_at} {its} {rate} rate"
        moved = "rose" if value > 1 else "fell"
        return f"{what} {moved} to {times}× {its} {rate} rate in the {spans.last(days)}"

    return Phrase(statement, changed, zero=f"{none} in the {spans.last(days)}")


def _more(value: float, noun: Noun) -> str:
    side = "more" if value > 0 else "fewer"
    return count(abs(value), f"{side} {noun.one}", f"{side} {noun.many}")


def _share_of(about: str, obj: str, form: Form, days: int, spans: Spans) -> Phrase:
    action, place = form.words.action, place_of(form, obj)
    measure = next(one for one in form.measures if one.role == "actions" and one.object == obj)
    return Phrase(
        about,
        lambda value: f"{share(value)} of {action.many} in the {spans.last(days)} are {place}",
        zero=none_of(measure, days, spans),
    )
