"""Commands for operators: `bouquet-portal migrate`, `check` and `editors` (requests of software editors to be
listed)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

import django
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from bouquet_portal.content.model import ContentError
from bouquet_portal.documents.client import GatewayError
from bouquet_portal.site import site


def migrate() -> None:
    """Creates or upgrades the tables of the portal's database."""
    django.setup()
    call_command("migrate", interactive=False)


def check() -> dict[str, list[str]]:
    """Checks the portal, and returns the problems of each part, such as `content` or `database`. An empty list means
    that the part is well."""
    django.setup()
    return {part: list(examine()) for part, examine in PARTS.items()}


def editors(parsed: argparse.Namespace) -> int:
    """Runs `bouquet-portal editors`: prints the requests of software editors, or deletes one (`remove`). Returns the
    exit status: 1 if the request does not exist, otherwise 0."""
    django.setup()
    from bouquet_portal.editeurs import export  # its models load only after Django's set-up

    if parsed.act == "remove":
        return 0 if export.remove(parsed.id) else 1
    export.FORMATS[parsed.act](export.rows(with_unconfirmed=parsed.with_unconfirmed), sys.stdout)
    return 0


def _application() -> Iterator[str]:
    try:
        call_command("check", verbosity=0)
    except SystemCheckError as error:
        yield str(error)


def _content() -> Iterator[str]:
    try:
        site()
    except ContentError as error:
        yield from error.problems


def _database() -> Iterator[str]:
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            yield "its tables are not up to date: run bouquet-portal migrate"
    except DatabaseError as error:
        yield f"cannot be used ({type(error).__name__})"


def _gateway() -> Iterator[str]:
    try:
        for document in site().gateway.documents:
            document.read()
    except (GatewayError, ContentError) as error:
        yield str(error)


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "application": _application,
    "content": _content,
    "database": _database,
    "gateway": _gateway,
}
