"""Files of `bouquet-registry import`, which take habilitations and their tokens over from another system."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from bouquet_registry import bulk_import
from bouquet_registry.cli import Context
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import Store
from tests.support.habilitations import SIRET
from tests.support.mesh_with_registry import SCOPES

IMPORTED_AT = datetime.now(UTC).replace(microsecond=0)
"""Time to which the dates of imported tokens are relative: they are issued before it and expire after it."""


def record_id(kind: int, number: int) -> str:
    """Returns the id of the record `number` of a kind, which is 1 for habilitations and 2 for tokens."""
    return str(UUID(int=(kind << 64) + number))


def habilitation_line(number: int = 1, **fields: Any) -> dict[str, Any]:
    """Returns the line of a file that imports the habilitation `number`. `fields` are added to the line or replace its
    fields."""
    own = {"kind": "habilitation", "id": record_id(1, number), "siret": SIRET, "purpose": "Cantine", "scopes": SCOPES}
    return own | {"datapass_id": str(number)} | fields


def token_line(number: int = 1, of: int = 1, **fields: Any) -> dict[str, Any]:
    """Returns the line of a file that imports the token `number` of the habilitation `of`. `fields` are added to the
    line or replace its dates."""
    dates = {"issued_at": IMPORTED_AT - timedelta(days=200), "expires_at": IMPORTED_AT + timedelta(days=300)} | fields
    own = {"kind": "token", "id": record_id(2, number), "habilitation": record_id(1, of)}
    return own | {name: value.isoformat() if isinstance(value, datetime) else value for name, value in dates.items()}


def import_file(folder: Path, *lines: dict[str, Any] | str) -> Path:
    """Writes a file to import, with a line for each of `lines`: as JSON, or unchanged if it is a text. Returns the
    path of the file."""
    file = folder / "import.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return file


async def import_records(store: Store, file: Path, *, dry_run: bool = False) -> list[dict[str, Any]]:
    """Imports a file into a registry's database, or only checks it if `dry_run` is true. Returns a report of each
    line."""
    given = Namespace(file=file, dry_run=dry_run, author="Anne Durant", why="moving in")
    return await bulk_import.import_file(Context(store, RegistrySettings()), given)
