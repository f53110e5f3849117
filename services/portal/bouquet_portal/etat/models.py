"""Table of the last known state of each API, such as out of service."""

from __future__ import annotations

from django.db import models


class ObservedState(models.Model):
    """Last known state of an API, such as out of service, with the time at which the state began."""

    name = models.CharField(max_length=200, primary_key=True)
    state = models.CharField(max_length=20)
    since = models.DateTimeField()
    """Time at which the gateway first reported the state."""
    read_at = models.DateTimeField()
    """Time at which the gateway last reported the state."""
    last_ok = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    """End of the present maintenance; null if there is no maintenance, or if the gateway announces no end."""
