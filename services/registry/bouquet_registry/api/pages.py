"""Pages of long lists. Each page has a cursor, with which a client requests the next page."""

from __future__ import annotations

import operator
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct, UnsetType
from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry.api.errors import ApiError, Error
from bouquet_registry.api.inputs import value_problems

T = TypeVar("T")

Limit: TypeAlias = Annotated[int, Meta(ge=1, le=200, description="Largest number of items in the answer.")]
Cursor: TypeAlias = Annotated[
    str, Meta(max_length=400, description="Place from which the list goes on: `next` of the answer before.")
]
Time: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""A time with its time zone."""
Number: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Key: TypeAlias = tuple[Any, ...]
"""Sort key of an item: the item's values in the columns by which the list is sorted."""


def presence_conditions(column: ColumnElement[Any], wanted: bool | UnsetType) -> tuple[ColumnElement[bool], ...]:
    """Returns the SQL condition for rows with a value in `column` if `wanted` is true, and for rows without a value if
    false. Returns an empty tuple if `wanted` is `UNSET`."""
    if isinstance(wanted, UnsetType):
        return ()
    return (column.is_not(None) if wanted else column.is_(None),)


class Page(Struct, Generic[T], frozen=True):
    """Page of a list: some of the list's items, and the cursor with which a client gets the next ones."""

    data: tuple[T, ...]
    next: str | None
    """Cursor of the next page; null on the last page."""


class PageRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters that every list takes: the cursor (empty for the first page), and the largest number of items on a
    page."""

    cursor: Cursor = ""
    limit: Limit = 50


class Order(Struct, frozen=True):
    """Sort order of a list by two columns. The second column decides between equal values of the first."""

    columns: tuple[ColumnElement[Any], ColumnElement[Any]]
    types: Any
    """Tuple type with the types of the two columns, such as `tuple[Time, str]`. A cursor is decoded to a tuple of this
    type."""
    newest_first: bool = False

    def after(self, cursor: str) -> ColumnElement[bool] | None:
        """Returns the SQL condition that selects the items after the cursor. Returns None, for the whole list, if the
        cursor is empty. Raises `ApiError` for a malformed cursor."""
        if not cursor:
            return None
        (first, second), (a, b) = self.columns, decode_cursor(cursor, self.types)
        beyond = operator.lt if self.newest_first else operator.gt
        # The first condition is of a form that an index can serve.
        at_least = first <= a if self.newest_first else first >= a
        return and_(at_least, or_(beyond(first, a), and_(first == a, beyond(second, b))))

    def apply(self, query: Select[Any], cursor: str = "") -> Select[Any]:
        """Returns the query sorted, and limited to the items after the cursor. An empty cursor keeps all items."""
        after = self.after(cursor)
        ordered = query.order_by(*(column.desc() if self.newest_first else column for column in self.columns))
        return ordered if after is None else ordered.where(after)


async def page_of(
    connection: AsyncConnection,
    query: Select[Any],
    order: Order,
    asked: PageRequest,
    read: Callable[[Any], T],
) -> Page[T]:
    """Runs a query and returns one page of its items. `asked` has the client's cursor and the largest number of items.
    `read` converts a row to an item. Raises `ApiError` for a malformed cursor."""
    names = [column.key for column in order.columns]
    rows = (await connection.execute(order.apply(query, asked.cursor).limit(asked.limit + 1))).mappings().all()
    some = rows[: asked.limit]
    more = len(rows) > asked.limit
    return Page(tuple(map(read, some)), cursor_of([some[-1][name] for name in names]) if more else None)


def cursor_of(key: Sequence[Any]) -> str:
    """Returns the cursor of the page that begins after the item with the sort key `key`."""
    return urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode_cursor(cursor: str, types: Any) -> Key:
    """Returns the values in a cursor, as a tuple of the type `types`. Raises `ApiError` for a malformed cursor."""
    try:
        key: Key = msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=types)
    except (ValueError, msgspec.DecodeError):
        key = ()
    if not key or any(value_problems(key, "")):
        raise ApiError(Error("invalid", "is no cursor of this list", "cursor"))
    return key
