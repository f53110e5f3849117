"""Connection to the broker, opened again after each loss (docs/adr/0002). All its components are then started again."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import Enum, auto
from typing import Any, NoReturn, Protocol, TypeAlias

from prometheus_client import Gauge

from bouquet_mesh.amqp.channel import OnLost
from bouquet_mesh.amqp.connection import Connection, connect
from bouquet_mesh.amqp.errors import (
    CLOSE_TIMEOUT_S,
    CONNECTION_LOST,
    AccessRefused,
    cancellation_as_loss,
    missing_right,
)
from bouquet_mesh.amqp.quorum import has_majority
from bouquet_mesh.backoff import pause_s
from bouquet_mesh.observe import metrics
from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import address_of, each_server
from bouquet_mesh.tasks import alongside, finish_or_cancel
from bouquet_mesh.tls.context import tls_error_of, verified_url
from bouquet_proto.names import MESH_PREFIX

log = logging.getLogger(__name__)

SETUP_TIMEOUT_S = 5.0
FIRST_RETRY_S = 0.2
LAST_RETRY_S = 5.0
NEXT_SERVER_AFTER_S = 1.0
"""Seconds after which an attempt at the next server begins if a server has not answered. The first attempt goes on."""
# Several servers may be silent, each for the whole time that an attempt may take.
STABLE_AFTER_S = 10.0
"""Age, in seconds, from which a connection counts as stable. When a stable connection is lost, the pauses between
attempts to reconnect start short again."""
PROBE_EVERY_S = 1.0
PROBE_TIMEOUT_S = 3.0
"""Seconds without an answer from the broker that count as one missed probe. A probe is a check that the broker still
responds."""
MAX_MISSED_PROBES = 2
"""Number of missed probes after which the connection is replaced. `PROBE_TIMEOUT_S` seconds without an answer are one
missed probe."""
# Periods in which the broker announces a lack of memory or disk do not count.
# The heartbeat would detect the loss much later.
MIN_FRACTION_OF_MAX_AGE = 0.5
"""Smallest age at which a connection is replaced, as a fraction of the maximum age."""
# Each connection gets a random fraction, from this one to 1, so that processes do not all reconnect at once.
MAJORITY_CHECK_EVERY_S = 3.0
"""Seconds between checks whether the broker node in use belongs to a majority of its cluster."""
DRAIN_TIMEOUT_S = 90.0
"""Longest time, in seconds, that a replaced connection stays open so that work begun on it can end."""
# Longer than the deadline of any call.

Drain: TypeAlias = Callable[[], Awaitable[None]]
"""Function that stops taking work from a connection, and returns once the work already taken has ended."""


class Component(Protocol):
    """Component that uses the broker connection, such as a consumer. `Link` starts each component again on each new
    connection."""

    owner: str
    """Kind of process that runs the component: `gateway`, `journal`, or a provider's name such as `cnaf`."""
    # The names of the process's check queues contain it (`check_queue_of`).
    # The broker lets the process declare no other check queues.

    async def start(self, connection: Connection, on_lost: OnLost) -> Drain | None:
        """Opens the channels, declares the queues and starts the consumer that this component needs. If a channel ends
        later, calls `on_lost` with the error.

        Returns a function that waits until the work taken on the channels has ended. Returns None if the component
        cannot move to another connection while `connection` is open.
        """
        # `Link` starts the component on the new connection first, then drains the former one.

    async def probe(self) -> None:
        """Checks that the broker still serves this component. Raises one of the errors in `CONNECTION_LOST` if it does
        not."""

    def stop(self) -> None:
        """Ends the component's work that needs the connection. Called after the connection was lost."""


class _Signal(Enum):
    """Signal to the task that runs a `Link`.

    `WAKE` asks the task to check whether all components, such as consumers, have started. `MOVE` asks it to replace the
    connection because of its age. `LEAVE` asks for a replacement because the connection's node is in a minority of its
    cluster.
    """

    WAKE = auto()
    MOVE = auto()
    LEAVE = auto()


_Event: TypeAlias = Component | Exception | _Signal


class _Session:
    """Connection to one server of the broker, with the components started on it. For each component, the session keeps
    a function (`Drain`) that waits until the component's work has ended."""

    def __init__(self, connection: Connection, server: str) -> None:
        self.connection = connection
        self.server = server
        self.events: asyncio.Queue[_Event] = asyncio.Queue()
        """Events for the task that runs the link: components to start, errors and signals."""
        self.drains: list[Drain | None] = []
        self.majority_check_at = 0.0
        connection.on_lost(self.events.put_nowait)

    async def start(self, component: Component) -> None:
        async with asyncio.timeout(SETUP_TIMEOUT_S):
            self.drains.append(await component.start(self.connection, self.events.put_nowait))

    async def drain(self) -> None:
        """Waits until the work begun on the connection has ended, for at most `DRAIN_TIMEOUT_S` seconds. Then closes
        the connection."""
        try:
            with suppress(*CONNECTION_LOST):
                async with asyncio.timeout(DRAIN_TIMEOUT_S):
                    await asyncio.gather(*(drain() for drain in self.drains if drain))
        finally:
            await self.close()

    async def close(self) -> None:
        self.connection.drop()
        await self.connection.close()


class Link:
    """Connection to the broker, opened again after each loss, and the components that use it. With several servers,
    each connection is also replaced after at most `max_age_s` seconds."""

    # Without moves, the processes would not spread over the servers again after each server has been restarted.

    def __init__(self, servers: Sequence[str], name: str, gauge: Gauge, max_age_s: float = math.inf) -> None:
        self.connected = False
        self._has_responded = False
        self._missed_last_probe = False
        self.settled = asyncio.Event()
        """Event that is set while no component is starting: either all components are up, or the broker cannot be
        reached."""
        self._servers = servers
        self._logged: dict[str, str] = {}
        """Last logged reason why a server was unavailable, by the server's URL."""
        self._name = name
        self._gauge = gauge
        self._max_age_s = max_age_s if len(servers) > 1 else math.inf
        self._components: list[Component] = []
        self._session: _Session | None = None
        """Session of the present connection or, while disconnected, of the last one."""
        self._closing: set[asyncio.Task[None]] = set()
        """Tasks that close connections which are lost or have been replaced."""

    @property
    def responsive(self) -> bool:
        """Whether the broker has answered the last probe in time. False if the broker hangs, even if the connection
        stays open."""
        return self._has_responded and not self._missed_last_probe

    def attach(self, component: Component) -> None:
        """Starts a component on the present connection, if there is one, and again on each new connection."""
        self._components.append(component)
        if self.connected and self._session:
            self.settled.clear()
            self._session.events.put_nowait(component)

    @asynccontextmanager
    async def holding(self, component: Component) -> AsyncIterator[None]:
        """Attaches a component to the connection while the context is open. Before the context begins, waits
        until the component has started or the broker has proved unreachable."""
        self.attach(component)
        try:
            await self.settled.wait()
            yield
        finally:
            self._components.remove(component)
            if self.connected:
                await self.settled.wait()

    async def run(self) -> NoReturn:
        """Keeps the link connected until cancelled, then closes all connections."""
        try:
            await self._keep_connected()
        finally:
            await finish_or_cancel(self._closing, CLOSE_TIMEOUT_S)

    async def _keep_connected(self) -> NoReturn:
        """Connects, and connects again after each loss. The pauses between attempts grow with each failure, and are
        jittered."""
        # With several servers, there is no pause before the first attempt to reconnect. Calls wait for this attempt
        # instead of failing.
        failures, logged = 0, ""
        while True:
            stable_at = math.inf
            try:
                with cancellation_as_loss():
                    session = await self._connect()
                    stable_at = time.monotonic() + STABLE_AFTER_S
                    await self._run_session(session)
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

    async def _connect(self) -> _Session:
        """Connects to one of the servers, and returns the session. Tries the servers in random order, except that the
        server of the last connection comes last."""
        former = self._session.server if self._session else ""
        return await self._connect_to_any(sorted(self._servers, key=lambda server: (server == former, random.random())))

    async def _connect_to_any(self, servers: Iterable[str]) -> _Session:
        """Tries to connect to each of `servers`, and returns the session of the first attempt that succeeds. The next
        attempt begins once the present attempt has failed or has run for `NEXT_SERVER_AFTER_S` seconds. If all attempts
        fail, raises the last error."""
        untried = deque(servers)
        attempts: set[asyncio.Task[_Session]] = set()
        try:
            while True:
                if untried:
                    attempts.add(asyncio.create_task(self._connect_to(untried.popleft())))
                done, _ = await asyncio.wait(
                    attempts, timeout=NEXT_SERVER_AFTER_S if untried else None, return_when=asyncio.FIRST_COMPLETED
                )
                for attempt in done:
                    attempts.discard(attempt)
                    if (error := attempt.exception()) is None:
                        return attempt.result()
                    if not attempts and not untried:
                        raise error
        finally:
            for attempt in attempts:
                attempt.cancel()
                self._in_background(_closed(attempt))

    async def _connect_to(self, server: str) -> _Session:
        """Connects to a server, and returns the session if the server's node belongs to a majority of its cluster.
        Otherwise raises `TimeoutError`."""
        try:
            with cancellation_as_loss():
                session = _Session(await connect(server, self._name), server)
                with self._closed_on_error(session):
                    if not await self._has_majority(session):
                        raise TimeoutError
        except CONNECTION_LOST as error:
            self._log_unavailable(server, _reason(error))
            raise
        log.info("broker connected", extra={"connection": self._name, "node": address_of(server)})
        self._logged.pop(server, None)
        return session

    @contextmanager
    def _closed_on_error(self, session: _Session) -> Iterator[None]:
        """Closes the session in the background if the enclosed block raises an error or is cancelled."""
        try:
            yield
        except BaseException:
            self._in_background(session.close())
            raise

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work`, which closes a connection, in a task of its own. The link does not end before `work` has
        ended."""
        task = asyncio.create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _log_unavailable(self, server: str, reason: str) -> None:
        """Logs why one of several servers is unavailable. Logs nothing if the reason logged last for this server was
        the same."""
        if len(self._servers) > 1 and self._logged.get(server) != reason:
            log.warning("broker node unavailable", extra={"node": address_of(server), "error": reason})
            self._logged[server] = reason

    async def _run_session(self, session: _Session) -> NoReturn:
        """Keeps all components running: at first on the connection of `session`, then on each connection that replaces
        it. Raises the error that ends the last connection."""
        self._gauge.set(1)
        self.connected = True
        self.settled.clear()
        for component in self._components:
            session.events.put_nowait(component)
        self._session = session
        try:
            while True:
                await self._keep_components_up(self._session)
        finally:
            self.connected = self._has_responded = self._missed_last_probe = False
            self._gauge.set(0)
            self._session.connection.drop()
            for component in self._components:
                component.stop()
            if len(self._servers) == 1:
                self.settled.set()
            else:
                self.settled.clear()
            # Not awaited: a server that is silent would delay the next attempt to connect.
            self._in_background(self._session.connection.close())

    async def _keep_components_up(self, session: _Session) -> None:
        """Starts the components of a session, then probes them. Returns once another session has replaced `session`.
        Raises the error that ends the session."""
        probing: asyncio.Task[None] | None = None
        try:
            while True:
                if session.events.empty() and probing is None:
                    probing = asyncio.create_task(self._probe_until_silent(session))
                elif session.events.empty():
                    self.settled.set()
                match await session.events.get():
                    case Exception() as cause:
                        raise cause
                    case _Signal.MOVE | _Signal.LEAVE as signal:
                        probing = None
                        if await self._moved_from(session, must=signal is _Signal.LEAVE):
                            return
                    case _Signal.WAKE:
                        continue
                    case component if component in self._components:
                        await session.start(component)
        finally:
            if probing is not None:
                probing.cancel()

    async def _moved_from(self, session: _Session, *, must: bool) -> bool:
        """Moves all components to another server, and closes the former connection once the work on it has ended.
        Returns False, with nothing changed, if the move was not possible.

        If `must` is true, tries all other servers, and raises `ConnectionResetError` if a component cannot move. If
        `must` is false, tries a single random server, perhaps the present server.
        """
        if None in session.drains:
            if must:
                raise ConnectionResetError
            return False
        others = [server for server in self._servers if server != session.server]
        candidates = random.sample(others, len(others)) if must else [random.choice(self._servers)]
        while candidates and candidates != [session.server]:
            try:
                successor = await self._connect_to_any(candidates)
            except CONNECTION_LOST:
                return False
            if await self._start_all_on(successor):
                self._session = successor
                self._in_background(session.drain())
                return True
            candidates.remove(successor.server)
        return False

    async def _start_all_on(self, successor: _Session) -> bool:
        """Starts all components on the connection of a new session. If the first component fails, closes the session
        and returns False. If a later component fails, raises the component's error."""
        # The components before it have then left their former connection already.
        try:
            with self._closed_on_error(successor), cancellation_as_loss():
                for component in tuple(self._components):
                    await successor.start(component)
        except CONNECTION_LOST as error:
            if successor.drains:
                raise
            self._log_unavailable(successor.server, _reason(error))
            return False
        return True

    async def _probe_until_silent(self, session: _Session) -> None:
        """Probes the components every `PROBE_EVERY_S` seconds, until the broker no longer responds or the connection
        should be replaced. Reports the reason to the link through `session.events`."""
        moves_at = time.monotonic() + self._max_age_s * random.uniform(MIN_FRACTION_OF_MAX_AGE, 1.0)
        while await self._responds(session):
            self._note_probe(session, True)
            if await self._is_in_minority(session):
                log.warning("broker node in a minority", extra={"node": address_of(session.server)})
                session.events.put_nowait(_Signal.LEAVE)
                return
            if time.monotonic() > moves_at:
                session.events.put_nowait(_Signal.MOVE)
                return
            await asyncio.sleep(PROBE_EVERY_S)
        session.events.put_nowait(TimeoutError())

    async def _is_in_minority(self, session: _Session) -> bool:
        """Returns whether the node of the connection in use is known to be in a minority of its cluster."""
        try:
            return not await self._has_majority(session)
        except CONNECTION_LOST:  # `session.events` has the loss
            return False

    async def _has_majority(self, session: _Session) -> bool:
        """Returns whether the broker's node belongs to a majority of its cluster. Checks at most every
        `MAJORITY_CHECK_EVERY_S` seconds, and returns True in between."""
        # Also True if the link knows only one server.
        if len(self._servers) == 1 or not self._components or time.monotonic() < session.majority_check_at:
            return True
        session.majority_check_at = time.monotonic() + MAJORITY_CHECK_EVERY_S
        try:
            return await has_majority(session.connection, self._components[0].owner)
        except AccessRefused as error:
            session.majority_check_at = math.inf
            log.info("majority of broker nodes not checked", extra={"error": _reason(error)})
            return True

    async def _responds(self, session: _Session) -> bool:
        """Probes the components, and returns whether the broker answers in time: within `MAX_MISSED_PROBES` periods of
        `PROBE_TIMEOUT_S` seconds. Periods in which the broker lacks memory or disk do not count."""
        round_trip = asyncio.create_task(self._round_trip())  # no timeout: aiormq closes the channel of a cancelled one
        missed = 0
        try:
            while not (await asyncio.wait([round_trip], timeout=PROBE_TIMEOUT_S))[0]:
                self._note_probe(session, False)
                missed += not await session.connection.is_blocked()
                if missed == MAX_MISSED_PROBES:
                    return False
            return not round_trip.cancelled() and round_trip.exception() is None
        finally:
            round_trip.cancel()

    async def _round_trip(self) -> None:
        for component in tuple(self._components):
            await component.probe()

    def _note_probe(self, session: _Session, responds: bool) -> None:
        """Records whether the broker has answered a probe in time. Logs a warning if the result has changed."""
        if responds == self._missed_last_probe:
            log.warning("broker responds again" if responds else "broker does not respond")
        if not self.settled.is_set():
            session.events.put_nowait(_Signal.WAKE)
        self._has_responded, self._missed_last_probe = self._has_responded or responds, not responds


@asynccontextmanager
async def open_link(
    url: str, name: str, gauge: Gauge = metrics.BUS_CONNECTED, *, max_age_s: float = math.inf
) -> AsyncIterator[Link]:
    """Opens a link, which connects in the background. `name` names the connection at the broker and in the label of
    `gauge`. The gauge is 1 while the link is connected, else 0. Raises `SettingsError` for an unusable URL."""
    own = gauge.labels(name)
    own.set(0)
    link = Link(each_server(verified_url(Secret(url), f"{MESH_PREFIX}BUS_URL")), name, own, max_age_s)
    async with alongside(link.run()):
        yield link


async def _closed(attempt: asyncio.Task[_Session]) -> None:
    """Waits for the end of a cancelled attempt to connect. If the attempt has succeeded all the same, closes the new
    session."""
    with suppress(asyncio.CancelledError, *CONNECTION_LOST):
        await (await attempt).close()


def _reason(error: Exception) -> str:
    right = missing_right(error)
    return (right and f"no {right}") or tls_error_of(error) or type(error).__name__
