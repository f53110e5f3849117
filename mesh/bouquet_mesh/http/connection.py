"""One HTTP connection, with its limits of time and size. A `Connection` passes one request at a time to aiohttp's
protocol."""
# It can therefore tell whether a byte belongs to a head, a body or the next request, without private names of aiohttp.

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from enum import Enum, auto
from math import inf
from typing import Literal, TypeAlias, cast

from aiohttp import web

from bouquet_mesh.http.connection_slots import ConnectionSlots, FullReason
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.observe import metrics

NOT_ASCII = re.compile(rb"[\x80-\xff]")
HEAD_END = b"\r\n\r\n"
CHUNKED = b"transfer-encoding"
HTTP_2 = b"PRI * HTTP/2"
"""First bytes that an HTTP/2 client sends, which the server refuses."""
# The bytes look like the request line of an HTTP/1 request.
# The parser refuses this head only together with the bytes that follow it, so both are passed to it.
MAX_HELD_BYTES = 65_536
"""Number of bytes of later requests above which the server stops reading from a client, until the present answer is
sent."""

CloseReason: TypeAlias = Literal["head", "body", "write", "idle", "unsent", "requests", FullReason]
"""Reason why the server closed a connection. Most reasons are limits, such as `head` for `Limits.head_s`. `requests`
means that the application could take no further request, and ended a request whose body had not arrived."""

MakeHandler: TypeAlias = "Callable[[Connection], web.RequestHandler]"
"""Factory that makes aiohttp's protocol object for one connection."""


class Stage(Enum):
    """State of a connection: what the server receives or sends next."""

    HEAD = auto()
    """Receiving the head of a request."""
    BODY = auto()
    """Receiving a body of known length."""
    CHUNKS = auto()
    """Receiving a chunked body. The server reads no further request after this body."""
    ANSWER = auto()
    """Handling the request and sending the answer. Bytes that the client sends meanwhile belong to its next request,
    and wait."""
    END = auto()
    """Ended: the server reads no further bytes, and closes the connection once the present answer has been sent."""


class Connection(asyncio.Protocol):
    """Asyncio protocol of one client's connection, which enforces the `Limits` of the port."""

    # The server reports when a request's handling starts (`request_started`) and its answer ends (`response_sent`).

    __slots__ = (
        "_body",
        "_body_left",
        "_deadline",
        "_deadline_reason",
        "_handler",
        "_held",
        "_in_request_line",
        "_is_answered",
        "_is_paused",
        "_limits",
        "_loop",
        "_make_handler",
        "_slots",
        "_stage",
        "_tail",
        "_transport",
        "_write_deadline",
    )

    def __init__(self, limits: Limits, slots: ConnectionSlots[Connection], make_handler: MakeHandler) -> None:
        self._limits = limits
        self._slots = slots
        self._make_handler = make_handler
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._handler: web.RequestHandler | None = None
        self._stage = Stage.HEAD
        self._tail: bytes | None = None
        """Last three bytes received of the present request's head; None before its first byte."""
        # The blank line that ends a head (`HEAD_END`) may arrive in two pieces.
        self._in_request_line = True
        self._held = b""
        self._is_paused = False
        self._body: web.BaseRequest | None = None
        self._body_left = 0
        self._is_answered = False
        self._deadline = inf
        self._deadline_reason: CloseReason = "idle"
        self._write_deadline = inf

    @property
    def is_lost(self) -> bool:
        return self._handler is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = self._transport = cast(asyncio.Transport, transport)  # uvloop's derives from nothing of asyncio
        peer = transport.get_extra_info("peername")  # None if the client is gone already
        if reason := self._slots.take(self, peer[0] if peer else ""):
            self.close_for(reason)
            return
        # Writing pauses unless the kernel has taken every byte, and an answer is sent only once it has. Not 0: a TLS
        # connection of asyncio would pause even when nothing is left to send.
        transport.set_write_buffer_limits(high=1, low=0)
        self._set_deadline("idle", self._limits.idle_s)
        self._handler = self._make_handler(self)
        self._handler.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        handler, self._handler = self._handler, None
        self._slots.leave(self)
        if handler is not None:
            handler.connection_lost(exc)

    def eof_received(self) -> None:
        """Returns None, so that asyncio closes the connection once the client has ended its side of it."""

    # Reading

    def data_received(self, data: bytes) -> None:
        self._feed(self._held + data if self._held else data)

    def request_started(self, request: web.BaseRequest, *, is_refused: bool) -> None:
        """Starts the time limit for the body of a request, if the request has a body. The body of a refused request is
        ignored, and the connection closed after the answer."""
        self._end_wait()
        self._is_answered = False
        if is_refused or self._stage not in (Stage.ANSWER, Stage.CHUNKS):
            self._stage = Stage.END
        elif request.body_exists:
            self._set_deadline("body", self._limits.body_s)
            if request.content_length is None:
                self._body, self._stage = request, Stage.CHUNKS
            else:
                self._body_left, self._stage = request.content_length, Stage.BODY
        self._feed(self._held)
        self._check_end_of_chunks()

    @property
    def is_last(self) -> bool:
        """Whether the connection is closed after the present answer."""
        return self._stage in (Stage.CHUNKS, Stage.END)

    def response_sent(self, *, keeps_alive: bool) -> None:
        """Prepares the connection for its next request after an answer. If `keeps_alive` is false, accepts no further
        request on it."""
        self._is_answered = True
        if not keeps_alive or self.is_last:
            self._stage, self._body = Stage.END, None
            self._set_deadline("idle", self._limits.idle_s)
        elif self._stage is Stage.ANSWER:
            self._expect_head()
        self._feed(self._held)

    def _feed(self, data: bytes) -> None:
        while data and self._handler is not None and self._stage is not Stage.ANSWER:
            match self._stage:
                case Stage.HEAD:
                    data = self._read_head(self._handler, data)
                case Stage.BODY:
                    data = self._read_body(self._handler, data)
                case Stage.CHUNKS:
                    data = self._read_chunks(self._handler, data)
                case _:
                    data = b""
        self._held = data
        if len(data) > MAX_HELD_BYTES:
            self._pause_reading()

    def _read_head(self, handler: web.RequestHandler, data: bytes) -> bytes:
        """Passes the part of `data` that belongs to a request's head to aiohttp, and returns the rest."""
        if self._deadline_reason != "head":
            self._set_deadline("head", self._limits.head_s)
        if self._tail is None:
            data = data.lstrip(b"\r\n")  # RFC 9112 §2.2: empty lines before a request are ignored
            if not data:
                return b""
            self._tail, self._in_request_line = b"", True
        known = self._tail + data if self._tail else data
        found = known.find(HEAD_END)
        if found < 0 or known.startswith(HTTP_2):
            head, rest = data, b""
            self._tail = known[-3:]
        else:
            end = found + len(HEAD_END) - len(self._tail)
            head, rest = data[:end], data[end:]
            self._stage = Stage.ANSWER
            if CHUNKED in known[: found + len(HEAD_END)].lower():
                # Head and body in one piece, so that the parser refuses a request whose chunks are malformed.
                head, rest, self._stage = data, b"", Stage.CHUNKS
        handler.data_received(self._with_ascii_request_line(head) if self._in_request_line else head)
        return rest

    def _with_ascii_request_line(self, head: bytes) -> bytes:
        """Returns `head` with all bytes above 127 in the request line percent-encoded. Leaves the other lines as they
        are."""
        # The parser would refuse them, but API Particulier accepts them as UTF-8.
        if head.isascii():
            self._in_request_line = b"\n" not in head
            return head
        line, end, fields = head.partition(b"\n")
        self._in_request_line = not end
        return NOT_ASCII.sub(_percent_encode, line) + end + fields

    def _read_body(self, handler: web.RequestHandler, data: bytes) -> bytes:
        body, rest = data[: self._body_left], data[self._body_left :]
        self._body_left -= len(body)
        if not self._body_left:
            self._end_wait()
            self._stage = Stage.ANSWER
            if self._is_answered:
                self._expect_head()
        handler.data_received(body)
        return rest

    def _read_chunks(self, handler: web.RequestHandler, data: bytes) -> bytes:
        handler.data_received(data)
        self._check_end_of_chunks()
        return b""

    def _check_end_of_chunks(self) -> None:
        if self._body is not None and self._body.content.is_eof():
            self._end_wait()
            self._body, self._stage = None, Stage.END

    def _expect_head(self) -> None:
        self._stage, self._tail = Stage.HEAD, None
        self._set_deadline("idle", self._limits.idle_s)
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def _pause_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    # Writing

    def pause_writing(self) -> None:
        if self._handler is None or self._transport is None:
            return
        self._write_deadline = self._loop.time() + self._limits.write_s
        self._slots.mark_waiting(self)
        self._handler.pause_writing()
        if self._transport.get_write_buffer_size() > self._limits.max_unsent_bytes:
            self.close_for("unsent")

    def resume_writing(self) -> None:
        self._write_deadline = inf
        if self._deadline == inf:
            self._slots.mark_busy(self)
        if self._handler is not None:
            self._handler.resume_writing()

    # Time limits

    def close_if_late(self, now: float) -> None:
        """Closes the connection if one of its time limits has passed at `now`, a time of the event loop's clock in
        seconds."""
        if now >= self._deadline:
            self.close_for(self._deadline_reason)
        elif now >= self._write_deadline:
            self.close_for("write")

    def _set_deadline(self, what: CloseReason, within_s: float) -> None:
        self._deadline, self._deadline_reason = self._loop.time() + within_s, what
        self._slots.mark_waiting(self)

    def _end_wait(self) -> None:
        self._deadline = inf
        self._slots.mark_busy(self)

    def close_for(self, reason: CloseReason) -> None:
        """Closes the connection at once, and counts it in a metric under `reason`."""
        self._deadline = self._write_deadline = inf
        self._slots.leave(self)
        metrics.http_closed(reason).inc()
        if self._transport is not None:
            self._transport.abort()


def _percent_encode(letter: re.Match[bytes]) -> bytes:
    return b"%%%02X" % letter[0][0]
