"""Trial of a worker with one lookup, for its developer. Shows the requests to upstreams with their answers, and the
reply as the public contract has it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, assert_never
from urllib.parse import quote_plus

import msgspec
from msgspec import Struct, structs

from bouquet_mesh.listen import listening
from bouquet_mesh.secret import Secret
from bouquet_proto.failures import FAILURES, RENDERINGS
from bouquet_proto.messages import Failed, Found, Lookup, NotFound, Recorded, Rejected, Reply
from bouquet_proto.offer import Offer, Operation
from bouquet_worker.answer import Answer
from bouquet_worker.errors import UpstreamError, words_of
from bouquet_worker.exchange import HIDDEN, Exchange
from bouquet_worker.settings import WorkerSettings
from bouquet_worker.simulate import Simulator
from bouquet_worker.worker import Worker

SHOWN_HEADERS = ("content-type", "location", "retry-after")
"""Headers of an upstream's answer that `bouquet-worker try` prints, in lower case."""


class Trial(Struct, frozen=True):
    """Result of trying a worker with one lookup: the reply, and the requests to upstreams with their outcomes
    (`exchanges`). `error` is the upstream's error that made the reply a failure, or `None`. `secrets` are texts that
    must not be shown."""

    reply: Reply
    exchanges: tuple[Exchange, ...]
    secrets: tuple[str, ...]
    error: UpstreamError | None = None


async def ask_simulated(worker: Worker, simulator: Simulator, lookup: Lookup) -> Trial:
    """Runs the worker's simulator in place of the upstreams, and sends the worker the lookup."""
    async with listening(simulator.app(), "127.0.0.1", 0) as url:
        return await ask(worker, simulator.settings(url), lookup)


async def ask(
    worker: Worker, environ: Mapping[str, str], lookup: Lookup, answers: Iterable[Answer] | None = None
) -> Trial:
    """Sends the worker a lookup, in this process and without a bus. If `answers` is given, calls to upstreams return
    these answers, one after the other, and nothing is sent. Raises `SettingsError` for wrong settings."""
    settings = worker.settings(environ)
    exchanges: list[Exchange] = []
    errors: list[UpstreamError] = []
    replayed = None if answers is None else iter(answers)
    async with worker.connected(settings, observer=exchanges.append, answers=replayed) as upstreams:
        reply = await worker.handler(upstreams, settings, errors.append)(lookup)
    return Trial(reply, tuple(exchanges), tuple(secrets_of(settings)), next(iter(errors), None))


def secrets_of(settings: WorkerSettings) -> Iterator[str]:
    """Yields the secret values of the settings, as they are and URL-encoded, longest first, so that `report` can hide
    them."""
    values = {value.reveal() for value in structs.asdict(settings).values() if isinstance(value, Secret)} - {""}
    yield from sorted(values | {quote_plus(value) for value in values}, key=len, reverse=True)


def report(trial: Trial, operation: Operation, offer: Offer) -> str:
    """Returns the text that `bouquet-worker try` prints: the requests to upstreams with their outcomes, then the reply
    in the form of the public contract. `HIDDEN` replaces each secret."""
    exchanges = [_exchange_text(exchange) for exchange in trial.exchanges] or ["no request to the upstream"]
    text = "\n\n".join([*exchanges, _answer_text(trial, operation, offer)])
    for secret in trial.secrets:
        text = text.replace(secret, HIDDEN)
    return text


def _exchange_text(exchange: Exchange) -> str:
    sent = [f"> {exchange.method} {exchange.url}", *_header_lines(">", exchange.headers)]
    match exchange.outcome:
        case UpstreamError() as error:
            came, body = [f"< no answer: {error.reason}" + (f" ({error.cause})" if error.cause else "")], b""
        case Answer(status=status, headers=headers, body=body):
            shown = {name: value for name, value in headers.items() if name.lower() in SHOWN_HEADERS}
            came = [f"< {status}", *_header_lines("<", shown)]
        case _:
            assert_never(exchange.outcome)
    return "\n".join([*sent, *_body_lines(exchange.body), *came, *_body_lines(body)])


def _header_lines(mark: str, headers: Mapping[str, str]) -> Iterable[str]:
    return (f"{mark} {name}: {value}" for name, value in headers.items())


def _body_lines(body: bytes | None) -> list[str]:
    if not body:
        return []
    try:
        return [msgspec.json.format(body, indent=2).decode()]
    except msgspec.DecodeError:
        return [body.decode(errors="replace")]


def _answer_text(trial: Trial, operation: Operation, offer: Offer) -> str:
    match trial.reply:
        case Found(data=data):
            # Up to version 2, data have no envelope.
            body = json.loads(bytes(data))
            return _as_http("200", {"data": body} if operation.path.startswith("/v") else body)
        case NotFound() | Rejected() | Failed() as reply:
            row = (FAILURES | offer.problems)[reply.reason]
            authority = operation.authority or offer.authority
            error = {"code": row.code_of(authority.prefix), "title": row.title, "detail": row.detail}
            why = words_of(trial.error) if trial.error else reply.reason
            return _as_http(f"{RENDERINGS[row.kind].v3_status} ({why})", {"errors": [error]})
        case Recorded(status=status, body=recorded):
            return _as_http(str(status), json.loads(bytes(recorded)))
        case _:
            assert_never(trial.reply)


def _as_http(status: str, body: Any) -> str:
    return f"{status}\n{json.dumps(body, ensure_ascii=False, indent=2)}"
