"""One leak canary: what it found, in figures and in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ml_sys.form import PLAIN_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ml_sys.form import Words

Status = Literal["passed", "warned", "failed"]
Figures = dict[str, Any]

WINDOWS, SHUFFLED, IDS = "label windows apart", "labels shuffled", "ids as the only feature"
LATER, COLUMNS = "later usage deleted", "single columns"
BLANKS, END = "blank attributes", "conversions go on"
# Why a canary could not judge.
NO_SHUFFLE, FEW_CONVERSIONS, FEW_CONVERTERS = "no shuffle", "few conversions", "few converters"
ONE_KIND, NOBODY, NO_END = "one kind of company", "nobody converts", "end would not show"
NO_ATTRIBUTES = "no attributes"
_ALLOW = "name {} in canary.allowed if you know why"


@dataclass(frozen=True)
class Canary:
    """What one canary found.

    Attributes
    ----------
    name : str
    status : {"passed", "warned", "failed"}
    figures : dict
        What it found, and ``not_judged`` where it could not judge; no number is infinite or NaN.
    """

    name: str
    status: Status
    figures: Figures
    words: Words = PLAIN_WORDS

    def sentence(self) -> str:
        """Say what it found."""
        why = self.figures.get("not_judged")
        if why is not None:
            return f"Could not be judged: {_WHY_NOT[why](self.figures, self.words)}."
        return _SENTENCES[self.name](self.status, self.figures, self.words)

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data, with its sentence as ``found``."""
        return {"name": self.name, "status": self.status, "found": self.sentence(), "figures": self.figures}


def _windows(status: Status, f: Mapping[str, Any], words: Words) -> str:
    if status == "passed":
        return f"Training rows tell of no day on which their {words.entity.one} is judged."
    companies = f"{f['companies']:,} {words.entity.many}"
    return f"Training rows tell of up to {f['days']} of the days on which {companies} are judged."


def _shuffled(status: Status, f: Mapping[str, Any], _: Words) -> str:
    if status == "passed":
        return f"Shuffled labels teach nothing: {_chance(f)}."
    return f"A model that learns from shuffled labels beats chance, so it has seen the holdout: {_chance(f)}."


def _ids(status: Status, f: Mapping[str, Any], _: Words) -> str:
    if status == "passed":
        return f"Ids do not tell who converts: {_chance(f)}."
    if status == "failed":
        allow = _ALLOW.format("'id'")
        return f"Ids give the label away: {_chance(f)}; renumber them, or {allow}."
    return f"Ids carry information, such as the order of signing up; mlsys never uses them: {_chance(f)}."


def _later(status: Status, f: Mapping[str, Any], _: Words) -> str:
    if status == "passed":
        return f"Features of {f['cutoffs']} cutoffs are the same, bit for bit, without later usage."
    return f"{f['feature']} at {f['cutoff']} looks ahead: {f['companies']:,} values depend on later usage."


def _columns(status: Status, f: Mapping[str, Any], _: Words) -> str:
    named = ", ".join(
        f"{one['column']} (ROC-AUC {one['roc_auc']:.3f}, average precision {one['average_precision']:.3f})"
        for one in f["columns"]
    )
    if status == "failed":
        return f"One column alone tells who converts: {named}; leave it out, or {_ALLOW.format('it')}."
    if status == "warned":
        return f"Allowed to tell alone who converts: {named}."
    return f"No column alone tells who converts; best: {named}."


def _blanks(status: Status, f: Mapping[str, Any], words: Words) -> str:
    if status == "passed":
        return f"Blank attributes do not tell {words.customer.many} from the others."
    shown = f["features"]
    used = f"only that of {shown} is a feature" if shown else "none is a feature here"
    if shown == "all":
        used = "all are features here"
    elif "," in shown:
        used = f"only those of {shown} are features"
    named = ", ".join(
        f"{one} ({f[f'{one}_customers']:.1%} of {words.customer.many}, {f[f'{one}_others']:.1%} of the "
        "others)"
        for one in f["telling"]
    )
    payers = words.customer.many
    return f"Blanks tell {payers} from the others, as if filled in after paying ({used}): {named}."


def _end(status: Status, f: Mapping[str, Any], words: Words) -> str:
    if status == "passed":
        return f"Conversions go on at the last cutoffs: {_last_days(f, words)}."
    last = f", the last one on {f['last_conversion']}" if "last_conversion" in f else ""
    return (
        f"Conversions collapse at the last cutoffs: {_last_days(f, words)} (p = {f['p_value']:.1g}){last}. "
        "Their outcome "
        "may not be known yet: check dates, and the day of the export (mlsys ingest --as-of DATE)."
    )


def _chance(f: Mapping[str, Any]) -> str:
    return (
        f"average precision {f['average_precision']:.4f} at a rate of {f['rate']:.4f}, "
        f"ROC-AUC {f['roc_auc']:.3f}, p = {f['p_value']:.4f}"
    )


def _last_days(f: Mapping[str, Any], words: Words) -> str:
    companies = words.entity.counted(f["conversions"])
    return f"{companies} in the last {f['days']} days, {f['expected']:,.1f} expected"


_SENTENCES: dict[str, Callable[[Status, Figures, Words], str]] = {
    WINDOWS: _windows,
    SHUFFLED: _shuffled,
    IDS: _ids,
    LATER: _later,
    COLUMNS: _columns,
    BLANKS: _blanks,
    END: _end,
}
_WHY_NOT: dict[str, Callable[[Figures, Words], str]] = {
    NO_SHUFFLE: lambda *_: "no shuffle leaves conversions both to learn from and to judge by",
    FEW_CONVERSIONS: lambda *_: "the training rows or the holdout have too few conversions",
    FEW_CONVERTERS: lambda f, words: (
        f"{f['converters']} of {f['companies']} {words.entity.many} convert, {f['needed']} are needed"
    ),
    ONE_KIND: lambda _, words: f"all {words.entity.many} are {words.customer.many}, or none is",
    NO_ATTRIBUTES: lambda _, words: f"nothing is known of {words.entity.many} besides their usage",
    NOBODY: lambda _, words: f"no {words.entity.one} converts before the last cutoffs",
    NO_END: lambda f, words: (
        f"conversions are too few or too uneven for their end to show ({_last_days(f, words)})"
    ),
}
