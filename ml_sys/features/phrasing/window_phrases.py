"""What sums, maxima and rows of windows say in words, and the words that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys.features.derived import NEVER_DAYS
from ml_sys.features.phrasing.phrase import Phrase, counting, joined
from ml_sys.features.phrasing.spoken_numbers import count, number
from ml_sys.form import Noun

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml_sys.features.spans import Spans
    from ml_sys.form import Form, Measure


def window_phrases(days: int, form: Form, spans: Spans) -> dict[str, Phrase]:
    """Return the phrases of what each measure comes to in a window, and of its rows."""
    found = {
        f"{measure.name}_{statistic}_{days}d": _of_window(measure, statistic, days, form, spans)
        for measure in form.measures
        for statistic in ("sum", "max")
    }
    for kind, what, never in (
        ("present", "usage recorded", "no usage recorded"),
        ("active", "active", "not active"),
    ):
        found[f"{spans.unit}s_{kind}_{days}d"] = Phrase(
            rows_of_usage(spans), _counted_rows(what, days, spans), zero=f"{never} in the {spans.last(days)}"
        )
    return found


def days_ago(what: str, never: str, row_days: int, *, about: str = "") -> Phrase:
    """Phrase the days since something, counted back from the day of the cutoff.

    Parameters
    ----------
    what, never : str
        What it was, and that it never was.
    row_days : int
        Days that a row of usage covers at most, which is complete at the end of the last of them; 0 for what
        has a day of its own. The day before the cutoff is one day ago for both.
    about : str
        What the time is said to be since, where that is something else.
    """

    def told(value: float) -> str:
        if value == NEVER_DAYS:
            return never
        until = count(value + row_days, "day", "days")
        return f"{what} {f'{number(value + 1)} to {until}' if row_days > 1 else until} ago"

    return Phrase(f"time since {about or what}", told, zero=told(0) if row_days else f"{what} today")


def place_of(form: Form, obj: str) -> str:
    """Say where the actions of an object are, or what they are."""
    measure = next(one for one in form.measures if one.role == "actions" and one.object == obj)
    return measure.place or measure.noun.many


def user_of_row(form: Form, spans: Spans) -> Noun:
    """Return the word for a user of one row: not the same person as one of another row, once added up."""
    user = form.words.user
    return Noun(f"{spans.often} {user.one}", f"{spans.often} {user.many}")


def using(measure: Measure, form: Form) -> tuple[Noun, str, str, str]:
    """Return the word for people, what they did, that nobody did, and of what they are users."""
    noun, obj = measure.noun, spoken(measure.object)
    if measure.object in form.objects:
        return noun, f"used {obj}", f"nobody used {obj}", f"of {obj}"
    return Noun(f"{noun.one} was active", f"{noun.many} were active"), "", "nobody was active", ""


def spoken(name: str) -> str:
    """Return a name in words."""
    return name.replace("_", " ")


def on(spans: Spans) -> str:
    """Return the word that comes before a row: on a day, in a week."""
    return "on" if spans.unit == "day" else "in"


def busiest(spans: Spans, days: int) -> str:
    """Say in which row of a window, which for a window of one row is the window itself."""
    if days <= spans.short:
        return f"in the {spans.last(days)}"
    return f"{on(spans)} the busiest {spans.unit} of the {spans.last(days)}"


def on_average(spans: Spans, days: int) -> str:
    """Say in which row of a window on average."""
    return f"{on(spans)} an average active {spans.unit} of the {spans.last(days)}"


def none_of(measure: Measure, days: int, spans: Spans) -> str:
    """Say that there was nothing of a measure."""
    return joined("no", measure.noun.many, measure.verb, measure.place, f"in the {spans.last(days)}")


def rows_of_usage(spans: Spans) -> str:
    """Say what the rows are, as a statement: weeks of usage."""
    return f"{spans.unit}s of usage"


def _of_window(measure: Measure, statistic: str, days: int, form: Form, spans: Spans) -> Phrase:
    """Phrase the sum or the largest row of a measure."""
    when = busiest(spans, days) if statistic == "max" else f"in the {spans.last(days)}"
    if measure.role != "users":
        about = (
            f"{spoken(measure.object)} activity"
            if measure.role == "actions"
            else joined(measure.noun.many, measure.verb, measure.place)
        )
        rest = joined(measure.place, when)
        return counting(about, measure.noun, rest, none_of(measure, days, spans), verb=measure.verb)
    people, used, nobody, of = using(measure, form)
    about, zero = f"{spoken(measure.object)} users", f"{nobody} in the {spans.last(days)}"
    if statistic == "max" or days <= spans.short:
        return counting(about, people, joined(used, when), zero)
    # Users of each row are added up: that is no number of people.
    return counting(about, user_of_row(form, spans), joined(of, f"{when}, added up"), zero)


def _counted_rows(what: str, days: int, spans: Spans) -> Callable[[float], str]:
    unit = spans.unit
    if days <= spans.short:  # there is one row at most
        return lambda _: f"{what} in the {spans.last(days)}"
    return lambda value: f"{what} {on(spans)} {count(value, unit, f'{unit}s')} of the {spans.last(days)}"
