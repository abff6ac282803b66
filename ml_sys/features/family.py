"""Families of features: one feature each, or one per window, object or amount."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from ml_sys.features.derived import Column, Feature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ml_sys.features.spans import Spans
    from ml_sys.form import Form

HISTORY = "history"
Need = Literal["actions", "users", "amounts", "objects", "since"]
Over = Literal["", "window", "object", "amount"]


@dataclass(frozen=True)
class Family:
    """A feature, or one per window, object or amount.

    Attributes
    ----------
    name : str
        Roles of windows are in braces.
    function : callable
        Takes the usage and, if there is one feature for each, the window, object or amount.
    needs : tuple of str
        What a form must have; ``objects`` means at least two.
    """

    name: str
    group: str
    function: Callable[..., Column]
    needs: tuple[Need, ...]
    over: Over


class Families:
    """A list of families, in the order of their features."""

    def __init__(self) -> None:
        self._all: list[Family] = []

    def add(
        self, name: str, *, group: str, needs: tuple[Need, ...] = (), over: Over = ""
    ) -> Callable[[Callable[..., Column]], Callable[..., Column]]:
        """Register a function as a family."""

        def register(function: Callable[..., Column]) -> Callable[..., Column]:
            self._all.append(Family(name, group, function, needs, over))
            return function

        return register

    def features(self, form: Form, spans: Spans, *, history: bool) -> Iterator[Feature]:
        """Yield the features of a form.

        Neighbouring families are grouped by window: all features of one window, then all of the next.

        Parameters
        ----------
        history : bool
            Whether the group ``history`` is on.
        """
        values: dict[str, Sequence[Any]] = {
            "window": spans.windows,
            "object": form.objects,
            "amount": [form.measures[at].name for at in form.of_role("amount")],
        }
        names = spans.names()
        for over, group in groupby(self._of(form, history=history), key=lambda one: one.over):
            together = list(group)
            if not over:
                for one in together:
                    yield Feature(one.name.format(**names), one.group, one.function)
                continue
            for value in values[over]:
                for one in together:
                    name = one.name.format(**names, **{over: value})
                    yield Feature(name, one.group, partial(one.function, **{over: value}))

    def _of(self, form: Form, *, history: bool) -> list[Family]:
        has = {
            "actions": bool(form.of_role("actions")),
            "users": bool(form.of_role("users")),
            "amounts": bool(form.of_role("amount")),
            "objects": len(form.objects) > 1,
            "since": form.has_since,
        }
        return [
            one
            for one in self._all
            if all(has[need] for need in one.needs) and (history or one.group != HISTORY)
        ]
