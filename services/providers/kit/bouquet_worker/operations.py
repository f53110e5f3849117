"""Operations of a worker with their handlers, and the question that a handler receives."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

from msgspec import Struct

from bouquet_proto.identity import MODALITIES, Identity
from bouquet_proto.limits import DEFAULT_LIMITS, ReplyLimits
from bouquet_proto.messages import Caller, Lookup, Parameter
from bouquet_proto.offer import Modality, Operation, unlisted_fields

I = TypeVar("I", bound=Identity)  # noqa: E741 - the one type parameter that reads as a word: Question[Identite]
R = TypeVar("R")
AnswerHandler: TypeAlias = Callable[..., Awaitable[Any]]
"""Function of a worker that answers questions. Takes a `Question`, then clients of upstreams. Returns the resource, or
a reply such as `NotFound`."""


class Question(Struct, Generic[I], frozen=True):
    """Question of a gateway about one person, as the worker's handler receives it."""

    identity: I
    """Identity of the person, in the form that the operation takes, such as civil status or INE (student number)."""
    parameters: Mapping[str, Parameter]
    """Parameters of the question that are not part of the identity, by name."""
    caller: Caller
    request_id: str
    """Id of the caller's HTTP request. The logs of the gateway and of the worker contain the same id."""
    today: date


class PublishedOperation(Struct, Generic[R], frozen=True):
    """Operation that gateways publish. `view` converts the handler's result to the published data."""

    # Several versions of a resource may share one handler.

    operation: Operation
    view: Callable[[R], Any]
    """Function that converts the handler's result to the operation's published data."""
    result: type[R] | None = None
    """Type of the handler's result. Only needed for an old version of an operation if the sandbox is to answer it from
    the test cases of its successor."""


class InternalOperation(Struct, frozen=True):
    """Operation without a path, which only gateways call, such as the opening of a FranceConnect session."""

    id: str
    modality: Modality
    """Kind of identity in requests for this operation, such as civil status or INE."""
    reply: ReplyLimits = DEFAULT_LIMITS


DeclaredOperation: TypeAlias = PublishedOperation[Any] | Operation | InternalOperation


class HandledOperation(Struct, frozen=True):
    """Operation with its handler, the function that answers. `upstreams` contains the names of the upstreams that the
    handler calls."""

    operation: Operation | InternalOperation
    view: Callable[[Any], Any]
    result: type[Any] | None
    handler: AnswerHandler
    upstreams: tuple[str, ...]

    def accepts(self, lookup: Lookup) -> bool:
        return isinstance(lookup.identity, MODALITIES[self.operation.modality])


def handled(declared: DeclaredOperation, handler: AnswerHandler, upstreams: tuple[str, ...]) -> HandledOperation:
    """Returns a declared operation together with its handler and the names of the upstreams that the handler calls."""
    if isinstance(declared, PublishedOperation):
        return HandledOperation(declared.operation, declared.view, declared.result, handler, upstreams)
    return HandledOperation(declared, _unchanged, None, handler, upstreams)


def _unchanged(result: Any) -> Any:
    return result


def objection_to(handled: HandledOperation) -> str:
    """Returns what is wrong with an operation or its handler, for instance that the handler is no `async def`. Returns
    "" if nothing is wrong."""
    operation, handler = handled.operation, handled.handler
    if not inspect.iscoroutinefunction(handler):
        return f"the handler of {operation.id} must be an `async def`"
    if isinstance(operation, Operation) and (unlisted := ", ".join(unlisted_fields(operation))):
        return f"{operation.id} publishes {unlisted}, for which `fields` names no scope"
    identity, taken = MODALITIES[operation.modality], _identities_of(handler)
    if taken and identity not in taken:
        return f"{operation.id} identifies people by {operation.modality}: its handler must take " + (
            f"Question[{identity.__name__}], and not Question[{' | '.join(sorted(one.__name__ for one in taken))}]"
        )
    return ""


def _identities_of(handler: Callable[..., Any]) -> frozenset[type]:
    """Returns the types of identity that the first parameter of a handler takes, such as `Ine`. Returns an empty set if
    the parameter's annotation is no `Question`, or if an annotation cannot be evaluated."""
    function = handler.func if isinstance(handler, partial) else handler
    [first, *_] = inspect.signature(handler).parameters
    try:
        return _identities_in(get_type_hints(function).get(first))
    except NameError:
        return frozenset()


def _identities_in(annotation: Any) -> frozenset[type]:
    """Returns the types of identity in an annotation, such as `Ine` and `Identite` in `Question[Ine | Identite]`."""
    if get_origin(annotation) is Question:
        [inner] = get_args(annotation)
        return frozenset(one for one in get_args(inner) or (inner,) if isinstance(one, type))
    return frozenset().union(*map(_identities_in, get_args(annotation)))
