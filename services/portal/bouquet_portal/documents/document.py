"""JSON document that a gateway publishes. The document is decoded again only if it has changed since the last
reading."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from bouquet_portal.documents.archive import Archive, NoArchive
from bouquet_portal.documents.client import Answer, Client, GatewayError

T = TypeVar("T")


class Document(Generic[T]):
    """JSON document at one path of a gateway. `parse` turns its decoded JSON into a value. A document that `parse`
    accepts is stored in `archive`."""

    def __init__(self, client: Client, path: str, parse: Callable[[Any], T], archive: Archive | None = None) -> None:
        self._client = client
        self._path = path
        self._parse = parse
        self._archive: Archive = archive or NoArchive()
        self._url = f"{client.url}{path}"
        self._last: tuple[str, T] | None = None
        """ETag and value of the last reading. None if nothing was read yet, or if the gateway sent no ETag."""

    def read(self) -> T:
        """Requests the document from the gateway and returns its value. Raises `GatewayError` if the gateway sends no
        document of the expected form."""
        # An unchanged document is not decoded again.
        # An OpenAPI document has more than a megabyte: to decode and understand it takes 0.1 s of a processor.
        known = {"If-None-Match": self._last[0]} if self._last else {}
        answer = self._client.get(self._path, {"Accept-Encoding": "gzip"} | known)
        if answer.status == HTTPStatus.NOT_MODIFIED and self._last:
            self._archive.confirm(self._url)
            return self._last[1]
        if answer.status != HTTPStatus.OK:
            raise GatewayError(f"the gateway answers {self._path} with {answer.status}")
        value = self._value(answer)
        self._archive.save(self._url, answer.body)
        etag = next((text for name, text in answer.headers.items() if name.lower() == "etag"), "")
        self._last = (etag, value) if etag else None
        return value

    def restore(self) -> tuple[T, datetime] | None:
        """Returns the value of the archived document, and the time at which it was last known to be current. Returns
        None if no usable document is archived."""
        archived = self._archive.load(self._url)
        if archived is None:
            return None
        try:
            return self._value(Answer(HTTPStatus.OK, {}, archived.body)), archived.at
        except GatewayError:
            return None

    def _value(self, answer: Answer) -> T:
        try:
            return self._parse(answer.json())
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise GatewayError(f"the gateway's {self._path} has another form than expected") from error
