"""Logs as JSON lines, without exception texts, query strings or other data of requests."""

from __future__ import annotations

import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.msgspec import MsgspecFormatter

SERVICE = "bouquet-portal"

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the request that the current thread is answering; empty outside of requests."""

_RESERVED = frozenset({*RESERVED_ATTRS, "request", "status_code"})
"""Attributes of a log record that its JSON line leaves out: those of the logging library, and Django's `request` and
`status_code`."""

_OWN_LOGGERS = "bouquet"


class _Formatter(MsgspecFormatter):
    """Formatter that writes log records as JSON lines, with the same fields as Bouquet's other processes."""

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data |= {
            "levelname": record.levelname,
            "name": record.name,
            "message": _message(record),
            "service": SERVICE,
            "request_id": request_id.get(),
            "trace_id": "",
            "timestamp": datetime.fromtimestamp(record.created, UTC),
        }
        if record.name.startswith(_OWN_LOGGERS):
            log_data |= {name: value for name, value in vars(record).items() if name not in _RESERVED}
        if record.exc_info and record.exc_info[1] is not None:
            log_data["error"] = type(record.exc_info[1]).__name__
            log_data["at"] = raised_at(record.exc_info[1])


def _message(record: logging.LogRecord) -> str:
    """Returns the message of a log record before its values are filled in: `GET %s`, not `GET /faq`. Returns a fixed
    text for a library's message without placeholders."""
    # Django and gunicorn put paths and header values into their messages, sometimes before they log them.
    is_constant = record.name.startswith(_OWN_LOGGERS) or record.args
    return str(record.msg) if is_constant else "message of a library"


def raised_at(error: BaseException) -> str:
    """Returns the place where an exception was raised, as `file.py:line`, or "" if it has no traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""


def configure(level: str) -> None:
    """Configures the root logger to write JSON lines of `level` and above to standard output. Lines of libraries are
    written only from level WARNING on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Formatter())
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.startswith(_OWN_LOGGERS))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # A refused host, form or body and a missing page are the caller's fault, which the request's own line names by its
    # status.
    logging.getLogger("django.request").setLevel(logging.ERROR)
    logging.getLogger("django.security").setLevel(logging.CRITICAL)
