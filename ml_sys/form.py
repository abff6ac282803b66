"""What the tables of a company mean: its measures and attributes, by role and kind, and its words for them.

A form is what a description in the settings comes to once columns have been read: whatever computes or speaks
below the reading of tables knows roles, kinds and words, and no column's name. It is part of a model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ml_sys.text import counted, with_article

if TYPE_CHECKING:
    from collections.abc import Mapping

Role = Literal["actions", "users", "amount"]
Kind = Literal["number", "ordered", "range", "category", "flag"]


@dataclass(frozen=True)
class Noun:
    """A word for one of a thing, and for several."""

    one: str
    many: str

    def counted(self, number: int, one: str = "", many: str = "") -> str:
        """Return a number with the noun, and with what is said of a single one or of any other number.

        Examples
        --------
        >>> student = Noun("student", "students")
        >>> student.counted(1), student.counted(2000, "is called", "are called")
        ('1 student', '2,000 students are called')
        """
        return " ".join(filter(None, (counted(number, self.one, self.many), one if number == 1 else many)))


@dataclass(frozen=True)
class Measure:
    """What a usage row counts or adds up.

    Attributes
    ----------
    name : str
        Of the column of a snapshot, of features and of a request's field.
    role : {"actions", "users", "amount"}
        Things done; people who did something, distinct within a period; or a quantity such as minutes.
    object : str
        What was used, such as ``files``; measures of one object belong together.
    noun : Noun
        What is counted, such as minute and minutes.
    place : str
        Follows the noun in a sentence, such as "on files".
    verb : str
        Comes before the number, such as "watched".
    digits : int
        Decimal digits that are kept: values are whole numbers of this many digits behind the point.
    """

    name: str
    role: Role
    object: str
    noun: Noun
    place: str = ""
    verb: str = ""
    digits: int = 0


@dataclass(frozen=True)
class Attribute:
    """What is known of an entity besides its usage, as it was at the export.

    Attributes
    ----------
    name : str
        Of the column of a snapshot and of a request's field.
    kind : {"number", "ordered", "range", "category", "flag"}
    feature : str
        What the features made of it are named after.
    label : str
        In a sentence, such as "traffic rank".
    unit : Noun
        What a number of it counts, such as seat and seats; blank for a plain number.
    scale : {"log", "linear"}
        Of a number.
    none : float or None
        Number that means there is none, such as a rank of sites that have none.
    none_feature, none_label : str
        Of the feature that says so.
    levels : tuple of str
        Of an ordered attribute, lowest first.
    synonyms : tuple of (str, str)
        Spellings of a category, in lower case with underscores, and what each is brought to.
    missing : tuple of str
        Texts that mean that nothing is known.
    blank_leaks : bool
        Blanks get filled in for entities after they convert: they are imputed, and are no feature.
    """

    name: str
    kind: Kind
    feature: str
    label: str
    unit: Noun = Noun("", "")
    scale: Literal["log", "linear"] = "linear"
    none: float | None = None
    none_feature: str = ""
    none_label: str = ""
    levels: tuple[str, ...] = ()
    synonyms: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    blank_leaks: bool = False


@dataclass(frozen=True)
class Words:
    """What entities, their usage and their money are called in texts.

    Attributes
    ----------
    entity : Noun
        Such as company and companies.
    action, user, object : Noun
        What is done, who does it, and what it is done with, where all of them are added up.
    value : str
        The money that a converted entity pays.
    customer : Noun
        What an entity is once it has converted, such as customer and customers.
    """

    entity: Noun = Noun("company", "companies")
    action: Noun = Noun("action", "actions")
    user: Noun = Noun("user", "users")
    object: Noun = Noun("tool", "tools")
    value: str = "value"
    customer: Noun = Noun("customer", "customers")

    def spoken(self, text: str) -> str:
        """Return what is said of companies and customers in these words.

        Examples
        --------
        >>> words = Words(entity=Noun("account", "accounts"), customer=Noun("buyer", "buyers"))
        >>> words.spoken("a company that is also a customer"), words.spoken("so few companies report")
        ('an account that is also a buyer', 'so few accounts report')
        """
        nouns = {
            "company": self.entity.one,
            "companies": self.entity.many,
            "customer": self.customer.one,
            "customers": self.customer.many,
        }

        def noun(found: re.Match[str]) -> str:
            article, said = found["article"], nouns[found["noun"].lower()]
            said = said[:1].upper() + said[1:] if found["noun"][0].isupper() else said
            said = with_article(said) if article else said
            return said[:1].upper() + said[1:] if article and article[0] == "A" else said

        return re.sub(r"\b(?P<article>[Aa]n? )?(?P<noun>[Cc]ompan(y|ies)|[Cc]ustomers?)\b", noun, text)


# Where nothing says otherwise.
PLAIN_WORDS = Words()


@dataclass(frozen=True)
class UsageTable:
    """A usage table as a request gives its rows.

    Attributes
    ----------
    name : str
        Of the list of rows.
    kind : {"periods", "events"}
    at : str
        Field of the stamp.
    measures : tuple of str
        Of periods the measures that a row gives; of events those that are made of them, in order.
    amounts : tuple of str
        Of events, the measures that are fields of an event and are added up.
    event, user, event_id : str
        Fields of an event: its kind, who did it, and its own identifier; empty where there is none.
    kinds : tuple of str
        Kinds that are counted under their own names, in the order of the measures.
    """

    name: str
    kind: Literal["periods", "events"]
    at: str
    measures: tuple[str, ...]
    amounts: tuple[str, ...] = ()
    event: str = ""
    user: str = ""
    event_id: str = ""
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Form:
    """What the tables of a company mean.

    Attributes
    ----------
    tables : tuple of UsageTable
    measures : tuple of Measure
        Actions and amounts before users; in the order of a snapshot's usage values.
    attributes : tuple of Attribute
    words : Words
    has_since : bool
        Whether it is known since when each entity exists.
    time_zone : str
        Of days, and of stamps that name no zone.
    """

    tables: tuple[UsageTable, ...] = ()
    measures: tuple[Measure, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    words: Words = field(default_factory=Words)
    has_since: bool = False
    time_zone: str = "UTC"

    @property
    def measure_names(self) -> tuple[str, ...]:
        """Names of the measures, in order."""
        return tuple(one.name for one in self.measures)

    @property
    def n_activity(self) -> int:
        """Number of leading measures that make a period active where they are above zero."""
        return sum(one.role != "users" for one in self.measures)

    @property
    def objects(self) -> tuple[str, ...]:
        """Objects that actions are counted of, in order."""
        return tuple(dict.fromkeys(one.object for one in self.measures if one.role == "actions"))

    def of_role(self, role: Role) -> tuple[int, ...]:
        """Return the places of the measures of a role."""
        return tuple(at for at, one in enumerate(self.measures) if one.role == role)

    def attribute(self, name: str) -> Attribute:
        """Return the attribute of a name."""
        return next(one for one in self.attributes if one.name == name)


def ordered(measures: tuple[Measure, ...]) -> tuple[Measure, ...]:
    """Put actions before amounts, and those before users, each in the order given."""
    rank = {"actions": 0, "amount": 1, "users": 2}
    return tuple(sorted(measures, key=lambda one: rank[one.role]))


def form_from_plain(plain: Mapping[str, Any]) -> Form:
    """Return a form that :func:`dataclasses.asdict` wrote.

    Raises
    ------
    TypeError, KeyError
        If it is none.
    """
    nouns = {name: Noun(**one) for name, one in plain["words"].items() if name != "value"}
    return Form(
        tuple(UsageTable(**_hashable(one)) for one in plain["tables"]),
        tuple(Measure(**{**one, "noun": Noun(**one["noun"])}) for one in plain["measures"]),
        tuple(
            Attribute(
                **{
                    **one,
                    "unit": Noun(**one["unit"]),
                    "levels": tuple(one["levels"]),
                    "synonyms": tuple((a, b) for a, b in one["synonyms"]),
                    "missing": tuple(one["missing"]),
                }
            )
            for one in plain["attributes"]
        ),
        Words(**nouns, value=plain["words"]["value"]),
        plain["has_since"],
        plain.get("time_zone", "UTC"),
    )


def _hashable(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}


def name_of(text: str) -> str:
    """Return a text as a name, or a part of one: lower case, words joined by underscores.

    Examples
    --------
    >>> name_of("Minutes watched"), name_of("file.Upload"), name_of("?")
    ('minutes_watched', 'file_upload', 'unnamed')
    """
    return re.sub(r"\W+", "_", text.casefold()).strip("_") or "unnamed"
