"""Id of the HTTP request that the current task serves, as a context variable."""

from __future__ import annotations

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the HTTP request, empty outside of one."""
