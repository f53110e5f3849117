"""Endpoint of the Model Context Protocol: Streamable HTTP, with JSON answers and without sessions
(docs/adr/0023-mcp.md)."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web

from bouquet_gateway.errors.answers import answer_of
from bouquet_gateway.errors.problems import Problem, failure_of
from bouquet_gateway.http.endpoints import plain_request, read_body
from bouquet_gateway.http.middlewares import CALL
from bouquet_gateway.http.responses import json_bytes_response, json_response
from bouquet_gateway.journal.record import Journal
from bouquet_gateway.mcp.messages import INVALID_REQUEST, Response, RpcError, error_response
from bouquet_gateway.mcp.server import MAX_BODY_BYTES, Mcp
from bouquet_proto.failures import Kind


class McpEndpoint:
    """Endpoint that answers one message of the Model Context Protocol for each POST. Requests from web pages outside
    the gateways' own URL are refused."""

    # A browser names the page's address in the header `Origin`. Other HTTP methods than POST are refused too.

    def __init__(self, mcp: Mcp, journal: Journal, public_url: str) -> None:
        self._mcp = mcp
        self._journal = journal
        url = urlsplit(public_url)
        self._origin = f"{url.scheme}://{url.netloc}".lower()

    async def post(self, request: web.Request) -> web.Response:
        call = request[CALL]
        call.operation = "mcp"
        if request.method != "POST":
            return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
        if request.headers.get("Origin", self._origin) != self._origin:
            refused = RpcError(INVALID_REQUEST, "Origin not allowed", status=HTTPStatus.FORBIDDEN)
            return _response(error_response(refused))
        self._journal.begin(call)
        body = await read_body(request, MAX_BODY_BYTES)
        try:
            return _response(await self._mcp.answer(body, request.headers, plain_request(request), call))
        except Problem as problem:
            if failure_of(problem.reasons[0]).kind is not Kind.UNAUTHORIZED:
                raise
            return _unauthorized(problem, request)


def _response(response: Response) -> web.Response:
    if not response.body:
        return web.Response(status=response.status)
    return json_bytes_response(response.body, response.status)


def _unauthorized(problem: Problem, request: web.Request) -> web.Response:
    """Returns the answer to a call without a valid token: status 401, with the same JSON body that API Entreprise
    answers at this path."""
    answer_of(problem, request[CALL], request.path)  # for the journal and the metrics
    error = "token_expired" if problem.reasons[0] == "token_expired" else "not_authorized"
    return json_response({"error": error}, HTTPStatus.UNAUTHORIZED)
