"""HTTP endpoints: conversion of requests to plain data, and of answers to HTTP responses."""

from __future__ import annotations

import re
import time

import msgspec
from aiohttp import web
from msgspec import Struct

from bouquet_gateway.access.authenticate import Authenticator, Requester
from bouquet_gateway.access.delegations import list_delegations
from bouquet_gateway.access.introspection import VERSION, introspection_of
from bouquet_gateway.access.tokens import issue
from bouquet_gateway.call import HttpRequest
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.http.middlewares import CALL
from bouquet_gateway.http.responses import document_response, json_bytes_response, json_response
from bouquet_gateway.journal.record import Journal
from bouquet_gateway.lookup.answer import Lookups
from bouquet_gateway.paths import ENCODED, READING, Envelope
from bouquet_gateway.public.documents import Documents
from bouquet_gateway.public.pings import Pings
from bouquet_gateway.public.sandbox_cases import SandboxCases
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.bus.api import BusClient
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import MAX_CASE_BYTES
from bouquet_proto.query import parse_query

OPENAPI: dict[str, Envelope | None] = {
    "/api/openapi.json": None,
    "/api/open-api.yml": "v2",
    "/api/open-api-v2.yml": "v2",
    "/api/france-connect/open-api.yml": "v2",
    "/api/open-api-v3.yml": "v3",
}
"""API version of each OpenAPI document, by the document's path (docs/reference/contract.md §5.4). `v3` stands for
version 3 and all later ones, `None` for all versions."""

MAX_AGE_S = 300
"""Seconds for which clients may keep a public document (`max-age` of `Cache-Control`)."""
ERRORS_MAX_AGE_S = 3600
"""Seconds for which clients may keep the answer of `/api/errors` (`max-age` of `Cache-Control`)."""
SANDBOX_MAX_AGE_S = 60
"""Seconds for which clients may keep the list of a sandbox's test cases (`max-age` of `Cache-Control`)."""
MAX_SCOPES_BYTES = 16 * 1024
"""Largest size, in bytes, of the body of a request for a sandbox token."""
DAY_S = 86_400
OPERATION_ID = re.compile(r"[\w.-]{1,128}", re.ASCII)
"""Pattern of an operation id. The error about an unknown operation quotes the caller's id only if the id matches."""


def plain_request(request: web.Request) -> HttpRequest:
    url, headers = request.rel_url, request.headers
    return HttpRequest(
        method=request.method,
        raw_path=url.raw_path,
        raw_query=url.raw_query_string,
        authorization=headers.get("Authorization", ""),
        api_key=headers.get("X-Api-Key", ""),
        peer=request.remote or "",
        forwarded_for=headers.getall("X-Forwarded-For", ()),
        no_cache=headers.get("Cache-Control") == "no-cache",
        proof=headers.get("X-Generate-Proof", "").strip(),
    )


class LookupEndpoint:
    """Endpoint of all paths that workers serve: operations, which return data about a person, and public documents."""

    def __init__(self, lookups: Lookups, documents: Documents, journal: Journal) -> None:
        self._lookups = lookups
        self._documents = documents
        self._journal = journal

    async def get(self, request: web.Request) -> web.StreamResponse:
        call = request[CALL]
        may_be_document = request.method in READING and ENCODED not in request.rel_url.raw_path
        document = self._documents.offered(call.path) if may_be_document else None
        if document is not None:
            return document_response(request, document, max_age_s=MAX_AGE_S)
        self._journal.begin(call)
        answer = await self._lookups.answer(plain_request(request), call)
        response = json_bytes_response(answer.body, answer.status)
        if answer.retry_after_s is not None:
            response.headers["Retry-After"] = str(answer.retry_after_s)
        return response


class IntrospectionEndpoints:
    """Endpoints that describe the caller's token: its scopes and, in version 3, also expiry, habilitation and rate
    limit. Calls of these endpoints have no rate limit (docs/reference/contract.md §2.5)."""

    def __init__(self, authenticate: Authenticator, journal: Journal, deadline_s: float) -> None:
        self._authenticate = authenticate
        self._journal = journal
        self._deadline_s = deadline_s

    async def scopes(self, request: web.Request) -> web.Response:
        requester = await self._requester(request, "introspect")
        request[CALL].reached_data = True
        return json_response({"_id": requester.token.id, "name": "", "scopes": sorted(requester.token.scopes)})

    async def token(self, request: web.Request) -> web.Response:
        """Answers with the description of the caller's token. Raises `Problem` if the version in the path is not 3, or
        if a software editor names a `recipient` that delegates nothing to the editor."""
        requester = await self._requester(request, "token_introspect")
        version = int(request.match_info["version"])
        if version != VERSION:
            raise Problem("unknown_version", values={"version": version})
        refusal = requester.undelegated
        if refusal is not None and parse_query(request.rel_url.raw_query_string).scalar("recipient") is not None:
            raise Problem(refusal.reason, meta={"retry_in": refusal.retry_in_s} if refusal.retry_in_s else None)
        request[CALL].reached_data = True
        return json_response(introspection_of(requester.token))

    async def _requester(self, request: web.Request, operation: str) -> Requester:
        call, parts = request[CALL], plain_request(request)
        call.operation = operation
        self._journal.begin(call)
        deadline = Deadline.after(self._deadline_s)
        admission = await self._authenticate.admit(parts, call, deadline, is_rate_limited=False)
        return await self._authenticate.identify_by_token(admission, parts, call, deadline)


class DelegationsEndpoint:
    """Endpoint that lists the delegations to a software editor: the editor's rights to use administrations'
    habilitations. The bearer token must be the editor's."""

    def __init__(self, authenticate: Authenticator, journal: Journal, bus: BusClient, deadline_s: float) -> None:
        self._authenticate = authenticate
        self._journal = journal
        self._bus = bus
        self._deadline_s = deadline_s

    async def get(self, request: web.Request) -> web.Response:
        call, parts = request[CALL], plain_request(request)
        call.operation = "delegations"
        self._journal.begin(call)
        deadline = Deadline.after(self._deadline_s)
        admission = await self._authenticate.admit(parts, call, deadline)
        if admission.credential.place != "bearer":
            raise Problem("token_missing")
        requester = await self._authenticate.identify_by_token(admission, parts, call, deadline)
        # The token may be of a later credential, such as `X-Api-Key`, if the bearer is unknown.
        if not requester.token.editor or requester.digest != admission.digest:
            raise Problem("token_invalid")
        call.reached_data = True
        query = parse_query(parts.raw_query)
        return json_response(
            await list_delegations(self._bus, requester.token.editor, query, call.request_id, deadline)
        )


class DocumentEndpoints:
    """Endpoints for the OpenAPI documents and the list of errors."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def openapi(self, request: web.Request) -> web.StreamResponse:
        return document_response(request, self._documents.openapi(OPENAPI[request.path]), max_age_s=MAX_AGE_S)

    async def errors(self, request: web.Request) -> web.StreamResponse:
        """Answers with the list of errors of all operations. The query parameter `operation_id` reduces the list to one
        operation; raises `Problem` if that operation does not exist."""
        operation_id = request.query.get("operation_id", "")
        document = self._documents.errors(operation_id)
        if document is None:
            named = f" ({operation_id})" if OPERATION_ID.fullmatch(operation_id) else ""
            raise Problem("unknown_operation", values={"named": named})
        return document_response(request, document, max_age_s=ERRORS_MAX_AGE_S)


class SandboxEndpoints:
    """Endpoints that only a sandbox has: list of test cases, check of a proposed test case, and tokens with fewer
    scopes. What callers send is neither kept nor logged."""

    def __init__(self, authenticate: Authenticator, cases: SandboxCases, settings: GatewaySettings) -> None:
        self._authenticate = authenticate
        self._cases = cases
        self._settings = settings

    async def list(self, request: web.Request) -> web.StreamResponse:
        request[CALL].operation = "sandbox_cases"
        deadline = Deadline.after(self._settings.deadline_s)
        document = await self._cases.document(request[CALL].request_id, deadline)
        return document_response(request, document, max_age_s=SANDBOX_MAX_AGE_S)

    async def check(self, request: web.Request) -> web.Response:
        """Checks whether the test case in the request's body is valid for an operation, and answers with its faults.
        The query parameter `operation_id` names the operation."""
        deadline = Deadline.after(self._settings.deadline_s)
        await self._requester(request, "sandbox_check", deadline)
        text = await read_text(request, MAX_CASE_BYTES)
        operation_id = request.query.get("operation_id", "")
        report = await self._cases.report(operation_id, text, request[CALL].request_id, deadline)
        return json_response(report)

    async def issue(self, request: web.Request) -> web.Response:
        """Answers with a new token, valid for at most a day. Scopes in the request's body that the caller's token lacks
        are left out."""
        # Its calls count against the rate limit of the caller's token.
        requester = await self._requester(request, "sandbox_token", Deadline.after(self._settings.deadline_s))
        try:
            wanted = _scopes_decoder.decode(await read_text(request, MAX_SCOPES_BYTES)).scopes
        except msgspec.DecodeError:
            raise Problem("bad_request") from None
        own = requester.token
        scopes = sorted(own.scopes & wanted)
        expires_at = min(int(own.expires_at), int(time.time()) + DAY_S)
        text = issue(self._settings.token_key, scopes, expires_at=expires_at, token_id=own.id, siret=own.siret)
        return json_response({"token": text, "expires_at": expires_at, "scopes": scopes})

    async def _requester(self, request: web.Request, operation: str, deadline: Deadline) -> Requester:
        """Authenticates the caller of a sandbox's endpoint by its token. Raises `Problem` outside of a sandbox, or if
        the token is not valid. `operation` is the endpoint's name in the log."""
        if not self._settings.sandbox or not self._settings.token_key:
            raise Problem("unknown_route")
        call, parts = request[CALL], plain_request(request)
        call.operation = operation
        admission = await self._authenticate.admit(parts, call, deadline)
        return await self._authenticate.identify_by_token(admission, parts, call, deadline)


class _WantedScopes(Struct, frozen=True):
    scopes: frozenset[str]


_scopes_decoder = msgspec.json.Decoder(_WantedScopes)


async def read_body(request: web.Request, max_bytes: int) -> bytes:
    """Returns the body of a request. Raises `Problem` if the body has more than `max_bytes` bytes, or if the connection
    ends before the body does."""
    body = bytearray()
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > max_bytes:
                raise Problem("request_too_large")
    except ConnectionError:
        raise Problem("bad_request") from None
    return bytes(body)


async def read_text(request: web.Request, max_bytes: int) -> str:
    """Returns the body of a request as text. Raises `Problem` if the body has more than `max_bytes` bytes, or is not
    UTF-8."""
    body = await read_body(request, max_bytes)
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Problem("bad_request") from None


class PingEndpoints:
    """Endpoints that show the health of the gateway, and of each resource (group of operations)."""

    def __init__(self, pings: Pings, public_url: str) -> None:
        self._pings = pings
        self._public_url = public_url

    async def gateway(self, _: web.Request) -> web.Response:
        return json_response("pong")

    async def all(self, _: web.Request) -> web.Response:
        return json_response(self._pings.all(self._public_url))

    async def one(self, request: web.Request) -> web.Response:
        status = self._pings.status(request.match_info["status"])
        if status is None:
            return json_response({}, 404)
        return json_response(status, 502 if status.status == "bad_gateway" else 200)
