"""Alembic's entry: runs the migrations on the connection that `upgrade` hands in."""

from alembic import context

from bot.history.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a table by rebuilding it
)
with context.begin_transaction():
    context.run_migrations()
