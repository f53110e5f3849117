"""One connection of a listening port, from its first byte: what its client may do, and for how long.

It stands between the transport and aiohttp's protocol, and gives that one request at a time: the bytes that follow a
request wait here until it is answered. So each byte is known for what it is, of a head, of a body or of the next
request, without a look into aiohttp. Only public names of it are used.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from enum import Enum, auto
from math import inf
from typing import Literal, TypeAlias, cast

from aiohttp import web

from bouquet_mesh import descriptors
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.observe import metrics

NOT_ASCII = re.compile(rb"[\x80-\xff]")
HEAD_END = b"\r\n\r\n"
CHUNKED = b"transfer-encoding"
HTTP_2 = b"PRI * HTTP/2"
"""How a client of HTTP/2 begins. The parser refuses it by what follows its head."""
MAX_HELD_BYTES = 65_536
"""Of requests that came before the answer to the one before them; no more is read meanwhile."""

Cut: TypeAlias = Literal["head", "body", "write", "idle", "unsent", "connections", "descriptors"]
"""Why a connection is closed: a time limit, bytes that nobody takes, or no room for it."""

MakeHandler: TypeAlias = "Callable[[Connection], web.RequestHandler]"


class Stage(Enum):
    """Whose the next byte is."""

    HEAD = auto()
    """A head's, begun or to come."""
    BODY = auto()
    """That of the body in hand, whose length is known."""
    CHUNKS = auto()
    """That of the body in hand, until it says itself that it ends. No request follows it."""
    ANSWER = auto()
    """The next request's, which waits for the answer to the one in hand."""
    END = auto()
    """Nobody's: the connection ends with the answer in hand."""


class Connection(asyncio.Protocol):
    """Is told by the server when the handling of a request begins, and when its answer is written."""

    __slots__ = (
        "_body",
        "_body_left",
        "_due",
        "_due_as",
        "_handler",
        "_held",
        "_in_line",
        "_is_answered",
        "_is_paused",
        "_limits",
        "_loop",
        "_make_handler",
        "_open",
        "_stage",
        "_tail",
        "_transport",
        "_write_due",
    )

    def __init__(self, limits: Limits, open_: set[Connection], make_handler: MakeHandler) -> None:
        """`open_` are all connections of the port, which this one joins and leaves."""
        self._limits = limits
        self._open = open_
        self._make_handler = make_handler
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._handler: web.RequestHandler | None = None
        self._stage = Stage.HEAD
        self._tail: bytes | None = None
        """The last three bytes of the head so far; `None` before its first letter."""
        self._in_line = True
        self._held = b""
        self._is_paused = False
        self._body: web.BaseRequest | None = None
        self._body_left = 0
        self._is_answered = False
        self._due = inf
        self._due_as: Cut = "idle"
        self._write_due = inf

    @property
    def is_lost(self) -> bool:
        return self._handler is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = self._transport = cast(asyncio.Transport, transport)  # uvloop's derives from nothing of asyncio
        if len(self._open) >= self._limits.max_connections:
            self._cut("connections")
            return
        own = transport.get_extra_info("socket")
        if own is not None and own.fileno() >= descriptors.ceiling():
            self._cut("descriptors")
            return
        self._open.add(self)
        metrics.HTTP_CONNECTIONS.inc()
        # At 0 a pause means that the kernel has not taken all, and an answer is written when it has.
        transport.set_write_buffer_limits(high=0)
        self._expect("idle", self._limits.idle_s)
        self._handler = self._make_handler(self)
        self._handler.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        handler, self._handler = self._handler, None
        if handler is not None:
            self._open.discard(self)
            metrics.HTTP_CONNECTIONS.dec()
            handler.connection_lost(exc)

    def eof_received(self) -> None:
        """The transport closes itself then."""

    # What is read

    def data_received(self, data: bytes) -> None:
        self._feed(self._held + data if self._held else data)

    def begin(self, request: web.BaseRequest, *, is_refused: bool) -> None:
        """The handling of a request whose head is complete begins. What is left of one that is refused is not read."""
        self._due = inf
        self._is_answered = False
        if is_refused or self._stage not in (Stage.ANSWER, Stage.CHUNKS):
            self._stage = Stage.END
        elif request.body_exists:
            self._expect("body", self._limits.body_s)
            if request.content_length is None:
                self._body, self._stage = request, Stage.CHUNKS
            else:
                self._body_left, self._stage = request.content_length, Stage.BODY
        self._feed(self._held)
        self._note_end_of_chunks()

    @property
    def is_last(self) -> bool:
        """Whether the connection ends with the answer to the request in hand."""
        return self._stage in (Stage.CHUNKS, Stage.END)

    def answered(self, *, is_kept: bool) -> None:
        """The request in hand is answered to the last byte."""
        self._is_answered = True
        if not is_kept or self.is_last:
            self._stage, self._body = Stage.END, None
            self._expect("idle", self._limits.idle_s)
        elif self._stage is Stage.ANSWER:
            self._await_head()
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
        """Gives what follows the head."""
        if self._due_as != "head":
            self._expect("head", self._limits.head_s)
        if self._tail is None:
            data = data.lstrip(b"\r\n")  # RFC 9112 §2.2: empty lines before a request are ignored
            if not data:
                return b""
            self._tail, self._in_line = b"", True
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
                # With its head, so that the parser refuses a request whose chunks are ill-formed.
                head, rest, self._stage = data, b"", Stage.CHUNKS
        handler.data_received(self._in_ascii(head) if self._in_line else head)
        return rest

    def _in_ascii(self, head: bytes) -> bytes:
        """With a request line in ASCII: the parser refuses letters that nobody encoded, which the reference's server
        reads as UTF-8."""
        if head.isascii():
            self._in_line = b"\n" not in head
            return head
        line, end, fields = head.partition(b"\n")
        self._in_line = not end
        return NOT_ASCII.sub(_percent_encoded, line) + end + fields

    def _read_body(self, handler: web.RequestHandler, data: bytes) -> bytes:
        body, rest = data[: self._body_left], data[self._body_left :]
        self._body_left -= len(body)
        if not self._body_left:
            self._due, self._stage = inf, Stage.ANSWER
            if self._is_answered:
                self._await_head()
        handler.data_received(body)
        return rest

    def _read_chunks(self, handler: web.RequestHandler, data: bytes) -> bytes:
        handler.data_received(data)
        self._note_end_of_chunks()
        return b""

    def _note_end_of_chunks(self) -> None:
        if self._body is not None and self._body.content.is_eof():
            self._due, self._body, self._stage = inf, None, Stage.END

    def _await_head(self) -> None:
        self._stage, self._tail = Stage.HEAD, None
        self._expect("idle", self._limits.idle_s)
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def _pause_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    # What is written

    def pause_writing(self) -> None:
        if self._handler is None or self._transport is None:
            return
        self._write_due = self._loop.time() + self._limits.write_s
        self._handler.pause_writing()
        if self._transport.get_write_buffer_size() > self._limits.max_unsent_bytes:
            self._cut("unsent")

    def resume_writing(self) -> None:
        self._write_due = inf
        if self._handler is not None:
            self._handler.resume_writing()

    # Time limits

    def close_if_late(self, now: float) -> None:
        if now >= self._due:
            self._cut(self._due_as)
        elif now >= self._write_due:
            self._cut("write")

    def _expect(self, what: Cut, within_s: float) -> None:
        self._due, self._due_as = self._loop.time() + within_s, what

    def _cut(self, why: Cut) -> None:
        """Bytes that wait to be written are dropped."""
        self._due = self._write_due = inf
        metrics.http_closed(why).inc()
        if self._transport is not None:
            self._transport.abort()


def _percent_encoded(letter: re.Match[bytes]) -> bytes:
    return b"%%%02X" % letter[0][0]
