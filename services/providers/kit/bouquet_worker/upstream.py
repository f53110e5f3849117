"""An upstream: one provider API as its author asks it. Deadlines, tokens, repeats, breaker and telemetry are here.

A call passes, in this order: breaker (refused where it is open) > quota (waits for its turn) > deadline > breaker
(counts how the call ends) > span and metrics > time limit > one repeat > token > transport.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from ssl import SSLContext
from typing import Any, Self, TypeAlias
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import msgspec
from msgspec import Struct
from multidict import CIMultiDict
from yarl import URL

from bouquet_proto.failures import FAILURES
from bouquet_worker import metrics
from bouquet_worker.answer import Answer
from bouquet_worker.auth import Auth
from bouquet_worker.breaker import Breaker
from bouquet_worker.deadline import left_s
from bouquet_worker.errors import UpstreamError
from bouquet_worker.quota import Quota
from bouquet_worker.settings import WorkerSettings

Param: TypeAlias = str | int | Sequence[str] | None
Data: TypeAlias = bytes | str | Mapping[str, str]

REPEAT_AFTER_S = 0.1


class _Call(Struct, frozen=True):
    method: str
    route: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None


class RepeatBudget:
    """One repeat for ten calls, and a few to begin with: a dead fund is not hit twice as hard."""

    def __init__(self, ratio: float = 0.1, most: float = 10.0) -> None:
        self._ratio = ratio
        self._most = most
        self._left = most

    def earn(self) -> None:
        self._left = min(self._most, self._left + self._ratio)

    def spend(self) -> bool:
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Upstream(Struct, frozen=True):
    """The declaration of an API of the provider. The kit opens it, and handlers get its `UpstreamClient`.

    Redirects, 502, 503, 504 and whatever keeps an answer from coming raise `UpstreamError` of themselves.
    """

    name: str
    """Label of its metrics and logs."""
    base_url: str
    auth: Auth | None = None
    timeout_s: float | None = None
    """Seconds that one call may take; `None` is the worker's `timeout_s`."""
    headers: Mapping[str, str] = {}
    """Sent with every call; a call's own headers count more."""
    failures: Mapping[int, str] = {}
    """HTTP statuses that are failures, with the reason of each. Any other status is an `Answer`."""
    ssl: SSLContext | None = None
    """`None` trusts the system's authorities."""
    max_body_bytes: int = 1_000_000
    """A longer answer is `upstream_malformed`."""


class UpstreamClient:
    """An open upstream: an async context manager, with one pool of connections.

    It sends `concurrency` calls at a time and `upstream_calls_per_minute` in any minute, as the worker's settings say,
    its token endpoint apart.
    """

    def __init__(
        self,
        upstream: Upstream,
        provider: str,
        settings: WorkerSettings,
        *,
        breaker: Breaker | None = None,
    ) -> None:
        # Loaded with the first client: aiohttp takes longer to load than all the rest that a contract needs.
        from bouquet_worker.transport import Transport

        self._base_url = upstream.base_url
        self._auth = upstream.auth
        self._timeout_s = settings.timeout_s if upstream.timeout_s is None else upstream.timeout_s
        self._headers = upstream.headers
        self._failures = ({401: "upstream_unknown"} if upstream.auth else {}) | dict(upstream.failures)
        self._breaker = breaker or Breaker(provider, upstream.name)
        self._repeats = metrics.UPSTREAM_REPEATS.labels(provider, upstream.name)
        self._budget = RepeatBudget()
        self._quota = Quota(settings.upstream_calls_per_minute)
        self._transport = Transport(
            provider,
            upstream.name,
            concurrency=settings.concurrency,
            ssl=upstream.ssl,
            max_body_bytes=upstream.max_body_bytes,
        )

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.__aexit__()

    async def get(
        self,
        route: str = "",
        *,
        path: Mapping[str, str] = {},
        params: Mapping[str, Param] = {},
        headers: Mapping[str, str] = {},
        json: Any = None,
    ) -> Answer:
        """`path` fills the braces of `route`, percent-encoded, each one segment; parameters that are `None` are left
        out."""
        return await self._ask(self._call("GET", route, path, params, headers, json, None), idempotent=True)

    async def post(
        self,
        route: str = "",
        *,
        path: Mapping[str, str] = {},
        params: Mapping[str, Param] = {},
        headers: Mapping[str, str] = {},
        json: Any = None,
        data: Data | None = None,
        idempotent: bool = False,
    ) -> Answer:
        """`data` is sent as it is, a mapping as a form. `idempotent`: it only reads, and may be repeated."""
        return await self._ask(self._call("POST", route, path, params, headers, json, data), idempotent=idempotent)

    def _call(
        self,
        method: str,
        route: str,
        path: Mapping[str, str],
        params: Mapping[str, Param],
        headers: Mapping[str, str],
        json: Any,
        data: Data | None,
    ) -> _Call:
        base = self._base_url.rstrip("/") if route else self._base_url
        filled = route.format_map({name: _segment(name, value) for name, value in path.items()})
        query = _query(params)
        body, merged = _body(json, data)
        merged.update(self._headers)
        merged.update(headers)
        url = URL(base + filled + (f"?{query}" if query else ""), encoded=True)
        return _Call(method, urlsplit(base).path + route or "/", url, merged, body)

    async def _ask(self, call: _Call, *, idempotent: bool) -> Answer:
        """Half of the time may go by before the quota has room. An upstream that was given less than half of its time
        is not blamed for its silence."""
        self._breaker.check()  # a call that is not sent takes nobody's turn
        await self._quota.turn(left_s(self._timeout_s) / 2)
        time_s = left_s(self._timeout_s)
        if time_s <= 0:
            raise UpstreamError("deadline_exceeded")
        with (
            self._breaker.guard(patient=time_s >= self._timeout_s / 2),
            self._transport.observed(call.method, call.url, call.route),
        ):
            try:
                async with asyncio.timeout(time_s):
                    return await self._persist(call, quick_s=time_s / 2 if idempotent else 0.0)
            except TimeoutError:
                raise UpstreamError("upstream_timeout") from None

    async def _persist(self, call: _Call, *, quick_s: float) -> Answer:
        """Once more, if a repeat may help, is affordable, and the failure came before `quick_s`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._budget.earn()
        try:
            return await self._attempt(call)
        except UpstreamError as error:
            quick = loop.time() - began < quick_s
            if not (quick and _may_pass(error.reason) and self._can_repeat()):
                raise
        self._repeats.inc()
        await asyncio.sleep(REPEAT_AFTER_S)
        return await self._attempt(call)

    async def _attempt(self, call: _Call) -> Answer:
        answer = await self._authenticated(call)
        if reason := self._failures.get(answer.status):
            raise UpstreamError(reason)
        return answer

    async def _authenticated(self, call: _Call) -> Answer:
        """A token that is refused before its time is renewed, once, on the budget of repeats."""
        if self._auth is None:
            return await self._send(call, {})
        proof = await self._auth.headers(self._transport)
        answer = await self._send(call, proof)
        if answer.status == 401 and self._can_repeat() and self._auth.forget(proof):
            answer = await self._send(call, await self._auth.headers(self._transport))
        return answer

    def _can_repeat(self) -> bool:
        return self._budget.spend() and self._quota.spare()

    async def _send(self, call: _Call, proof: Mapping[str, str]) -> Answer:
        return await self._transport.send(call.method, call.url, {**call.headers, **proof}, call.body)


def _may_pass(reason: str) -> bool:
    """Whether a second try may do better. A timeout has cost enough already."""
    return reason != "upstream_timeout" and reason in FAILURES and FAILURES[reason].retry


def _segment(name: str, value: str) -> str:
    """Nothing at all, or dots that servers resolve even when encoded, would lead to another route."""
    if value in ("", ".", ".."):
        raise UpstreamError("malformed_request", field=name, cause="no path segment")
    return quote(value, safe="")


def _query(params: Mapping[str, Param]) -> str:
    """What is `None` is left out; of a sequence, each is written."""
    pairs = ((name, value) for name, given in params.items() for value in _each(given))
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs)


def _each(given: Param) -> Sequence[str]:
    match given:
        case None:
            return ()
        case str():
            return (given,)
        case int():
            return (str(given),)
        case _:
            return given


def _quoted(text: str) -> str:
    """Most need nothing, and urllib looks long at each."""
    return text if text.isascii() and text.isalnum() else quote_plus(text)


def _body(json: Any, data: Data | None) -> tuple[bytes | None, CIMultiDict[str]]:
    """A body and the header that goes with it, unless the author says otherwise."""
    if json is not None:
        return msgspec.json.encode(json), CIMultiDict({"Content-Type": "application/json"})
    if isinstance(data, Mapping):
        return urlencode(data).encode(), CIMultiDict({"Content-Type": "application/x-www-form-urlencoded"})
    return data.encode() if isinstance(data, str) else data, CIMultiDict()
