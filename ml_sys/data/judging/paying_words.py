"""Column names that suggest values known only after paying, and names that only sound so."""

from __future__ import annotations

from ml_sys.data.looking.columns import words_of

# Words that suggest it, with the reason.
_SAYS = {
    "plan": "names the plan that is paid for",
    "tier": "names what is paid for",
    "pricing": "names what is paid for",
    "subscription": "describes what is paid for",
    "subscribed": "says who pays",
    "subscriber": "says who pays",
    "status": "a status changes when an entity pays",
    "stage": "a stage changes when an entity pays",
    "lifecycle": "a stage changes when an entity pays",
    "churn": "only who pays can leave",
    "delinquent": "only who has to pay can be late",
    "churned": "only who pays can leave",
    "cancelled": "only who pays can leave",
    "canceled": "only who pays can leave",
    "cancellation": "only who pays can leave",
    "renewal": "only who pays renews",
    "renewed": "only who pays renews",
    "premium": "says who pays",
    "paid": "says who pays",
    "paying": "says who pays",
    "payment": "describes payments",
    "payments": "describes payments",
    "billing": "describes payments",
    "invoice": "describes payments",
    "invoices": "describes payments",
    "purchases": "counts purchases",
    "purchase": "describes a purchase",
    "orders": "counts purchases",
    "mrr": "money that is paid",
    "arr": "money that is paid",
    "ltv": "money that is paid",
    "clv": "money that is paid",
    "spend": "money that is paid",
    "spent": "money that is paid",
    "converted": "says who converted",
    "conversion": "says who converted",
    "upgraded": "says who pays",
    "won": "says who converted",
    "refund": "describes payments",
    "refunds": "describes payments",
    "probability": "a prediction may be made of what came after",
    "prediction": "a prediction may be made of what came after",
    "propensity": "a prediction may be made of what came after",
}
# Next to these words the words above keep their meaning; any other word changes it, as in "marital status"
# and "city tier".
_NEUTRAL = {
    *(
        "account",
        "customer",
        "user",
        "client",
        "member",
        "company",
        "student",
        "workspace",
        "team",
        "lead",
        "is",
        "has",
    ),
    *(
        "current",
        "currently",
        "type",
        "name",
        "id",
        "date",
        "at",
        "on",
        "day",
        "days",
        "since",
        "total",
        "number",
        "num",
    ),
    *(
        "of",
        "n",
        "count",
        "code",
        "level",
        "flag",
        "ever",
        "last",
        "first",
        "latest",
        "amount",
        "value",
        "monthly",
        "annual",
    ),
    *(
        "active",
        "reason",
        "lifetime",
        "months",
        "to",
        "next",
        "method",
        "until",
        "end",
        "start",
        "deal",
        "sub",
        "kind",
    ),
}
_TOTALS = {"total", "lifetime", "cumulative", "alltime", "overall"}
_COUNTS = {
    "count",
    "num",
    "number",
    "n",
    "logins",
    "sessions",
    "visits",
    "clicks",
    "events",
    "actions",
    "views",
    "times",
}
# Things that an entity has many of without doing anything.
_FIRM = {
    *(
        "employee",
        "employees",
        "staff",
        "headcount",
        "people",
        "seats",
        "locations",
        "offices",
        "stores",
        "branches",
    ),
    *(
        "funding",
        "revenue",
        "turnover",
        "children",
        "founders",
        "countries",
        "domains",
        "products",
        "population",
        "size",
    ),
    *(
        "rooms",
        "beds",
        "area",
        "students",
        "pupils",
        "subsidiaries",
        "competitors",
        "age",
        "founded",
        "year",
        "rank",
    ),
}
_LAST = {"last", "latest", "recent", "previous"}
# What was last of it was so before anybody signed up.
_BEFORE = {
    *(
        "school",
        "university",
        "college",
        "degree",
        "employer",
        "job",
        "position",
        "title",
        "vendor",
        "provider",
    ),
}
_DONE = {"sent", "made", "written", "run", "spent", "built", "bought", "won", "taken", "held"}
# These are asked for at the beginning: what they hold is a yes.
_AGREED = {"terms", "cookies", "conditions", "news", "permissions", "details", "is", "has"}
_SHORTEST = 4
_DAYS = {"days", "months", "weeks", "tenure", "age"}


def says_paying(name: str) -> str:
    """Return why a column with this name is known only after paying; empty if the name does not suggest it.

    Examples
    --------
    >>> says_paying("current_plan"), says_paying("marital_status")
    ('names the plan that is paid for', '')
    """
    words = words_of(name)
    said = [_SAYS[word] for word in words if word in _SAYS]
    if said and all(word in _SAYS or word in _NEUTRAL for word in words):
        return said[0]
    if words[-1:] == ["customer"] and words[0] == "is":
        return "says who pays"
    return ""


def says_lifetime(name: str) -> str:
    """Return why a column with this name covers the whole life up to the export; empty if it does not."""
    words = set(words_of(name))
    if words & _FIRM and not words & _LAST:
        return ""
    if words & _TOTALS or words_of(name)[-2:] == ["to", "date"]:
        return "a total over the whole life, up to the export"
    if words & _LAST and not words & _BEFORE:
        return "what was last is known at the export, not at a cutoff"
    if words & _COUNTS or _counts_what_was_done(words_of(name)):
        return "a count over the whole life, up to the export"
    if words & _DAYS and words & {"since", "tenure", "customer", "member", "active", "subscribed"}:
        return "counts the time up to the export"
    return ""


def _counts_what_was_done(words: list[str]) -> bool:
    """Return whether a name is of things and what was done with them, such as ``orders_synced``."""
    *_, things, done = ["", *words]
    is_done = done in _DONE or (done.endswith("ed") and len(done) > _SHORTEST)
    return is_done and things not in _AGREED and things.endswith("s") and not things.endswith("ss")
