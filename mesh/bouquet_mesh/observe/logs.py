"""Logs as JSON lines, the same in every process: no exception text, no person."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.msgspec import MsgspecFormatter

from bouquet_mesh.observe.request_context import request_id
from bouquet_mesh.observe.spans import trace_id

_RESERVED = frozenset(RESERVED_ATTRS)


OURS = "bouquet"
"""Beginning of the names of the loggers of our packages and of provider teams' workers."""

UNSPOKEN_LOGGERS = ("aiormq", "aio_pika", "aiohttp.server", "aiohttp.client", "aiosqlite", "asyncio")
"""Libraries whose records may quote a message body or a request line; what matters of them we log ourselves."""


def where(error: BaseException) -> str:
    """File and line where an exception was raised: all that a log may say of it besides its type."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""


class _Formatter(MsgspecFormatter):
    """Adds the service, the request and the trace. Of an exception type and place: a traceback quotes the values that
    raised it."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        # Not the library's own, which asks of each field how it is to be called.
        log_data |= {
            "levelname": record.levelname,
            "name": record.name,
            "message": record.message,
            "service": self._service,
            "request_id": request_id.get(),
            "trace_id": trace_id(),
            "timestamp": datetime.fromtimestamp(record.created, UTC),
        }
        log_data |= {name: value for name, value in vars(record).items() if name not in _RESERVED}
        if record.exc_info and record.exc_info[1] is not None:
            log_data["error"] = type(record.exc_info[1]).__name__
            log_data["at"] = where(record.exc_info[1])


def _is_speakable(record: logging.LogRecord) -> bool:
    """Below WARNING only our own loggers are written: at DEBUG a library quotes statements and requests with their
    parameters, and so people."""
    return record.levelno >= logging.WARNING or record.name.startswith(OURS)


def configure_logs(service: str, level: str) -> None:
    """JSON lines on standard output, one event each."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Formatter(service))
    handler.addFilter(_is_speakable)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Of each record, what no line says: who called, thread, process (the logging HOWTO's "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    for name in UNSPOKEN_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
