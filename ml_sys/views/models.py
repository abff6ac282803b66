"""All versions, one in detail, two compared, and which was in production when."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from ml_sys import console
from ml_sys.metrics.names import HEADLINE, heading, named
from ml_sys.settings.writing import literal
from ml_sys.text import counted, signed
from ml_sys.views.frame.cells import number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ml_sys.form import Noun
    from ml_sys.registry.audit import Record
    from ml_sys.registry.history import Catalogue, Live, RegistryHistory, Stint
    from ml_sys.registry.inspection import Description, Difference


# Two versions may differ by little.
_LEAST_DIGITS = 4


def models(found: Catalogue) -> None:
    """Show the registry, the latest version first."""
    index, served = found.index, found.served
    rows = []
    for entry in reversed(list(index.versions.values())):
        metrics = [number(entry.metrics.get(key), named(key).digits) for key in HEADLINE]
        rows.append(
            (
                entry.version,
                entry.status,
                _day(entry.created_at),
                entry.data_through,
                _served(served.get(entry.version, ()), _day),
                entry.changes,
                *metrics,
            )
        )
    columns = (
        "version",
        "status",
        "trained",
        "data through",
        "served",
        "changes",
        *map(heading, HEADLINE),
    )
    from ml_sys.views.promote import short

    console.table(f"Models; in production: {short(index.production or 'none')}", columns, rows, left=6)


def description(one: Description) -> None:
    """Show everything about a version."""
    from ml_sys.report.sentences import of_sample
    from ml_sys.views.evaluate import evaluation
    from ml_sys.views.train import SLOWER, canaries

    entry, facts, fit, holdout = one.entry, one.facts, one.facts["fit"], one.facts["holdout"]
    features = facts["feature_schema"]["features"]
    git = facts["git"]
    otherwise = "; ".join(f"{key} = {literal(value)}" for key, value in one.set_otherwise.items())
    rows = [
        ("status", entry.status),
        ("made", f"{_minute(entry.created_at)} UTC ({entry.changes})"),
        ("follows", facts["parent"]),
        ("said of it", entry.message or None),
        ("served", _served(one.served, _minute)),
        ("snapshot", f"{entry.snapshot}, usage through {entry.data_through}"),
        ("trained on", _rows(fit, one.words.entity)),
        ("sampled", of_sample(fit, one.words.entity) or None),
        ("judged on", _rows(holdout, one.words.entity)),
        ("trees", fit["trees"]),
        ("features", f"{len(features)} in the groups {', '.join(sorted(set(features.values())))}"),
        ("set otherwise", otherwise or None),
        ("seed", facts["seed"]),
        ("mlsys", facts["packages"]["ml-sys"] + (f", commit {git['commit'][:12]}" if git else "")
         + (" with changes" if git and git["dirty"] else "")),
        ("made with", f"Python {facts['python']}, {facts['platform']}"),
    ]  # fmt: skip
    if not facts.get("compiled", True):
        rows.append(("service", SLOWER))
    console.table(f"Model {entry.version}", ("", "what it is"), rows, left=2)
    canaries(one.canaries)
    if one.moves:
        _moves("In production", one.moves)
    evaluation(one.evaluation, facts["settings"]["bootstrap.confidence"])


def difference(one: Difference) -> None:
    """Show how two versions differ."""
    first, second = one.versions
    rows = [("setting", key, _value(a), _value(b)) for key, (a, b) in one.settings.items()]
    rows += [("data", key, _value(a), _value(b)) for key, (a, b) in one.data.items()]
    rows += [("feature", name, "yes", "no") for name in one.features_gone]
    rows += [("feature", name, "no", "yes") for name in one.features_new]
    if rows:
        console.table(f"{first} and {second}", ("", "what", first, second), rows, left=4)
    else:
        console.line(f"{first} and {second} have the same settings, features and data.")
    shown = [_metric(key, a, b, one.versions) for key, (a, b) in one.metrics.items()]
    caption = (
        "both judged on the same rows; mlsys promote says how sure the difference is"
        if one.same_holdout
        else "each was judged on its own holdout, so a difference may come from the data; "
        "mlsys promote lets both score the same rows"
    )
    console.table(
        "Metrics, all prospects", ("metric", first, second, "difference", "better"), shown, caption=caption
    )


def _metric(key: str, a: float | None, b: float | None, versions: tuple[str, str]) -> tuple[str | None, ...]:
    one = named(key)
    digits = max(one.digits, _LEAST_DIGITS)
    values = (one.label, number(a, digits), number(b, digits))
    if a is None or b is None:
        return (*values, None, None)
    higher, lower = versions if a > b else versions[::-1]
    better = {"higher": higher, "lower": lower}.get(one.better) if a != b else None
    return (*values, signed(b - a, digits, plus=True), better)


def history(found: RegistryHistory) -> None:
    """Show every change of the registry, first to last."""
    records = found.records
    if not records:
        console.line("Nothing has happened yet.")
        return
    _moves(counted(len(records), "change"), records)


def live(found: Live) -> None:
    """Show what was in production at a given time, and what the gate said."""
    record = found.record
    when = found.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    if record is None:
        console.line(f"No version was in production at {when}.")
        return
    from ml_sys.views.promote import told

    _moves(f"{told(record.version)} was in production at {when}", [record])
    if record.verdict is not None:
        from ml_sys.views.promote import criteria

        criteria(record.verdict)


def _moves(title: str, records: Sequence[Record]) -> None:
    rows = [
        (
            record.sequence,
            _minute(record.at),
            record.by,
            record.action + (" (forced)" if record.forced else ""),
            record.version,
            record.replaced,
            record.reason or None,
            _details(record),
        )
        for record in records
    ]
    columns = ("", "when (UTC)", "who", "did", "version", "in place of", "why", "details")
    console.table(title, columns, rows, left=len(columns))


def _details(record: Record) -> str | None:
    if record.verdict is not None:
        from ml_sys.views.promote import conclusion, overridden

        if "found" in record.verdict:  # of a trail that was accepted
            return str(record.verdict["found"])
        return "; ".join((conclusion(record.verdict), *overridden(record.verdict)))
    return record.entry["changes"] if record.entry is not None else None


def _served(stints: Sequence[Stint], moment: Callable[[str], str]) -> str | None:
    """Say when a version was last in production, and how often before that."""
    if not stints:
        return None
    last = stints[-1]
    since = moment(last.since)
    text = f"since {since}" if last.until is None else f"{since} to {moment(last.until)}"
    return text if len(stints) == 1 else f"{text}, and {counted(len(stints) - 1, 'time')} before"


def _rows(facts: Mapping[str, Any], entity: Noun) -> str:
    cutoffs, converters = facts["cutoffs"], facts.get("converters", facts.get("companies_converted"))
    of = f" of {entity.counted(converters)}" if converters is not None else ""
    return (
        f"{counted(facts['rows'], 'row')}, {counted(facts['positives'], 'conversion')}{of}, "
        f"{entity.counted(facts['companies'])}; "
        f"{counted(len(cutoffs), 'cutoff')} from {cutoffs[0]} to {cutoffs[-1]}"
    )


def _value(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else literal(value)


def _day(moment: str) -> str:
    return moment[:10]


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
