"""The tables of the store, as the latest migration leaves them.

Days are numbers since 1970-01-01; times are text in ISO 8601, UTC, which sorts and which people can read.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Integer, MetaData, Table, Text

metadata = MetaData()

predictions = Table(
    "predictions",
    metadata,
    Column("at", Text),
    Column("version", Text),
    Column("company", Text),
    Column("features", Text),
    Column("probability", Float(53)),
)

# How many predictions of a day, and of how many an input was blank or unknown to the version; "" for all.
served_inputs = Table(
    "served_inputs",
    metadata,
    Column("day", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("input", Text, primary_key=True),
    Column("predictions", BigInteger, nullable=False),
)

lists = Table(
    "lists",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("list_id", Text, nullable=False),
    Column("cutoff", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("settings_digest", Text, nullable=False),
    Column("horizon_days", Integer, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("design", Text, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("prospects", Integer, nullable=False),
    Column("expected", Float(53), nullable=False),
    Column("recorded", Integer, nullable=False),
    Column("replaced_by", Text),
    Column("reason", Text, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("list", Integer, ForeignKey("lists.number"), primary_key=True),
    Column("entity_id", Text, primary_key=True),
    Column("rank", Integer, nullable=False),
    Column("probability", Float(53), nullable=False),
    Column("tier", Text, nullable=False),
    Column("selected", Boolean, nullable=False),
    Column("inclusion_probability", Float(53), nullable=False),
    Column("group", Text, nullable=False),
    Column("waits_until", Integer),
    Column("reasons", Text, nullable=False),
)

# Names of files whose content is in the store.
taken_over = Table("taken_over", metadata, Column("name", Text, primary_key=True))
