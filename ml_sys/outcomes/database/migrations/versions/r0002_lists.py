"""Lists that were handed out, and the companies on them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables; of one day there is at most one list that no other one replaces."""
    op.create_table(
        "lists",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("list_id", sa.Text, nullable=False, unique=True),
        sa.Column("cutoff", sa.Integer, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("made_at", sa.Text, nullable=False),
        sa.Column("settings_digest", sa.Text, nullable=False),
        sa.Column("horizon_days", sa.Integer, nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("design", sa.Text, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("prospects", sa.Integer, nullable=False),
        sa.Column("expected", sa.Float(53), nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
        sa.Column("replaced_by", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
    )
    stands = sa.text("replaced_by IS NULL")
    op.create_index(
        "one_list_a_day", "lists", ["cutoff"], unique=True, sqlite_where=stands, postgresql_where=stands
    )
    op.create_table(
        "entries",
        sa.Column("list", sa.Integer, sa.ForeignKey("lists.number"), primary_key=True),
        sa.Column("entity_id", sa.Text, primary_key=True),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("probability", sa.Float(53), nullable=False),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("selected", sa.Boolean, nullable=False),
        sa.Column("inclusion_probability", sa.Float(53), nullable=False),
        sa.Column("group", sa.Text, nullable=False),
        sa.Column("waits_until", sa.Integer),
        sa.Column("reasons", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("entries_of_company", "entries", ["entity_id"])
