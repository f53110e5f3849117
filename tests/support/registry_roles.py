"""PostgreSQL roles with which the processes of a registry connect to its database."""

from __future__ import annotations

from sqlalchemy.engine import make_url

from bouquet_mesh.secret import Secret
from bouquet_registry.roles import Roles

ROLES = Roles(registry="bouquet_registry", journal="bouquet_journal", api="bouquet_api")
"""Name of the PostgreSQL role of each process of a registry."""


def as_role(role: str, url: str) -> Secret:
    """Returns the URL of a database with `role` as the user who connects."""
    return Secret(make_url(url).set(username=role).render_as_string(hide_password=False))
