"""Table of the last documents that gateways sent."""

from __future__ import annotations

from django.db import models


class ArchivedDocument(models.Model):
    """Last document that the portal read at `url`, an address of a gateway."""

    url = models.CharField(max_length=500, primary_key=True)
    body = models.BinaryField()
    """Document as the gateway sent it, compressed by zlib."""
    read_at = models.DateTimeField()
    """Time at which the gateway last sent the document, or said that it was unchanged."""
