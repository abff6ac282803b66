"""Other forms: an online course with daily events, minutes, sign-ups and every kind of attribute."""

from __future__ import annotations

from ml_sys.days import Period
from ml_sys.features.compute import FeatureSpec
from ml_sys.features.spans import DAYS, MONTHS
from ml_sys.form import Attribute, Form, Measure, Noun, UsageTable, Words, ordered

DAILY = Period("day")
PLANS = ("free", "basic", "pro")


def _event(kind: str) -> Measure:
    return Measure(f"learning_{kind}", "actions", kind, Noun(f"{kind} event", f"{kind} events"))


_MINUTES = Measure(
    "minutes_watched", "amount", "minutes_watched", Noun("minute", "minutes"), verb="watched", digits=3
)
_PEOPLE = Measure("learning_users", "users", "learning", Noun("person", "people"))
_KINDS = ("lesson", "quiz")
COURSE = Form(
    tables=(
        UsageTable(
            "learning",
            "events",
            "date_watched",
            (*(f"learning_{kind}" for kind in (*_KINDS, "other")), "minutes_watched", "learning_users"),
            amounts=("minutes_watched",),
            event="what",
            user="device",
            kinds=_KINDS,
        ),
    ),
    measures=ordered((*map(_event, (*_KINDS, "other")), _MINUTES, _PEOPLE)),
    attributes=(
        Attribute("age", "number", "age", "age", Noun("year", "years")),
        Attribute("plan", "ordered", "plan", "plan", levels=PLANS),
        Attribute("country", "category", "country", "country", synonyms=(("uk", "united_kingdom"),)),
        Attribute("school", "category", "school", "school", blank_leaks=True),
        Attribute("newsletter", "flag", "newsletter", "newsletter"),
        Attribute("class_size", "range", "class_size_number", "class size", Noun("pupil", "pupils")),
    ),
    words=Words(
        entity=Noun("student", "students"),
        action=Noun("action", "actions"),
        user=Noun("device", "devices"),
        object=Noun("kind", "kinds"),
        value="price",
    ),
    has_since=True,
)
SPEC = FeatureSpec(DAYS.windows, period=DAILY, form=COURSE)
# One amount a month and nothing else: no users, no breadth, no actions, no attributes.
BARE = Form(
    tables=(UsageTable("bills", "periods", "month", ("spent",)),),
    measures=(Measure("spent", "amount", "spent", Noun("euro", "euros"), verb="spent", digits=2),),
)
BARE_SPEC = FeatureSpec(MONTHS.windows, period=Period("month"), form=BARE)
# A form whose every word is its own, by the month.
LIBRARY = Form(
    measures=ordered(
        (
            Measure("loans", "actions", "open_stacks", Noun("loan", "loans"), place="from the stacks"),
            Measure("views", "actions", "e_books", Noun("view", "views"), place="of e-books"),
            Measure("fees", "amount", "fees", Noun("euro", "euros"), place="in fees", verb="paid", digits=2),
            Measure("borrowers", "users", "open_stacks", Noun("borrower", "borrowers")),
            Measure("viewers", "users", "e_books", Noun("viewer", "viewers")),
        )
    ),
    attributes=(
        Attribute("reach", "number", "reach", "reach", Noun("mile", "miles"), scale="log"),
        Attribute("grade", "number", "grade", "grade"),
        Attribute("open", "flag", "open", "open on Sundays"),
        Attribute(
            *("floors", "number", "floors", "floors"),
            none=0.0, none_feature="no_floor", none_label="there is no floor and no lift",
        ),
        Attribute("beds", "number", "beds", "beds", none=0.0, none_feature="no_beds", none_label="no beds"),
        Attribute("size", "range", "size_number", "size"),
    ),
    words=Words(
        Noun("library", "libraries"), Noun("use", "uses"), Noun("reader", "readers"), Noun("shelf", "shelves")
    ),
    has_since=True,
)  # fmt: skip
MONTHLY = FeatureSpec(MONTHS.windows, period=Period("month"), form=LIBRARY)
