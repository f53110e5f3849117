"""Operations that publish only a part of their handler's result, such as the fields of one version of the API."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from bouquet_proto.offer import People, operation
from bouquet_worker.operations import PublishedOperation


def published_operation(
    data: type[Struct], *, fields: dict[str, tuple[str, ...]], people: tuple[People, ...] = (), **rest: Any
) -> PublishedOperation[Any]:
    """Returns an operation whose published data is a struct of type `data`. Each field of the struct is copied from the
    attribute of the same name in the handler's result.

    Args:
        data: Struct of the published resource.
        fields: Maps the dotted path of each field to the scopes that give access to it, as in `Operation`. Paths that
            do not begin with a field of `data` are ignored.
        people: Parts of `data` that describe people, as in `Operation`. Parts outside `data` are ignored.
        rest: Further arguments, passed unchanged to `operation`.
    """
    own = {path: scopes for path, scopes in fields.items() if path.split(".")[0] in data.__struct_fields__}
    named = tuple(one for one in people if one.at.split(".")[0] in data.__struct_fields__)
    return PublishedOperation(operation(data=data, fields=own, people=named, **rest), view_of(data))


def view_of(data: type[Struct]) -> Callable[[Any], Any]:
    """Returns a function that makes a struct `data` from a handler's result, by copying the attributes of the same
    names."""
    return partial(msgspec.convert, type=data, from_attributes=True)
