"""Logs as JSON lines, with the same fields in every process, and without exception texts or personal data."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.msgspec import MsgspecFormatter

from bouquet_mesh.control_characters import escape_control_characters
from bouquet_mesh.observe.request_context import request_id, trace_id

_RESERVED = frozenset(RESERVED_ATTRS)

OWN_LOGGER_PREFIX = "bouquet"
"""Prefix of the names of Bouquet's own loggers, such as `bouquet_gateway`."""

SILENCED_LOGGERS = ("aiormq", "aio_pika", "aiohttp.server", "aiohttp.client", "aiosqlite", "asyncio")
"""Names of loggers that are turned off, because they might log a message body or a request line."""


def raised_at(error: BaseException) -> str:
    """Returns the place where an exception was raised, as `file.py:line`, or "" if it has no traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""


class _Formatter(MsgspecFormatter):
    """Formatter of log lines that adds the service, the request id and the trace id. Leaves out the texts of
    exceptions, which may quote personal data."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        # The library's own method is slower, and also formats the texts of exceptions.
        fields: dict[str, Any] = {
            "levelname": record.levelname,
            "name": record.name,
            "message": record.getMessage(),
            "service": self._service,
            "request_id": request_id.get(),
            "trace_id": trace_id.get(),
            "timestamp": datetime.fromtimestamp(record.created, UTC),
        }
        fields |= {name: value for name, value in vars(record).items() if name not in _RESERVED}
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = type(record.exc_info[1]).__name__
            fields["at"] = raised_at(record.exc_info[1])
        return escape_control_characters(self.jsonify_log_record(fields))


def _may_be_written(record: logging.LogRecord) -> bool:
    """Returns whether a log record is written. A record below level WARNING is written only if it comes from one of
    Bouquet's own loggers."""
    return record.levelno >= logging.WARNING or record.name.startswith(OWN_LOGGER_PREFIX)


def configure_logs(service: str, level: str) -> None:
    """Configures the root logger to write JSON lines on standard output. Each line names the process as `service`;
    lines below `level`, such as `INFO`, are left out."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Formatter(service))
    handler.addFilter(_may_be_written)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Do not collect caller, thread and process, which no line shows (the logging HOWTO's "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    for name in SILENCED_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
