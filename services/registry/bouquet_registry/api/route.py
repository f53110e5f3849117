"""Description of a route of the API. The application and the OpenAPI document are made from these descriptions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from bouquet_registry.acts import Author
from bouquet_registry.administration import Administration
from bouquet_registry.api.inputs import Check, no_faults

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH"]


class ApiRequest(Struct, frozen=True):
    """HTTP request to the API that has been read and authenticated."""

    id: str
    """Identifier in the path of the request, such as a token's id; "" if there is none. If the path has two
    identifiers, the second: `b` in `/definitions/a/formulaires/b`."""
    inputs: Any
    """Query parameters or body of the request, as a struct of the type `Route.takes`; None if the route takes
    neither."""
    author: Author
    """Author and reason of the administrative act. Both are empty unless `Route.is_act` is true."""
    parent: str = ""
    """First of two identifiers in the path, such as `a` in `/definitions/a/formulaires/b`; otherwise empty."""
    query: tuple[tuple[str, str], ...] = ()
    """Names and values of all parameters in the query string. Empty unless the route accepts arbitrary parameters
    (`Route.has_open_query`)."""


Handler: TypeAlias = Callable[[Administration, ApiRequest], Awaitable[Any]]
"""Function that handles the requests to a route. Returns the content of the answer, of the type `Route.answers`, or
raises `RefusalError` or `ApiError` to refuse the request."""


class Route(Struct, frozen=True, kw_only=True):
    """Route of the API: its method and path, the function that handles requests, and the types of parameters and
    answer."""

    method: Method
    path: str
    name: str
    """Name of the route in logs, and its `operationId` in the OpenAPI document."""
    summary: str
    handler: Handler
    answers: Any
    """Type of the answer's content, such as `Page[Token]`."""
    takes: type[Struct] | None = None
    """Struct of the query parameters of a GET, or of the body of another method; None if the route takes neither."""
    check: Check = no_faults
    """Function that checks the fields of a body, and returns a text `field: problem` for each fault."""
    is_act: bool = False
    """Whether a request to this route is an administrative act. If so, its headers must give the author and the
    reason."""
    has_open_query: bool = False
    """Whether the query string may contain arbitrary parameters, even repeated ones, besides those in `takes`."""
    status: int = 200
    refusals: tuple[int, ...] = ()
    """HTTP statuses, such as 404 and 409, with which this route may refuse a request, besides `openapi.ALWAYS` and
    422."""


def change_route(
    method: Method,
    path: str,
    name: str,
    summary: str,
    handler: Handler,
    takes: type[Struct],
    answers: Any,
    *,
    check: Check = no_faults,
) -> Route:
    """Returns a route that changes a record. `takes` is the type of the request's body, and `answers` the type of the
    answer's content. Each request is recorded with its author. A request may be refused because the record's id is
    unknown (404) or its version is outdated (409)."""
    return Route(
        method=method,
        path=path,
        name=name,
        summary=summary,
        handler=handler,
        takes=takes,
        check=check,
        answers=answers,
        is_act=True,
        refusals=(404, 409),
    )
