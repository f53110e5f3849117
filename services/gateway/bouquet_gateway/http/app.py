"""The HTTP application: the routes that need no provider, a catch-all for the offers', and the hops around them."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from bouquet_gateway.access.authenticate import Authenticate
from bouquet_gateway.http.endpoints import (
    OPENAPI,
    DocumentEndpoints,
    IntrospectionEndpoint,
    LookupEndpoint,
    PingEndpoints,
)
from bouquet_gateway.http.middlewares import observe, one_spelling, problems, recorded
from bouquet_gateway.journal.record import Journal
from bouquet_gateway.load.admission import admission
from bouquet_gateway.lookup.answer import Lookups
from bouquet_gateway.public.documents import Documents
from bouquet_gateway.public.pings import Pings
from bouquet_gateway.public.readiness import Readiness
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh import health


class Parts(Struct, frozen=True, kw_only=True):
    """What the endpoints of a gateway are made of. Each endpoint is given the parts that it uses."""

    settings: GatewaySettings
    authenticate: Authenticate
    lookups: Lookups
    documents: Documents
    pings: Pings
    readiness: Readiness
    journal: Journal


def make_app(parts: Parts) -> web.Application:
    settings = parts.settings
    pings = PingEndpoints(parts.pings, settings.public_url.rstrip("/"))
    introspection = IntrospectionEndpoint(parts.authenticate, parts.journal, settings.deadline_s)
    documents = DocumentEndpoints(parts.documents)
    lookups = LookupEndpoint(parts.lookups, parts.documents, parts.journal)
    hops = [observe, recorded(parts.journal), problems, one_spelling(lookups.get)]
    app = web.Application(middlewares=[admission(settings.max_requests), *hops])
    app.add_routes(
        [
            *health.probe_routes(parts.readiness.waiting),
            health.metrics_route(parts.pings.measure) if settings.processes == 1 else metrics_elsewhere(settings),
            web.get("/api/ping", pings.gateway),
            web.get("/api/pings", pings.all),
            web.get("/api/{status}/ping", pings.one),
            web.get("/api/introspect", introspection.get),
            *(web.get(path, documents.openapi) for path in OPENAPI),
            web.get("/api/errors", documents.errors),
            web.route("*", "/{path:.*}", lookups.get),
        ]
    )
    return app


def make_own_app(parts: Parts) -> web.Application:
    """What one of several processes tells of itself alone."""
    app = web.Application()
    app.add_routes([*health.probe_routes(parts.readiness.waiting), health.metrics_route(parts.pings.measure)])
    return app


def metrics_elsewhere(settings: GatewaySettings) -> web.RouteDef:
    """On a port that several processes share: each request may reach another one, and sums of that would be wrong."""
    ports = f"{settings.port + 1} to {settings.port + settings.processes}"

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(status=404, text=f"Each process has its own metrics, at ports {ports}.\n")

    return web.get("/metrics", metrics)
