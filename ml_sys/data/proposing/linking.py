"""Find the column that identifies an entity in each table, by shared values and by names.

Invariant: values alone never decide between two columns if their names contradict that; the user is asked.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ml_sys.data.judging.parts import key
from ml_sys.data.proposing import kinds
from ml_sys.data.proposing.answers import matches
from ml_sys.data.proposing.identifiers import ENTITY_WORDS, LEAST_SHARED, Identifiers, Place, nouns
from ml_sys.data.proposing.joining import with_identifier
from ml_sys.data.reading.sql import quoted
from ml_sys.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from ml_sys.data.looking.looked import Looked
    from ml_sys.data.proposing.answers import Answers, Asker

_LEAST_SCORE, _DISJOINT, _SURE = 0.25, 0.1, 0.9
_CLOSE, _HITS, _MANY_ALIKE = 0.15, 0.005, 3
_RAW = 0.98


@dataclass(frozen=True)
class LinkingColumns:
    """The columns that link tables to entities.

    Attributes
    ----------
    entities : tuple of str
        Tables with one row for each entity.
    ids : mapping of str to str
        Table to its column of the entity.
    through : mapping of str to (str, str)
        Table that has only users, to its column of the user and the table that links users to entities.
    link_users : mapping of str to str
        Table of links to its column of the user.
    known : mapping of str to float
        Table to the share of its entities (or users) that are known.
    differ : frozenset of str
        Tables that write identifiers differently from the entity tables.
    joined : mapping of str to Looked
        Tables that know entities by another identifier, with that of the entity beside it.
    notes : tuple of str
        What leads to entities otherwise than by their own identifier.
    """

    entities: tuple[str, ...]
    ids: Mapping[str, str]
    through: Mapping[str, Place] = field(default_factory=dict)
    link_users: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, float] = field(default_factory=dict)
    differ: frozenset[str] = frozenset()
    joined: Mapping[str, Looked] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def of_their_own(self) -> set[str]:
        """Entity tables without those that are known to hold entities of others."""
        return set(self.entities) - self.known.keys()


def link(
    connection: duckdb.DuckDBPyConnection, looked: Sequence[Looked], answers: Answers, asker: Asker
) -> LinkingColumns:
    """Find the entities, and how every table is linked to them.

    Raises
    ------
    InputError
        If the files do not show it and nobody can be asked.
    """
    found = _Linking(connection, looked, answers)
    groups = found.groups()
    if not groups:
        return found.without_entities()
    scores = {at: found.score(group) for at, group in enumerate(groups)}
    best, *others = sorted(scores, key=lambda at: -scores[at])
    close = [
        at
        for at in others
        if groups[at][0][0] != groups[best][0][0]
        and scores[best] > 0
        and scores[at] >= (1 - _CLOSE) * scores[best]
    ]
    if close and not answers.entity and not found.is_one_to_one(groups[best], groups[close[0]]):
        among = {groups[at][0][0]: at for at in (best, *close)}
        chosen = asker.choose(
            "Which table has one row for each account that may pay?", list(among), "--entity"
        )
        best = among.get(chosen, best)
    return found.from_entities(groups[best])


class _Linking(Identifiers):
    """Group identifiers of entities, and find how tables are linked to them."""

    def groups(self) -> list[list[Place]]:
        """Return columns that may identify one entity per row, grouping tables of different entities."""
        said = self.answers.id if not self.is_email_said else ""
        unique = [
            place
            for place in self.tables
            if self.column(place).is_unique and (not said or matches(said, *place))
        ]
        if self.answers.entity:
            unique = [one for one in unique if one[0].casefold() == self.answers.entity.casefold()]
            if not unique:
                raise InputError(
                    f"--entity {self.answers.entity}: not a table with a unique id in every row",
                    hint=f"the tables are {', '.join(self.looked)}",
                )
        groups: list[list[Place]] = []
        for place in unique:
            together = next((one for one in groups if self._goes_with(place, one[0])), None)
            if together is None:
                groups.append([place])
            else:
                together.append(place)
        return groups

    def _goes_with(self, place: Place, first: Place) -> bool:
        """Return whether two tables hold different entities of one kind, such as customers and others."""
        tables = [self.looked[place[0]], self.looked[first[0]]]
        if place[0] == first[0]:
            return False
        same_name = place[1].casefold() == first[1].casefold()
        if any(kinds.is_of_purchases(one) or not one.table.has_header for one in tables):
            return False
        mine, theirs = (
            {name.casefold() for name in self.looked[one[0]].columns} - {one[1].casefold()}
            for one in (place, first)
        )
        # If the ids have different names, as for leads and customers, more of the other columns must agree.
        least = 0 if same_name else _MANY_ALIKE
        alike = len(mine & theirs) >= max(0.5 * min(len(mine), len(theirs)), least)
        if not alike or max(self.shared(place, first), self.shared(first, place)) >= _DISJOINT:
            return False
        third = [one for one in self.tables if one[0] not in {place[0], first[0]}]
        return any(min(self.shared(one, place), self.shared(one, first)) >= _HITS for one in third)

    def best_link(self, table: str, group: Sequence[Place]) -> tuple[float, str]:
        """Return how well a table links to entities, and by which of its columns."""
        best = (0.0, "")
        for place in self.tables:
            if place[0] != table:
                continue
            together = min(sum(self.shared(place, one) for one in group), 1.0)
            names = max(self.agreement(place, one) for one in group)
            score = together * names
            if together >= LEAST_SHARED and score >= _LEAST_SCORE and score > best[0]:
                best = (score, place[1])
        return best

    def score(self, group: Sequence[Place]) -> float:
        """Count the tables that link to entities; tables that show who paid count more."""
        inside = {table for table, _ in group}
        total = 0.0
        for name, one in self.looked.items():
            if name not in inside:
                score = self.best_link(name, group)[0]
                if not score:
                    score, _, other = self.by_another(name, dict(group))
                    score *= not score or not self.column(other).is_unique  # else it is a group of its own
                total += score * (1.5 if kinds.is_of_purchases(one) else 1.0)
            elif kinds.conversion_columns(one):
                total += 1.0
        return total

    def is_one_to_one(self, first: Sequence[Place], second: Sequence[Place]) -> bool:
        """Return whether two groups are the same entities in different tables."""
        return self.agreement(second[0], first[0]) >= 0.7 and (
            max(self.shared(second[0], first[0]), self.shared(first[0], second[0])) >= _SURE
        )

    def from_entities(self, group: Sequence[Place]) -> LinkingColumns:
        """Return how every table links to these entities."""
        ids, entities, known = dict(group), [table for table, _ in group], {}
        for name in self.looked:
            if name in ids:
                continue
            score, column = self.best_link(name, group)
            if not score:
                continue
            ids[name] = column
            known[name] = min(sum(self.shared((name, column), one) for one in group), 1.0)
            if self.column((name, column)).is_unique and not kinds.is_of_purchases(self.looked[name]):
                entities.append(name)  # more of the same entities, such as profiles
        differ = self._differ(ids, group)
        led = self._led(ids, entities)
        joined = {
            name: with_identifier(
                self.connection, self.looked[name], column, self.looked[table], (another, ids[table])
            )
            for name, (column, (table, another)) in led.items()
        }
        for name, (column, other) in led.items():
            ids[name] = list(joined[name].columns)[-1]
            known[name] = self.shared((name, column), other)
        through, users = self._through(ids, entities, known)
        notes = tuple(
            f"{name}: {column} leads to {other[0]}.{other[1]}, and from there to {ids[other[0]]}"
            for name, (column, other) in led.items()
        )
        differ |= {name for name, (_, other) in led.items() if other[0] in differ}
        return LinkingColumns(tuple(entities), ids, through, users, known, differ, joined, notes)

    def _led(self, ids: Mapping[str, str], entities: Sequence[str]) -> dict[str, tuple[str, Place]]:
        """Return the tables that know entities, or purchases of their users, by another identifier only."""
        found = {}
        for name, one in self.looked.items():
            if name not in ids:
                score, column, other = self.by_another(name, ids)
                if score and (other[0] in entities or kinds.is_of_purchases(one)):
                    found[name] = (column, other)
        return found

    def _through(
        self, ids: Mapping[str, str], entities: list[str], known: dict[str, float]
    ) -> tuple[dict[str, Place], dict[str, str]]:
        """Find tables that link users to entities, and tables that have only users."""
        through: dict[str, Place] = {}
        users: dict[str, str] = {}
        for name in self.looked:
            if name in ids:
                continue
            best = (0.0, ("", ""), "")
            for place in (one for one in self.tables if one[0] == name):
                for table, column in self.tables:
                    if table not in ids or table in entities[:1] or column == ids[table]:
                        continue
                    if not self.column((table, column)).is_unique:
                        continue
                    shared = self.shared(place, (table, column))
                    score = shared * self.agreement(place, (table, column))
                    if shared >= LEAST_SHARED and score > max(best[0], _LEAST_SCORE):
                        best = (score, (place[1], table), column)
            if best[0]:
                through[name] = best[1]
                users[best[1][1]] = best[2]
                known[name] = self.shared((name, best[1][0]), (best[1][1], best[2]))
        return through, users

    def _differ(self, ids: Mapping[str, str], group: Sequence[Place]) -> frozenset[str]:
        """Return tables whose identifiers are written differently, such as 1001.0 or 01001 for 1001."""
        views = " UNION ALL ".join(
            f"SELECT {quoted(column)} AS k FROM {self.looked[table].table.view}" for table, column in group
        )
        otherwise, missed = set(), False
        for table, column in ids.items():
            raw = self.connection.execute(
                f"SELECT count(*) FILTER ({quoted(column)} <> {key(column)}), count(DISTINCT "
                f"{quoted(column)}) FILTER "
                f"({quoted(column)} IN ({views})) FROM {self.looked[table].table.view}"
            ).fetchone() or (0, 0)
            if raw[0]:
                otherwise.add(table)
            if table not in dict(group):
                shared = min(sum(self.shared((table, column), one) for one in group), 1.0)
                missed |= raw[1] < _RAW * shared * self.column((table, column)).distinct
        return frozenset(otherwise if missed else ())

    def without_entities(self) -> LinkingColumns:
        """Return the identifier that most tables share by name, if no table has one row for each entity."""
        by_name: dict[str, list[Place]] = defaultdict(list)
        for place in self.tables:
            by_name[place[1].casefold()].append(place)
        named = [
            places
            for places in by_name.values()
            if not self.answers.id or any(matches(self.answers.id, *place) for place in places)
        ]
        if not named:
            raise InputError(
                "no column looks like an identifier that the tables share", hint="name it with --id COLUMN"
            )
        most = max(len(places) for places in named)
        best = [places for places in named if len(places) == most]
        if len(best) > 1:
            entity = [one for one in best if nouns(one[0][1], self.column(one[0]).words) & ENTITY_WORDS]
            best = entity if len(entity) == 1 else best
        if len(best) > 1:
            among = ", ".join(places[0][1] for places in best)
            raise InputError(
                f"which column identifies the accounts that may pay: {among}?",
                hint="name it with --id COLUMN",
            )
        return LinkingColumns((), dict(best[0]), known=dict.fromkeys(dict(best[0]), 1.0))
