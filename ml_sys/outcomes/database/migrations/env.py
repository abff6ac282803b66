"""Runs migrations on the connection that :mod:`ml_sys.outcomes.database.migrating` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
