"""Archive, in the portal's database, of the last documents that gateways sent."""

from __future__ import annotations

import logging
import zlib

from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from bouquet_portal.archive.models import ArchivedDocument
from bouquet_portal.documents.archive import ArchivedBody
from bouquet_portal.documents.client import MAX_BYTES

log = logging.getLogger(__name__)

MAX_STORED_BYTES = 4 * 1024 * 1024
"""Largest size, in bytes, of a compressed document in the archive. A larger document is not stored."""


class DatabaseArchive:
    """Archive of gateways' documents in the portal's database. If the database fails, methods log a warning instead of
    raising an exception, and `load` returns None."""

    def load(self, url: str) -> ArchivedBody | None:
        close_old_connections()
        try:
            row = ArchivedDocument.objects.filter(url=url).first()
        except DatabaseError as error:
            log.warning("archived document not loaded", extra={"error": type(error).__name__})
            return None
        body = _decompressed(bytes(row.body)) if row else None
        return ArchivedBody(body, row.read_at) if row and body is not None else None

    def save(self, url: str, body: bytes) -> None:
        close_old_connections()
        packed = zlib.compress(body)
        if len(packed) > MAX_STORED_BYTES:
            return
        row = ArchivedDocument(url=url, body=packed, read_at=timezone.now())
        try:
            ArchivedDocument.objects.bulk_create(
                [row], update_conflicts=True, unique_fields=["url"], update_fields=["body", "read_at"]
            )
        except DatabaseError as error:
            log.warning("document not archived", extra={"error": type(error).__name__})

    def confirm(self, url: str) -> None:
        close_old_connections()
        try:
            ArchivedDocument.objects.filter(url=url).update(read_at=timezone.now())
        except DatabaseError as error:
            log.warning("document not archived", extra={"error": type(error).__name__})


def _decompressed(packed: bytes) -> bytes | None:
    """Decompresses a document by zlib. Returns None if the document is damaged, or larger than `MAX_BYTES` bytes."""
    inflate = zlib.decompressobj()
    try:
        body = inflate.decompress(packed, MAX_BYTES + 1)
    except zlib.error:
        return None
    return body if inflate.eof and len(body) <= MAX_BYTES else None
