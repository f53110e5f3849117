"""HTTP application of the gateway: routes of its own endpoints, a route for all paths that workers offer, and
middlewares."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from bouquet_gateway.access.authenticate import Authenticator
from bouquet_gateway.dossiers.open import Dossiers
from bouquet_gateway.http.dossiers import DossierEndpoint
from bouquet_gateway.http.endpoints import (
    OPENAPI,
    DelegationsEndpoint,
    DocumentEndpoints,
    IntrospectionEndpoints,
    LookupEndpoint,
    PingEndpoints,
    SandboxEndpoints,
)
from bouquet_gateway.http.mcp import McpEndpoint
from bouquet_gateway.http.middlewares import observe, record_access, refuse_encoded_paths, render_problems
from bouquet_gateway.http.proofs import ProofDocumentEndpoint, ProofEndpoint
from bouquet_gateway.journal.record import Journal
from bouquet_gateway.load.admission import admission
from bouquet_gateway.lookup.answer import Lookups
from bouquet_gateway.mcp.server import Mcp
from bouquet_gateway.paths import (
    DOSSIERS,
    MCP,
    PROOF_DOCUMENT,
    PROOFS,
    SANDBOX_CASES,
    SANDBOX_CHECK,
    SANDBOX_TOKENS,
    TOKEN_INTROSPECTION,
)
from bouquet_gateway.proofs.checks import ProofChecks
from bouquet_gateway.proofs.downloads import ProofDownloads
from bouquet_gateway.public.documents import Documents
from bouquet_gateway.public.pings import Pings
from bouquet_gateway.public.readiness import Readiness
from bouquet_gateway.public.sandbox_cases import SandboxCases
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh import health
from bouquet_mesh.bus.api import BusClient


class GatewayServices(Struct, frozen=True, kw_only=True):
    """Services from which a gateway's HTTP application is made."""

    settings: GatewaySettings
    authenticate: Authenticator
    lookups: Lookups
    dossiers: Dossiers
    documents: Documents
    pings: Pings
    readiness: Readiness
    sandbox_cases: SandboxCases
    journal: Journal
    bus: BusClient
    proof_downloads: ProofDownloads | None = None
    mcp: Mcp | None = None
    """Server of the Model Context Protocol; `None` if the settings do not turn it on."""
    proof_checks: ProofChecks | None = None
    """Service that verifies proofs; `None` if the gateway makes no proofs."""


def make_app(services: GatewayServices) -> web.Application:
    settings = services.settings
    pings = PingEndpoints(services.pings, settings.public_url.rstrip("/"))
    introspection = IntrospectionEndpoints(services.authenticate, services.journal, settings.deadline_s)
    delegations = DelegationsEndpoint(services.authenticate, services.journal, services.bus, settings.deadline_s)
    documents = DocumentEndpoints(services.documents)
    sandbox = SandboxEndpoints(services.authenticate, services.sandbox_cases, settings)
    lookups = LookupEndpoint(services.lookups, services.documents, services.journal)
    proofs = ProofEndpoint(services.proof_checks, settings.deadline_s, is_sandbox=settings.sandbox)
    proof_documents = ProofDocumentEndpoint(services.proof_downloads, settings.deadline_s)
    middlewares = [observe, record_access(services.journal), render_problems, refuse_encoded_paths(lookups.get)]
    app = web.Application(middlewares=[admission(settings.max_requests), *middlewares])
    app.add_routes(
        [
            *health.probe_routes(services.readiness.readyz_body),
            health.metrics_route(services.pings.measure)
            if settings.processes == 1
            else metrics_at_other_ports(settings),
            web.get("/api/ping", pings.gateway),
            web.get("/api/pings", pings.all),
            web.get("/api/{status}/ping", pings.one),
            web.get("/api/introspect", introspection.scopes),
            web.get(TOKEN_INTROSPECTION, introspection.token),
            web.get("/editeur/api/v1/delegations", delegations.get),
            *(web.get(path, documents.openapi) for path in OPENAPI),
            web.get("/api/errors", documents.errors),
            web.post(DOSSIERS, DossierEndpoint(services.dossiers, services.journal).post),
            web.get(PROOFS, proofs.get),
            web.get(PROOF_DOCUMENT, proof_documents.get),
            web.get(SANDBOX_CASES, sandbox.list),
            web.post(SANDBOX_CHECK, sandbox.check),
            web.post(SANDBOX_TOKENS, sandbox.issue),
            *_mcp_routes(services),
            web.route("*", "/{path:.*}", lookups.get),
        ]
    )
    return app


def _mcp_routes(services: GatewayServices) -> list[web.RouteDef]:
    if services.mcp is None:
        return []
    return [web.route("*", MCP, McpEndpoint(services.mcp, services.journal, services.settings.public_url).post)]


def make_process_app(services: GatewayServices) -> web.Application:
    """Returns the HTTP application that serves the health probes and the metrics of one process."""
    app = web.Application()
    app.add_routes([*health.probe_routes(services.readiness.readyz_body), health.metrics_route(services.pings.measure)])
    return app


def metrics_at_other_ports(settings: GatewaySettings) -> web.RouteDef:
    """Returns the route `/metrics` of the port that all processes of a gateway share. The answer, a 404, names the
    ports of the metrics."""
    # The shared port has no metrics, since each scrape of it would reach any one of the processes.
    ports = f"{settings.port + 1} to {settings.port + settings.processes}"

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(status=404, text=f"Each process has its own metrics, at ports {ports}.\n")

    return web.get("/metrics", metrics)
