"""Migration of the tables by Alembic."""
# The module is separate so that `serve` does not load Alembic.

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"
"""Folder of the migration scripts."""


def migrate(connection: Connection, revision: str = "head") -> None:
    """Migrates the tables to a revision of the migration scripts, by default to the newest one."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
