"""One handler's result in several shapes: the versions of a resource, or one that leaves the identity out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from bouquet_proto.offer import People, operation
from bouquet_worker.worker import PublishedOperation


def published_operation(
    data: type[Struct], *, fields: dict[str, tuple[str, ...]], people: tuple[People, ...] = (), **rest: Any
) -> PublishedOperation[Any]:
    """An operation that publishes the attributes of a handler's result that `data` names.

    `fields` and `people` may name more than `data` has: one table serves every shape. `rest` are the other fields of
    `Operation`.
    """
    own = {path: scopes for path, scopes in fields.items() if path.split(".")[0] in data.__struct_fields__}
    named = tuple(one for one in people if one.at.split(".")[0] in data.__struct_fields__)
    return PublishedOperation(operation(data=data, fields=own, people=named, **rest), view_of(data))


def view_of(data: type[Struct]) -> Callable[[Any], Any]:
    """A view that gives the attributes of a result that `data` names."""
    return partial(msgspec.convert, type=data, from_attributes=True)
