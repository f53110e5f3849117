"""Requests whose bodies have not arrived yet. To make room for another request, an application may close the connection
that has waited longest."""

from __future__ import annotations

from aiohttp import web

from bouquet_mesh.http.handler import Handler


class AwaitedBodies:
    """Requests whose bodies have not arrived yet, longest wait first. `close_longest` makes room for another
    request."""

    def __init__(self) -> None:
        self._requests: dict[int, web.BaseRequest] = {}
        """Requests by their object ids (`id`), longest wait first."""

    def add(self, request: web.BaseRequest) -> None:
        """Adds a request, if its body has not arrived yet."""
        if request.body_exists and not request.content.is_eof():
            self._requests[id(request)] = request

    def remove(self, request: web.BaseRequest) -> None:
        self._requests.pop(id(request), None)

    def close_longest(self) -> web.BaseRequest | None:
        """Closes the connection of the request that has waited longest for its body, and returns this request. Returns
        None if all bodies have arrived."""
        for request in tuple(self._requests.values()):
            self.remove(request)
            if not request.content.is_eof() and isinstance(request.protocol, Handler):
                request.protocol.connection.close_for("requests")
                return request
        return None
