"""Calls to an upstream, a provider's HTTP API, with circuit breaker, rate limit, deadline, timeout and retry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from ssl import SSLContext
from typing import Any, Self, TypeAlias
from urllib.parse import SplitResult, quote, quote_plus, urlencode, urlsplit

import msgspec
from msgspec import Struct
from multidict import CIMultiDict
from yarl import URL

from bouquet_proto.failures import FAILURES
from bouquet_worker import metrics
from bouquet_worker.answer import Answer
from bouquet_worker.auth import Auth, ClientCredentials
from bouquet_worker.breaker import Breaker
from bouquet_worker.deadline import left_s
from bouquet_worker.errors import UpstreamError
from bouquet_worker.exchange import HIDDEN, Exchange, Observer
from bouquet_worker.quota import Quota
from bouquet_worker.settings import WorkerSettings

Param: TypeAlias = str | int | Sequence[str] | None
"""Value of a query parameter. A sequence is sent as one parameter for each item. `None` is not sent."""
Data: TypeAlias = bytes | str | Mapping[str, str]
"""Body of a request: a mapping is sent as a form, a text or bytes unchanged."""

RETRY_DELAY_S = 0.1


class _Call(Struct, frozen=True):
    """Request to an upstream. `route` is the template of the path, such as `/students/{ine}`, for spans and metrics."""

    method: str
    route: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None


class RetryBudget:
    """Limit on the retries of calls to one upstream, so that retries cannot double the load of a failing upstream. Each
    retry takes 1 from the budget, and each call adds `ratio`.

    Args:
        ratio: Part of a retry that each call adds, such as 0.1 for one retry in ten calls.
        max_retries: Largest budget, in retries, and the budget at the start.
    """

    def __init__(self, ratio: float = 0.1, max_retries: float = 10.0) -> None:
        self._ratio = ratio
        self._max_retries = max_retries
        self._left = max_retries

    def earn(self) -> None:
        self._left = min(self._max_retries, self._left + self._ratio)

    def spend(self) -> bool:
        """Returns whether the budget allows one more retry, and if so, takes it from the budget."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Upstream(Struct, frozen=True):
    """Declaration of an upstream, one of the provider's HTTP APIs: its URL, authentication and limits. Handlers call it
    through an `UpstreamClient`."""

    name: str
    base_url: str
    """URL to which each call appends its route."""
    auth: Auth | None = None
    """Authentication of the calls, such as an `ApiKey`; `None` if calls need none."""
    timeout_s: float | None = None
    """Timeout of one call, in seconds; `None` for the worker's `timeout_s`."""
    headers: Mapping[str, str] = {}
    """Headers of every call. A call's own header replaces a header of the same name."""
    failures: Mapping[int, str] = {}
    """Maps HTTP statuses to reasons of failure. A call whose answer has one of these statuses raises an `UpstreamError`
    with the reason."""
    # Redirects, 502, 503 and 504 always raise an error, as does 401 if `auth` is set.
    ssl: SSLContext | None = None
    """TLS context, such as `client_context` makes; `None` to trust the system's certificate authorities."""
    max_body_bytes: int = 1_000_000
    """Largest accepted length of an answer's body, in bytes. A longer body makes the call fail as
    `upstream_malformed`."""

    @property
    def urls(self) -> tuple[str, ...]:
        """URLs of the servers that calls need: `base_url`, and the URL of the token endpoint if there is one."""
        return (self.base_url, self.auth.token_url) if isinstance(self.auth, ClientCredentials) else (self.base_url,)


class UpstreamClient:
    """Client of one upstream, used as an async context manager. The worker's settings limit the client's simultaneous
    calls and its calls per minute."""

    # They are `concurrency` calls at a time and `upstream_calls_per_minute` calls in any minute. Requests for tokens do
    # not count as calls.

    def __init__(
        self,
        upstream: Upstream,
        provider: str,
        settings: WorkerSettings,
        *,
        breaker: Breaker | None = None,
        observer: Observer | None = None,
        answers: Iterator[Answer] | None = None,
    ) -> None:
        # Imported with the first client: aiohttp takes longer to load than all else that reading a contract needs.
        from bouquet_worker.transport import Transport

        self.upstream = upstream
        self._name = upstream.name
        self._observer = observer
        self._answers = answers
        self._base = urlsplit(upstream.base_url)
        self._auth = upstream.auth
        self._timeout_s = settings.timeout_s if upstream.timeout_s is None else upstream.timeout_s
        self._headers = upstream.headers
        self._failures = ({401: "upstream_unknown"} if upstream.auth else {}) | dict(upstream.failures)
        self._breaker = breaker or Breaker(provider, upstream.name)
        self._retries = metrics.UPSTREAM_REPEATS.labels(provider, upstream.name)
        self._retry_budget = RetryBudget()
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

    async def authenticate(self) -> None:
        """Obtains the credentials that calls need, such as a token, before any call is made. Raises `UpstreamError` if
        they cannot be obtained."""
        if self._auth:
            await self._auth.headers(self._transport)

    async def get(
        self,
        route: str = "",
        *,
        path: Mapping[str, str] = {},
        params: Mapping[str, Param] = {},
        headers: Mapping[str, str] = {},
        json: Any = None,
    ) -> Answer:
        """Sends a GET request and returns its answer.

        Args:
            route: Path below the upstream's URL, with names in braces: `/students/{ine}`.
            path: Values for the names in braces, each sent percent-encoded as one segment of the path.
            params: Query parameters.
            headers: Headers of this call, besides the headers of the upstream.
            json: Body, sent as JSON.

        Raises `UpstreamError` if no answer comes, or if the answer's status is one of the upstream's `failures`.
        """
        return await self._exchange(self._call("GET", route, path, params, headers, json, None), idempotent=True)

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
        """Sends a POST request and returns its answer.

        Args:
            route: Path below the upstream's URL, with names in braces: `/students/{ine}`.
            path: Values for the names in braces, each sent percent-encoded as one segment of the path.
            params: Query parameters.
            headers: Headers of this call, besides the headers of the upstream.
            json: Body, sent as JSON.
            data: Body instead of `json`: a mapping is sent as a form, a text or bytes unchanged.
            idempotent: Whether the request only reads data; if so, it may be retried.

        Raises `UpstreamError` if no answer comes, or if the answer's status is one of the upstream's `failures`.
        """
        return await self._exchange(self._call("POST", route, path, params, headers, json, data), idempotent=idempotent)

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
        if route and not route.startswith("/"):
            raise UpstreamError("malformed_request", field="route", cause="does not begin with /")
        base = self._base.path.rstrip("/") if route else self._base.path
        filled = route.format_map({name: _segment(name, value) for name, value in path.items()})
        query = "&".join(filter(None, (self._base.query, _query(params))))
        body, merged = _body(json, data)
        merged.update(self._headers)
        merged.update(headers)
        url = URL(SplitResult(self._base.scheme, self._base.netloc, base + filled, query, ""), encoded=True)
        return _Call(method, base + route or "/", url, merged, body)

    async def _exchange(self, call: _Call, *, idempotent: bool) -> Answer:
        """Sends a call and returns the answer. Retries a failed call at most once, and only if it is `idempotent`.
        Raises `UpstreamError` if the call fails or is not sent, for instance because the breaker is open."""
        self._breaker.check()  # before the rate limit: a call that is not sent takes no slot
        await self._quota.wait_for_slot(left_s(self._timeout_s) / 2)
        time_s = left_s(self._timeout_s)
        if time_s <= 0:
            raise UpstreamError("deadline_exceeded")
        with (
            # An upstream that had less than half of its time is not held responsible for a timeout.
            self._breaker.guard(counts_timeout=time_s >= self._timeout_s / 2),
            self._transport.observed(call.method, call.url, call.route),
        ):
            try:
                async with asyncio.timeout(time_s):
                    return await self._with_retry(call, retry_within_s=time_s / 2 if idempotent else 0.0)
            except TimeoutError:
                raise UpstreamError("upstream_timeout") from None

    async def _with_retry(self, call: _Call, *, retry_within_s: float) -> Answer:
        """Sends a call and returns the answer. Repeats the call once if the first attempt failed within
        `retry_within_s` seconds and for a reason that allows a retry."""
        # The retry budget and the rate limit must allow the retry.
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._retry_budget.earn()
        try:
            return await self._attempt(call)
        except UpstreamError as error:
            in_time = loop.time() - began < retry_within_s
            if not (in_time and _is_worth_a_retry(error.reason) and self._take_retry()):
                raise
        self._retries.inc()
        await asyncio.sleep(RETRY_DELAY_S)
        return await self._attempt(call)

    async def _attempt(self, call: _Call) -> Answer:
        answer = await self._authenticated(call)
        if reason := self._failures.get(answer.status):
            raise UpstreamError(reason)
        return answer

    async def _authenticated(self, call: _Call) -> Answer:
        """Sends a call with its credentials, and returns the answer. After a 401, sends the call once more with new
        credentials, if the limits on retries and calls allow it."""
        if self._auth is None:
            return await self._send(call, {})
        credentials = await self._auth.headers(self._transport)
        answer = await self._send(call, credentials)
        if answer.status == 401 and self._take_retry() and self._auth.forget(credentials):
            answer = await self._send(call, await self._auth.headers(self._transport))
        return answer

    def _take_retry(self) -> bool:
        """Takes a retry from the budget and a slot of the rate limit. Returns whether both were available now."""
        return self._retry_budget.spend() and self._quota.take_free_slot()

    async def _send(self, call: _Call, credentials: Mapping[str, str]) -> Answer:
        if self._answers is None:
            sending = self._transport.send(call.method, call.url, {**call.headers, **credentials}, call.body)
        else:
            sending = _replayed(self._answers)
        return await (self._observed(call, credentials, sending) if self._observer else sending)

    async def _observed(self, call: _Call, credentials: Mapping[str, str], sending: Awaitable[Answer]) -> Answer:
        """Awaits `sending` and returns its answer. Tells the observer the request and its outcome, with the
        `credentials` hidden."""
        # Only commands such as `bouquet-worker try` have an observer.
        outcome: Answer | UpstreamError = UpstreamError("upstream_timeout")  # if it is cancelled
        try:
            outcome = await sending
            return outcome
        except UpstreamError as error:
            outcome = error
            raise
        finally:
            headers = {**call.headers, **dict.fromkeys(credentials, HIDDEN)}
            exchange = Exchange(self._name, call.method, str(call.url), headers, call.body, outcome)
            if self._observer:
                self._observer(exchange)


async def _replayed(answers: Iterator[Answer]) -> Answer:
    """Returns the next recorded answer, in place of a call to the upstream. Raises
    `UpstreamError("upstream_unavailable")` if no answer is left."""
    if (answer := next(answers, None)) is None:
        raise UpstreamError("upstream_unavailable", cause="no more answers")
    return answer


def _is_worth_a_retry(reason: str) -> bool:
    """Returns whether `FAILURES` allows a retry after a failure with this reason. A timeout is never retried, since no
    time is left."""
    return reason != "upstream_timeout" and reason in FAILURES and FAILURES[reason].retry


def _segment(name: str, value: str) -> str:
    """Returns `value` percent-encoded as one segment of a path. Raises `UpstreamError` for a value that would change
    the path, such as `..`. The error names the field `name`."""
    # An empty segment leads to another route, and so do dots, which servers resolve even when encoded.
    if value in ("", ".", ".."):
        raise UpstreamError("malformed_request", field=name, cause="no path segment")
    return quote(value, safe="")


def _query(params: Mapping[str, Param]) -> str:
    return "&".join([f"{_quoted(name)}={_quoted(value)}" for name, param in params.items() for value in _values(param)])


def _values(param: Param) -> Sequence[str]:
    match param:
        case None:
            return ()
        case str():
            return (param,)
        case int():
            return (str(param),)
        case _:
            return param


def _quoted(text: str) -> str:
    # Most texts need no quoting, and `quote_plus` is slow to find that out.
    return text if text.isascii() and text.isalnum() else quote_plus(text)


def _body(json: Any, data: Data | None) -> tuple[bytes | None, CIMultiDict[str]]:
    """Returns the body of a request, made from `json` or `data`, with the header `Content-Type` for JSON or a form. The
    body is `None` if both arguments are `None`."""
    if json is not None:
        return msgspec.json.encode(json), CIMultiDict({"Content-Type": "application/json"})
    if isinstance(data, Mapping):
        return urlencode(data).encode(), CIMultiDict({"Content-Type": "application/x-www-form-urlencoded"})
    return data.encode() if isinstance(data, str) else data, CIMultiDict()
