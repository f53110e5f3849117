"""The request that the current task works for, as log lines name it."""

from __future__ import annotations

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Identifier of the HTTP request; empty outside of one."""
