"""Settings that describe attributes: what is known of an entity besides its usage; and the words of texts."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from ml_sys.form import Attribute, Noun, Words
from ml_sys.settings.base import Frozen
from ml_sys.text import plural


class Worded(Frozen):
    """A word for one of a thing, and for several."""

    one: str
    many: str = Field("", description="What several are called; by default as English makes its plurals.")

    def noun(self) -> Noun:
        """Return it as the form has it."""
        return Noun(self.one, self.many or plural(self.one))


class _Described(Frozen):
    """What all attributes have in common."""

    column: str = Field("", description="Column; by default it has the attribute's name.")
    label: str = Field("", description="What it is called in a sentence.")
    feature: str = Field("", description="What the features made of it are named after.")
    missing: tuple[str, ...] = Field((), description="Texts that mean that nothing is known.")
    blank_leaks: bool = Field(
        False, description="Blanks get filled in for those that convert, so being blank is not a feature."
    )

    def _attribute(self, name: str, **more: Any) -> Attribute:
        given: Any = self
        return Attribute(
            name,
            given.kind,
            self.feature or name,
            self.label or name.replace("_", " "),
            missing=self.missing,
            blank_leaks=self.blank_leaks,
            **more,
        )


class NumberColumn(_Described):
    """A number."""

    kind: Literal["number"]
    scale: Literal["log", "linear"] = Field("linear", description="'log' if it spans orders of magnitude.")
    none: float | None = Field(None, description="Number that means that there is none.")
    none_feature: str = Field("", description="Name of the feature that says so.")
    none_label: str = Field("", description='What to say if there is none, such as "site has no rank".')
    unit: Worded | None = Field(None, description="What it counts.")

    def attribute(self, name: str) -> Attribute:
        """Return what it means."""
        feature = self.feature or name
        return self._attribute(
            name,
            scale=self.scale,
            none=self.none,
            none_feature=self.none_feature or (f"{feature}_none" if self.none is not None else ""),
            none_label=self.none_label or (f"no {self.label or feature.replace('_', ' ')}"),
            unit=self.unit.noun() if self.unit else Noun("", ""),
        )


class OrderedColumn(_Described):
    """A text out of some that have an order."""

    kind: Literal["ordered"]
    levels: tuple[str, ...] = Field(min_length=2, description="Every text, the lowest first.")

    def attribute(self, name: str) -> Attribute:
        """Return what it means."""
        return self._attribute(name, levels=self.levels)


class RangeColumn(_Described):
    """A number given as a range in words, such as "11 to 25" or "10k+"."""

    kind: Literal["range"]
    unit: Worded | None = Field(None, description="What it counts.")

    def attribute(self, name: str) -> Attribute:
        """Return what it means."""
        made = self._attribute(name, unit=self.unit.noun() if self.unit else Noun("", ""))
        return made if self.feature else replace(made, feature=f"{name}_number")


class CategoryColumn(_Described):
    """A text that names a group."""

    kind: Literal["category"]
    synonyms: dict[str, str] = Field({}, description="Spellings, and what each of them stands for.")

    def attribute(self, name: str) -> Attribute:
        """Return what it means."""
        return self._attribute(name, synonyms=tuple(sorted(self.synonyms.items())))


class FlagColumn(_Described):
    """A yes or no, however it is written."""

    kind: Literal["flag"]

    def attribute(self, name: str) -> Attribute:
        """Return what it means."""
        return self._attribute(name)


AnyAttribute = Annotated[
    NumberColumn | OrderedColumn | RangeColumn | CategoryColumn | FlagColumn, Field(discriminator="kind")
]
KINDS = ("number", "ordered", "range", "category", "flag")


class WordSettings(Frozen):
    """What entities, their usage and their money are called in texts."""

    entity: Worded = Worded(one="company", many="companies")
    action: Worded = Worded(one="action", many="actions")
    user: Worded = Worded(one="user", many="users")
    object: Worded = Worded(one="tool", many="tools")
    value: str = "value"
    customer: Worded = Worded(one="customer", many="customers")

    def words(self) -> Words:
        """Return them as the form has them."""
        return Words(
            self.entity.noun(),
            self.action.noun(),
            self.user.noun(),
            self.object.noun(),
            self.value,
            self.customer.noun(),
        )
