"""Migration of the tables by Alembic. A module of its own, so that `serve` does not load Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"
"""Folder of the migration scripts."""


def migrate(connection: Connection, revision: str = "head") -> None:
    """Brings the tables to a revision, by default to the newest."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
