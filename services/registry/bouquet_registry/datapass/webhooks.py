"""Webhooks, the HTTP requests by which DataPass sends events. A webhook must be signed and recent. Its event is applied
once, or stored for an operator if it cannot be applied."""

from __future__ import annotations

import logging
from datetime import timedelta
from http import HTTPStatus

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from bouquet_mesh.secret import Secret
from bouquet_registry import metrics
from bouquet_registry.clock import Clock, utc_now
from bouquet_registry.datapass import formats, inbox
from bouquet_registry.datapass.effects import Answer
from bouquet_registry.datapass.formats import Dialect
from bouquet_registry.datapass.inbox import ReceivedEvent
from bouquet_registry.refusals import RefusalError
from bouquet_registry.store import Store
from bouquet_registry.webhook_signature import HEADER, is_signed

log = logging.getLogger(__name__)

PATHS: dict[str, Dialect] = {
    "/api/datapass/api_particulier/webhook": "v1",
    "/api/datapass/v2/api_particulier/webhook": "v2",
}
"""Format of DataPass events by webhook path."""
MAX_AHEAD = timedelta(minutes=5)
"""Longest time by which an event's date may be ahead of the registry's clock. An event that is further ahead is stored
for an operator, and not applied."""


class Webhooks:
    def __init__(self, store: Store, secret: Secret, window_s: float, clock: Clock = utc_now) -> None:
        self._store = store
        self._secret = secret
        self._window = timedelta(seconds=window_s)
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        for outcome in ("unsigned", "set_aside"):
            metrics.WEBHOOKS.labels(outcome)  # from 0 on, so that a rate sees the first one
        return [web.post(path, self.handle) for path in PATHS]

    async def handle(self, request: web.Request) -> web.Response:
        """Answers a webhook of DataPass. The HTTP status is 401 for a wrong signature or an old event, and 503 if the
        database is unavailable. Otherwise it is 200, even for an event that is only stored for an operator."""
        # DataPass switches a webhook off after five failures in a row. So an event that cannot be applied is set aside
        # and answered with 200: it must not stop the events of other habilitations.
        body = await request.read()
        status, answer, outcome = await self._process(PATHS[request.path], body, request.headers.get(HEADER, ""))
        metrics.WEBHOOKS.labels(outcome).inc()
        log.info("webhook answered", extra={"status": status, "outcome": outcome})
        response = web.json_response(answer, status=status)
        if status == HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = HEADER
        return response

    async def _process(self, dialect: Dialect, body: bytes, signature: str) -> tuple[int, Answer, str]:
        """Checks a webhook in the format `dialect`, and applies its event or stores it for an operator. Returns the
        HTTP status of the answer, its content, and the outcome for the log and a metric."""
        if not is_signed(self._secret, body, signature):
            return 401, {}, "unsigned"
        if formats.is_test(body):
            return 200, {}, "test"
        now = self._clock()
        received = ReceivedEvent(dialect, body, now)
        try:
            try:
                event = formats.read(dialect, body)
                if event.fired_at < now - self._window:
                    return 401, {}, "stale"
                if event.fired_at > now + MAX_AHEAD:
                    raise RefusalError("is dated ahead of the clock")
                answer, outcome = await inbox.apply_once(self._store, received, event, self._clock)
                return 200, answer, outcome
            except RefusalError as refused:
                await inbox.set_aside(self._store, received, str(refused))
                log.warning("webhook set aside", extra={"why": type(refused).__name__, "digest": received.digest})
                return 200, {}, "set_aside"
        except (SQLAlchemyError, OSError) as error:
            log.error("database unavailable", extra={"error": type(error).__name__})
            return 503, {}, "failed"  # DataPass sends it again
