"""Connection to the broker that reconnects after any loss, and then restarts all that uses the connection
(docs/adr/0002)."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn, Protocol

from prometheus_client import Gauge

from bouquet_mesh.amqp.channel import OnLost
from bouquet_mesh.amqp.connection import Connection, connect
from bouquet_mesh.amqp.errors import CONNECTION_LOST, cancellation_as_loss, missing_right
from bouquet_mesh.backoff import pause_s
from bouquet_mesh.observe import metrics
from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import address_of, each_server
from bouquet_mesh.tasks import alongside
from bouquet_mesh.tls.context import tls_error_of, verified_url
from bouquet_proto.names import MESH_PREFIX

log = logging.getLogger(__name__)

SETUP_TIMEOUT_S = 5.0
FIRST_RETRY_S = 0.2
LAST_RETRY_S = 5.0
STABLE_AFTER_S = 10.0
"""Seconds that a connection must last to count as stable. Pauses before reconnecting grow with each attempt, and are
short again after a stable connection."""
PROBE_EVERY_S = 1.0
PROBE_TIMEOUT_S = 3.0
"""Seconds after which an unanswered probe means that the broker does not respond."""
MAX_MISSED_PROBES = 2
"""Number of times that the link waits `PROBE_TIMEOUT_S` seconds for the answer to one probe. If there is still no
answer, it replaces the connection."""
# The heartbeat would detect the loss much later.


class Part(Protocol):
    """Component that uses the broker connection, such as a consumer. `Link` starts it again on each new connection."""

    async def start(self, connection: Connection, on_lost: OnLost) -> None:
        """Opens the channels, declares the queues and starts the consumer that this component needs. If a channel ends
        later, calls `on_lost` with the error."""

    async def probe(self) -> None:
        """Checks that the broker still serves this part. Raises one of the errors in `CONNECTION_LOST` if it does
        not."""

    def stop(self) -> None:
        """Ends the work that depends on a lost connection."""


class Link:
    """Connection to the broker, replaced after each loss, and the parts that use it."""

    def __init__(self, servers: Sequence[str], name: str, gauge: Gauge) -> None:
        self.connected = False
        self._has_responded = False
        self._missed_last_probe = False
        self.settled = asyncio.Event()
        """Event that is set while no part is starting: either all parts are up, or the broker is away."""
        self._servers = servers
        self._server = ""
        self._logged: dict[str, str] = {}
        """Reason logged last for each unavailable server, by the server's URL."""
        self._name = name
        self._gauge = gauge
        self._parts: list[Part] = []
        self._events: asyncio.Queue[Part | Exception | None] = asyncio.Queue()
        """Work for the task `run`: a part to start, an error, or None to wake the task."""

    @property
    def responsive(self) -> bool:
        """Whether the broker has answered the last probe in time. A broker that hangs does not, although the connection
        may stay open."""
        return self._has_responded and not self._missed_last_probe

    def attach(self, part: Part) -> None:
        """Starts `part` now if connected, and again on each new connection."""
        self._parts.append(part)
        if self.connected:
            self.settled.clear()
            self._events.put_nowait(part)

    @asynccontextmanager
    async def holding(self, part: Part) -> AsyncIterator[None]:
        """Attaches `part` while the context is open. Before the context begins, waits until the part has started or the
        broker has proved unreachable."""
        self.attach(part)
        try:
            await self.settled.wait()
            yield
        finally:
            self._parts.remove(part)
            if self.connected:
                await self.settled.wait()

    async def run(self) -> NoReturn:
        """Connects again after each loss, with growing, jittered pauses, until cancelled."""
        # With several servers, there is no pause before the first attempt to reconnect. Calls wait for this attempt
        # instead of failing.
        failures, logged = 0, ""
        while True:
            stable_at = math.inf
            try:
                with cancellation_as_loss():
                    connection = await self._connect()
                    stable_at = time.monotonic() + STABLE_AFTER_S
                    await self._run_connection(connection)
            except Exception as error:  # whatever the cause, the only remedy is to reconnect
                reason = _reason(error)
            if time.monotonic() > stable_at:
                failures, logged = 0, ""
            if reason != logged:
                log.warning("broker unavailable", extra={"error": reason, "connection": self._name})
                logged = reason
            if failures or len(self._servers) == 1:
                self.settled.set()
                await asyncio.sleep(pause_s(failures, FIRST_RETRY_S, LAST_RETRY_S))
            failures += 1

    async def _connect(self) -> Connection:
        """Tries one server after the other, in random order, and returns the first connection. The server of the
        previous attempt comes last. Raises an error if all servers fail."""
        *others, last = sorted(self._servers, key=lambda server: (server == self._server, random.random()))
        for self._server in others:
            try:
                return await self._connect_to(self._server)
            except CONNECTION_LOST as error:
                self._log_unavailable(self._server, _reason(error))
        self._server = last
        return await self._connect_to(last)

    async def _connect_to(self, server: str) -> Connection:
        connection = await connect(server, self._name)
        log.info("broker connected", extra={"connection": self._name, "node": address_of(server)})
        self._logged.pop(server, None)
        return connection

    def _log_unavailable(self, server: str, reason: str) -> None:
        """Logs why a server is unavailable. Logs nothing if the reason logged last for this server was the same."""
        if self._logged.get(server) != reason:
            log.warning("broker node unavailable", extra={"node": address_of(server), "error": reason})
            self._logged[server] = reason

    async def _run_connection(self, connection: Connection) -> NoReturn:
        self._gauge.set(1)
        self.connected = True
        self.settled.clear()
        try:
            await self._keep_parts_up(connection)
        finally:
            self.connected = self._has_responded = self._missed_last_probe = False
            self._gauge.set(0)
            connection.drop()
            for part in self._parts:
                part.stop()
            if len(self._servers) == 1:
                self.settled.set()
            else:
                self.settled.clear()
            await connection.close()

    async def _keep_parts_up(self, connection: Connection) -> NoReturn:
        """Starts the parts, then probes them until an error ends the connection."""
        events = self._events = asyncio.Queue[Part | Exception | None]()
        for part in self._parts:
            events.put_nowait(part)

        connection.on_lost(events.put_nowait)
        probing: asyncio.Task[None] | None = None
        try:
            while True:
                if events.empty() and probing is None:
                    probing = asyncio.create_task(self._probe_until_silent(connection))
                elif events.empty():
                    self.settled.set()
                match await events.get():
                    case Exception() as cause:
                        raise cause
                    case None:
                        continue
                    case part if part in self._parts:
                        async with asyncio.timeout(SETUP_TIMEOUT_S):
                            await part.start(connection, events.put_nowait)
        finally:
            if probing is not None:
                probing.cancel()

    async def _probe_until_silent(self, connection: Connection) -> None:
        """Probes the parts until the broker stops responding, then ends the connection."""
        while await self._responds(connection):
            self._note_probe(True)
            await asyncio.sleep(PROBE_EVERY_S)
        self._events.put_nowait(TimeoutError())

    async def _responds(self, connection: Connection) -> bool:
        """Reports whether a probe is answered in time."""
        # The limit is `MAX_MISSED_PROBES` times `PROBE_TIMEOUT_S`. The time while the broker announces a lack of memory
        # or disk does not count.
        round_trip = asyncio.create_task(self._round_trip())  # no timeout: aiormq closes the channel of a cancelled one
        missed = 0
        try:
            while not (await asyncio.wait([round_trip], timeout=PROBE_TIMEOUT_S))[0]:
                self._note_probe(False)
                missed += not await connection.is_blocked()
                if missed == MAX_MISSED_PROBES:
                    return False
            return not round_trip.cancelled() and round_trip.exception() is None
        finally:
            round_trip.cancel()

    async def _round_trip(self) -> None:
        for part in tuple(self._parts):
            await part.probe()

    def _note_probe(self, responds: bool) -> None:
        """Records whether the broker answered a probe in time. Logs a message if the last probe had the opposite
        result."""
        if responds == self._missed_last_probe:
            log.warning("broker responds again" if responds else "broker does not respond")
        if not self.settled.is_set():
            self._events.put_nowait(None)
        self._has_responded, self._missed_last_probe = self._has_responded or responds, not responds


@asynccontextmanager
async def open_link(url: str, name: str, gauge: Gauge = metrics.BUS_CONNECTED) -> AsyncIterator[Link]:
    """Opens a link, which connects in the background. `name` identifies the connection to the broker's operators.
    `gauge` is 1 while the link is connected. Raises `SettingsError` for an unusable URL."""
    link = Link(each_server(verified_url(Secret(url), f"{MESH_PREFIX}BUS_URL")), name, gauge)
    async with alongside(link.run()):
        yield link


def _reason(error: Exception) -> str:
    right = missing_right(error)
    return (right and f"no {right}") or tls_error_of(error) or type(error).__name__


async def trial_run(connection: Connection, part: Part) -> None:
    """Checks that `part` can work on this connection: starts it, probes it and stops it. Raises one of the errors in
    `CONNECTION_LOST` if it cannot."""
    # The part's channels stay open until the connection is closed.
    lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    def lose(cause: Exception) -> None:
        if not lost.done():
            lost.set_result(cause)

    async def start() -> None:
        with cancellation_as_loss():
            await part.start(connection, lose)
            await part.probe()

    starting = asyncio.create_task(start())
    ends: list[asyncio.Future[Any]] = [starting, lost]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            raise lost.result()
        await starting
    finally:
        part.stop()
        starting.cancel()
        await asyncio.wait([starting])
