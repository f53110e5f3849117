"""Entry point of Alembic, with the connection that `migrating.py` opened."""

from __future__ import annotations

from alembic import context

from bouquet_registry.journal.schema import journal

context.configure(connection=context.config.attributes["connection"], target_metadata=journal.metadata)
with context.begin_transaction():
    context.run_migrations()
